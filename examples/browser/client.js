// The worker as seen by the page: calls that return promises. All long work runs there.
import { startWorker } from "./churn-wasm/worker/browser.js";

let churn;
// The build that finds out what a file is, and the bytes of the one for subscriptions.
let files;
let bytes;

const fetched = (build, options) => fetch(new URL(`./churn-wasm/${build}/churn_wasm_bg.wasm`, import.meta.url), options);
const compiled = (build) => WebAssembly.compileStreaming(fetched(build));

/** Loads what the page needs to begin. */
export async function ready() {
  const started = startWorker({
    worker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
    module: compiled("full"),
    // These replace a worker that is stopped or fails, because a new worker cannot be loaded without a network.
    standby: 2,
  });
  [churn, files] = await Promise.all([started, compiled("files")]);
}

/** Fetches the build for subscriptions, which few visitors need: after the others, and it is compiled when it is needed. Afterwards the
 *  page needs no network. Without one it is tried again when it is needed. */
export async function complete() {
  bytes ??= fetched("subscriptions", { priority: "low" }).then(async (response) => {
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.arrayBuffer();
  });
  try {
    await bytes;
  } catch {
    bytes = undefined;
  }
}

let module;

/** The builds for a file of subscriptions. */
async function both() {
  if (!module) {
    await complete();
    if (!bytes) throw Object.assign(new Error("the module for subscriptions cannot be loaded without a network"), { code: "not_loaded" });
    module = await WebAssembly.compile(await bytes);
  }
  return { files, subscriptions: module };
}

/** Calls a function of the worker; `progress` is called with stage, done and total. */
export const call = (name, args, progress) => churn.call(name, args, progress);

/** Finds out what a file is; `given` are options of reading that the visitor chose. */
export const inspect = (file, given) => call("inspect", [files, file, given]);

/** Reads a file, or makes the sample, trains or uses a model, and scores. */
export const analyse = (request, progress) => call("analyse", [files, request], progress);

/** The preset of an export of subscriptions; undefined for another file. */
export const presetOf = async (file, options) => call("preset", [await both(), file, options]);

/** The same as `analyse` for a file of subscriptions. */
export const analysePeriods = async (request, progress) => call("analysePeriods", [await both(), request], progress);

/** Reads a model document. One of subscriptions is read by their build. */
export const checkModel = async (text) => call("checkModel", /"labels"\s*:\s*"subscription_end"/.test(text) ? [text, (await both()).subscriptions] : [text, undefined]);

/** Stops the work of the worker. Another worker, which holds no data, answers the next call. */
export const stop = () => churn.stop();
