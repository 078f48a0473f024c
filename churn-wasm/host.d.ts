// The types of churn-wasm/worker/host, for the script of a custom worker.
import type { Observe } from "./types.js";

/** Answers the calls of the client that started this worker: those of the package, and with `call` these functions, which get
 *  their arguments followed by an observer. An error with a `code` is sent to the caller; any other error ends the worker. */
export function serve(own?: Record<string, (...args: any[]) => unknown>): void;

export type { Observe };
