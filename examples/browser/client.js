// The worker as the page sees it: calls that return promises. Everything that takes time runs there.
import { startWorker } from "./churn-wasm/worker/browser.js";

let churn;

/** Loads everything there is to load; afterwards the page needs no network. */
export async function ready() {
  churn = await startWorker({
    worker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
    module: WebAssembly.compileStreaming(fetch(new URL("./churn-wasm/full/churn_wasm_bg.wasm", import.meta.url))),
    // A worker that is stopped or fails is replaced from these: without a network there is nowhere else to get one from.
    standby: 2,
  });
}

/** Calls a function of the worker; `progress` is told stage, done and total. */
export const call = (name, args, progress) => churn.call(name, args, progress);

/** Ends whatever the worker does. The next call is answered by another one, which knows of no data. */
export const stop = () => churn.stop();
