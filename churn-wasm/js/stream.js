// Reads a log in chunks: from a stream, a file, a response, or any iterable.
import { parameter } from "./calls.js";
import { ChurnError, shown, wordsOf, wrong } from "./error.js";

/** The number of bytes of a file that are read at once. */
const PIECE = 1 << 22;

/** Reads a log as it arrives. `invoke` is the border's. An exception of the stream itself is passed on unchanged. */
export async function readStream(invoke, core, source, options, observe) {
  const call = "readCsvStream";
  const given = [parameter("options data")];
  const each = [parameter("piece data"), parameter("observe observe?")];
  const reading = invoke(call, given, [options], undefined, (_, [value]) => new core.CsvReading(value));
  try {
    for await (const piece of pieces(source)) {
      invoke(call, each, [piece, observe], undefined, (_, [bytes, watch]) => reading.push(bytes, watch));
    }
    return invoke(call, each, [undefined, observe], undefined, (_, [, watch]) => reading.finish(watch));
  } finally {
    reading.free();
  }
}

/** The bytes of a source, chunk by chunk. */
async function* pieces(source) {
  const encoder = new TextEncoder();
  let half = "";
  for await (const piece of arriving(source)) {
    const bytes = bytesOf(piece);
    if (bytes === undefined && typeof piece !== "string") throw wrong(`a piece of the source is ${shown(piece)}; expected bytes or text`);
    // A chunk may end in the middle of a surrogate pair.
    const text = half + (bytes === undefined ? piece : "");
    half = bytes === undefined && /[\ud800-\udbff]$/.test(text) ? text.at(-1) : "";
    if (text) yield encoder.encode(half ? text.slice(0, -1) : text);
    if (bytes !== undefined) yield bytes;
  }
  if (half) yield encoder.encode(half);
}

/** The chunks of a source as they arrive. Only this function reads the source, because callers can pass any object. */
function arriving(source) {
  const expected = "a ReadableStream, a File or Blob, a Response, text, bytes, or an iterable of these";
  try {
    if (typeof source === "string" || bytesOf(source) !== undefined) return [source];
    if (typeof source === "object" && source !== null) {
      if (typeof Blob !== "undefined" && source instanceof Blob) return slices(source, source.size);
      if (typeof source.getReader === "function") return read(source.getReader());
      if (typeof source.arrayBuffer === "function" && typeof source.status === "number") {
        if (!source.ok) throw wrong(`the response has the status ${source.status}; expected a log`);
        return source.body ? read(source.body.getReader()) : [];
      }
      for (const kind of [Symbol.asyncIterator, Symbol.iterator]) {
        const iterator = source[kind]?.();
        if (iterator) return { [kind]: () => iterator };
      }
    }
  } catch (error) {
    if (error instanceof ChurnError) throw error;
    throw wrong(`the source is ${shown(source)} that cannot be read (${wordsOf(error)}); expected ${expected}`);
  }
  throw wrong(`the source is ${shown(source)}; expected ${expected}`);
}

/** A file, chunk by chunk. */
async function* slices(blob, size) {
  for (let at = 0; at < size; at += PIECE) yield new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer());
}

/** A ReadableStream, chunk by chunk; not every engine can iterate one directly. */
async function* read(reader) {
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}

/** A view of the bytes without a copy; undefined for any other value. */
function bytesOf(value) {
  try {
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : undefined;
  } catch {
    throw wrong(`${shown(value)} of the source has been handed over elsewhere; expected bytes that are still here`);
  }
}
