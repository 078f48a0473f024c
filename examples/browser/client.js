// The worker as seen by the page: calls that return promises. All long work runs there.
import { startWorker } from "./churn-wasm/worker/browser.js";

let churn;
// The build that finds out what a file is.
let files;

const compiled = (build) => WebAssembly.compileStreaming(fetch(new URL(`./churn-wasm/${build}/churn_wasm_bg.wasm`, import.meta.url)));

/** Loads everything that the page needs; afterwards it needs no network. */
export async function ready() {
  const started = startWorker({
    worker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
    module: compiled("full"),
    // These replace a worker that is stopped or fails, because a new worker cannot be loaded without a network.
    standby: 2,
  });
  [churn, files] = await Promise.all([started, compiled("files")]);
}

/** Calls a function of the worker; `progress` is called with stage, done and total. */
export const call = (name, args, progress) => churn.call(name, args, progress);

/** Finds out what a file is; `given` are options of reading that the visitor chose. */
export const inspect = (file, given) => call("inspect", [files, file, given]);

/** Reads a file, or makes the sample, trains or uses a model, and scores. */
export const analyse = (request, progress) => call("analyse", [files, request], progress);

/** Stops the work of the worker. Another worker, which holds no data, answers the next call. */
export const stop = () => churn.stop();
