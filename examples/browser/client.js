// The worker as seen by the page: calls that return promises. All long work runs there.
import { startWorker } from "./churn-wasm/worker/browser.js";

let churn;

/** Loads everything that the page needs; afterwards it needs no network. */
export async function ready() {
  churn = await startWorker({
    worker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
    module: WebAssembly.compileStreaming(fetch(new URL("./churn-wasm/full/churn_wasm_bg.wasm", import.meta.url))),
    // These replace a worker that is stopped or fails, because a new worker cannot be loaded without a network.
    standby: 2,
  });
}

/** Calls a function of the worker; `progress` is called with stage, done and total. */
export const call = (name, args, progress) => churn.call(name, args, progress);

/** Stops the work of the worker. Another worker, which holds no data, answers the next call. */
export const stop = () => churn.stop();
