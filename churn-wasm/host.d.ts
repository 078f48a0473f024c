// The types of churn-wasm/worker/host, for the script of a worker of one's own.
import type { Observe } from "./types.js";

/** Answers the calls of whoever started this worker: those of the package, and by `call` these functions, which get their arguments and
 *  behind them an observer. An error with a `code` is an answer; any other ends the worker. */
export function serve(own?: Record<string, (...args: any[]) => unknown>): void;

export type { Observe };
