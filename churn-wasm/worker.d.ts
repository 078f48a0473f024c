// The types of churn-wasm/worker: the calls of the package, made in a worker, with promises for results.
import type * as churn from "./types.js";

export { ChurnError } from "./types.js";

/** The classes whose objects stay in the worker. */
interface Kinds {
  /** A log. */
  Events: churn.Events;
  /** Customers × features. */
  FeatureTable: churn.FeatureTable;
  /** The risk of many customers. */
  Predictions: churn.Predictions;
  /** Contributions to the risk. */
  Explanation: churn.Explanation;
  /** A trained model. */
  Model: churn.Model;
}

/** A result of a call: an object of the package stays in the worker, any other value is copied. */
type Result<T> = T extends Kinds[keyof Kinds] ? Remote<T> : Awaited<T>;

/** An argument of a call. */
type Given<T> = T extends Kinds[keyof Kinds] ? Remote<T> : T extends churn.BlobLike ? T | churn.StreamLike | churn.ResponseLike : T;

/** A function whose work is done in the worker. */
type Later<F> = F extends (...args: infer A) => infer R ? (...args: { [I in keyof A]: Given<A[I]> }) => Promise<Result<R>> : Promise<Result<F>>;

/** An object of the package in the worker: its properties are promises too. */
export type Remote<T> = { readonly [K in Exclude<keyof T, "free" | "toJSON" | typeof Symbol.dispose>]: Later<T[K]> } & {
  /** Frees its memory in the worker. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
};

/** The functions of the package, as promises. `readCsv` takes streams and responses as well. */
type Calls = {
  [K in "backtest" | "check" | "compare" | "compareModels" | "curves" | "evaluate" | "eventsFromRows" | "features" | "findingCodes" | "labels"
    | "modelReport" | "readCsv" | "report" | "segment"
    | "segmentTable" | "suggest" | "train" | "trainTable" | "version"]: Later<(typeof churn)[K]>;
};

/** The package in a worker. */
export interface Churn extends Calls {
  /** The functions about profit. */
  readonly profit: { readonly [K in keyof typeof churn.profit]: Later<(typeof churn.profit)[K]> };
  /** The class of models in the worker. */
  readonly Model: { fromJson(text: string): Promise<Remote<churn.Model>> };
  /** Calls a function that a custom worker passed to `serve`. */
  call(name: string, args?: unknown[], observe?: churn.Observe): Promise<any>;
  /** Stops the work of the worker with the code `cancelled`. Another worker, which holds no data, answers the next call. */
  stop(): void;
  /** Ends the worker for good. */
  close(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** The options for starting a worker. */
export interface WorkerOptions {
  /** Creates a custom worker (in Node a thread), whose script calls `serve` of `churn-wasm/worker/host`. */
  worker?: () => unknown;
  /** The source of the module for the workers: a URL, bytes or a `WebAssembly.Module`; default the folder of the package. */
  module?: string | { readonly href: string } | ArrayBuffer | ArrayBufferView | object | Promise<object>;
  /** Standby workers that are started at once and replace one that is stopped or fails, for pages that go offline; default 0.
   *  */
  standby?: number;
}

/** Starts a worker. A worker that fails (for instance because its memory is exhausted) is replaced: the running calls reject
 *  with
 *  the code `internal`, calls on objects of the lost worker reject with `worker_lost`, and the next call works. */
export function startWorker(options?: WorkerOptions): Promise<Churn>;
