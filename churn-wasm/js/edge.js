// For runtimes that import compiled modules and forbid compiling at run time. The module is ready after the import.
import module from "./churn_wasm_bg.wasm";
import { initSync } from "./churn_wasm.js";
import { bound } from "./bound.js";

export * from "./api.js";

initSync({ module });
bound.loaded();

/** The module is already loaded. */
export default async function init() {}
