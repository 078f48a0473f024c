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
        if (Array.isArray(item) && item.length > MOST) {
          throw new TypeError(`${key || "the value"} has ${item.length} entries; expected at most ${MOST}`);
        }
    }
    return item;
  });
  return text ?? "null";
}

// Entries of one array of settings: the text of more is longer than a text can be.
const MOST = 1e8;

// Rows that cross the border at once.
const TOGETHER = 8192;

// The JSON text of some rows of an array from this one on; nothing behind the last.
export function someRows(rows, from) {
  if (!Array.isArray(rows)) throw new TypeError(`rows is ${kind(rows)}; expected an array of objects`);
  return from < rows.length ? toJson(Array.prototype.slice.call(rows, from, from + TOGETHER)) : undefined;
}

// The names and values of an object of columns; nothing for an array, which is one of rows.
export function namedColumns(table) {
  if (Array.isArray(table)) return undefined;
  if (typeof table !== "object" || table === null || ArrayBuffer.isView(table)) {
    throw new TypeError(`the table is ${kind(table)}; expected an array of rows or an object of columns`);
  }
  return Object.entries(table instanceof Map ? Object.fromEntries(table) : table);
}

// Settings without the rows of a joined table, and these rows.
export function splitAttributes(options) {
  if (typeof options !== "object" || options === null || Array.isArray(options)) return [options, undefined];
  const { attributes, ...settings } = options;
  return [settings, attributes];
}

// The same numbers behind a typed array that nobody has changed: its length is what it says.
function genuine(view, Class) {
  const get = (name) => Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), name).get.call(view);
  return new Class(get("buffer"), get("byteOffset"), get("length"));
}

// Refuses what is no array, and the first entry that is none of what is expected. Nothing is allocated before, whatever the length.
function checkEntries(value, name, fits, expected) {
  if (!Array.isArray(value) && (!ArrayBuffer.isView(value) || value instanceof DataView)) {
    throw new TypeError(`${name} is ${kind(value)}; expected an array of ${expected.many}`);
  }
  for (let i = 0; i < value.length; i++) {
    if (!fits(value[i])) throw new TypeError(`${name}[${i}] is ${kind(value[i])}; expected ${expected.one}`);
  }
}

// Numbers, copied only where they are no Float64Array yet. NaN is left to the core, which knows what it means.
export function toNumbers(value, name) {
  if (ArrayBuffer.isView(value) && value instanceof Float64Array) return genuine(value, Float64Array);
  checkEntries(value, name, (item) => typeof item === "number", { many: "numbers", one: "a number" });
  return Float64Array.from(value);
}

// The four kinds of cost of customers, each a number or a column; 0 where one is left out.
export function splitCosts(costs) {
  const names = ["tp_cost", "fp_cost", "tn_cost", "fn_cost"];
  const expected = `expected an object with ${names.join(", ")}`;
  if (typeof costs !== "object" || costs === null || Array.isArray(costs) || ArrayBuffer.isView(costs)) {
    throw new TypeError(`costs is ${kind(costs)}; ${expected}`);
  }
  const given = costs instanceof Map ? Object.fromEntries(costs) : costs;
  const unknown = Object.keys(given).find((key) => !names.includes(key));
  if (unknown !== undefined) throw new TypeError(`costs has the key ${kind(unknown)}; ${expected}`);
  return names.map((name) => given[name] ?? 0);
}

// Outcomes as 0 and 1.
export function toOutcomes(value, name) {
  const fits = (item) => item === true || item === 1 || item === false || item === 0;
  checkEntries(value, name, fits, { many: "true and false, or of 1 and 0", one: "true or false, or 1 or 0" });
  return Uint8Array.from(value, Number);
}

// Texts, in an array of our own.
export function toTexts(value, name) {
  checkEntries(value, name, (item) => typeof item === "string", { many: "texts", one: "a text" });
  return Array.from(value, String);
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

// The kind of a source of text: "text", "bytes", "blob", or what was found instead.
export function sourceKind(source) {
  if (typeof source === "string") return "text";
  try {
    if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return "bytes";
    if (typeof Blob !== "undefined" && source instanceof Blob) {
      if (typeof FileReaderSync !== "undefined") return "blob";
      return "a Blob outside of a Web Worker (await readCsvStream(blob) instead)";
    }
  } catch {
    // An object whose class cannot be asked for is none of them.
  }
  return kind(source);
}

// A view of the bytes without a copy.
export function toBytes(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  throw new TypeError(`a piece is ${kind(source)}; expected bytes`);
}

// What the border makes the package's own error of.
export function failure(code, message, line, report, findings) {
  const error = new Error(message);
  error.name = "ChurnError";
  return Object.assign(error, { code, line: line ?? null, report: report ?? null, findings: findings ?? [] });
}

// The pieces of a text as one: a Blob for a source that is one, otherwise bytes.
export function joined(parts, source) {
  if (typeof Blob !== "undefined" && source instanceof Blob) return new Blob(parts, { type: "text/csv" });
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
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
  try {
    if (value === null || value === undefined) return String(value);
    if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
    return typeof value === "object" ? `a ${value.constructor?.name ?? "object"}` : String(value).slice(0, 40);
  } catch {
    return "an object that cannot be looked at";
  }
}
