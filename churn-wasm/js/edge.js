// For runtimes that import compiled modules and forbid compiling at run time: ready when the import is.
import module from "./churn_wasm_bg.wasm";
import { initSync } from "./churn_wasm.js";
import { bound } from "./bound.js";

export * from "./api.js";

initSync({ module });
bound.loaded();

/** Nothing is left to load. */
export default async function init() {}
