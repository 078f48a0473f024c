// The types of churn-wasm/files, the build that finds out what a file is.
import type { Detected, ReadOptions } from "./data.js";
import type { BlobLike } from "./types.js";

export { default, version, ChurnError } from "./types.js";
export type * from "./data.js";
export type { BlobLike, ErrorCode, ModuleSource, ResponseLike, StreamLike } from "./types.js";

/** Finds the options for reading a CSV file or a spreadsheet (`.xlsx`), from a sample of the whole file: text, bytes or, in a Web
 *  Worker, a `File`. Options that differ from the defaults are kept as they are. What cannot be told from the file is a question
 *  in the result, and nothing is chosen. */
export function detect(source: string | ArrayBufferView | ArrayBuffer | BlobLike, options?: ReadOptions): Detected;

/** The text of a file in UTF-8, which `readCsv` reads: decompressed (gzip), a spreadsheet as CSV, and decoded. Without `encoding` it
 *  is UTF-8, or what the file itself names. The result is the source itself if it is such a text, a `Blob` for a `File`, and bytes
 *  otherwise. */
export function decodedText<Source extends string | ArrayBufferView | ArrayBuffer | BlobLike>(
  source: Source,
  encoding?: string | null,
): Source | Uint8Array | BlobLike;
