// What of the conversion is shorter and faster in JavaScript: it runs without leaving the engine.

// The JSON text of a value. What JSON would turn into null or drop without a word is refused.
export function toJson(value) {
  const text = JSON.stringify(value, (key, item) => {
    switch (typeof item) {
      case "number":
        if (Number.isFinite(item)) return item;
        throw new TypeError(`${key || "the value"} is ${item}; expected a finite number, or null where there is none`);
      case "bigint":
      case "function":
      case "symbol":
        throw new TypeError(`${key || "the value"} is a ${typeof item}; expected data`);
      case "object":
        if (ArrayBuffer.isView(item)) return Array.from(item);
        if (item instanceof Map) return Object.fromEntries(item);
    }
    return item;
  });
  return text ?? "null";
}

// Numbers, copied only where they are no Float64Array yet. NaN is left to the core, which knows what it means.
export function toNumbers(value, name) {
  if (value instanceof Float64Array) return value;
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
    throw new TypeError(`${name} is ${kind(value)}; expected an array of numbers`);
  }
  return Float64Array.from(value, (item, i) => {
    if (typeof item === "number") return item;
    throw new TypeError(`${name}[${i}] is ${kind(item)}; expected a number`);
  });
}

// Outcomes as 0 and 1.
export function toOutcomes(value, name) {
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
    throw new TypeError(`${name} is ${kind(value)}; expected an array of true and false, or of 1 and 0`);
  }
  return Uint8Array.from(value, (item, i) => {
    if (item === true || item === 1) return 1;
    if (item === false || item === 0) return 0;
    throw new TypeError(`${name}[${i}] is ${kind(item)}; expected true or false, or 1 or 0`);
  });
}

// Texts as one, with the number of UTF-16 units of each: one crossing of the border for all of them.
export function splitTexts(text, lengths) {
  const texts = new Array(lengths.length);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) texts[i] = text.slice(at, (at += lengths[i]));
  return texts;
}

// The bytes of a file from one place to another; only workers may wait for them.
export function readBlob(blob, from, to) {
  return new Uint8Array(new FileReaderSync().readAsArrayBuffer(blob.slice(from, to)));
}

// What a source of text is: "text", "bytes", "blob", or what was found instead.
export function sourceKind(source) {
  if (typeof source === "string") return "text";
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return "bytes";
  if (typeof Blob !== "undefined" && source instanceof Blob) {
    if (typeof FileReaderSync !== "undefined") return "blob";
    return "a Blob outside of a Web Worker (pass new Uint8Array(await blob.arrayBuffer()) instead)";
  }
  return kind(source);
}

// A view of the bytes without a copy.
export function toBytes(source) {
  return source instanceof ArrayBuffer
    ? new Uint8Array(source)
    : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}

export function failure(code, message, line, report) {
  const error = new Error(message);
  error.name = "ChurnError";
  return Object.assign(error, { code, line: line ?? null, report: report ?? null });
}

// Milliseconds since some moment.
export function now() {
  return globalThis.performance?.now() ?? Date.now();
}

// Today in UTC, YYYY-MM-DD.
export function today() {
  return new Date().toISOString().slice(0, 10);
}

function kind(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return typeof value === "object" ? `a ${value.constructor?.name ?? "object"}` : `${value}`.slice(0, 40);
}
