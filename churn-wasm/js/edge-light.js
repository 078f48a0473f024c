// Like edge.js, for runtimes that mark compiled modules by `?module`.
import module from "./churn_wasm_bg.wasm?module";
import { initSync } from "./churn_wasm.js";
import { bound } from "./bound.js";

export * from "./api.js";

// Next.js compiles the module in another context with other classes, so `instanceof` fails for a value that is a module.
if (!(module instanceof WebAssembly.Module)) Object.setPrototypeOf(module, WebAssembly.Module.prototype);
initSync({ module });
bound.loaded();

/** The module is already loaded. */
export default async function init() {}
