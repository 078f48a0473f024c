// As edge.js, for runtimes that mark compiled modules by `?module`.
import module from "./churn_wasm_bg.wasm?module";
import { initSync } from "./churn_wasm.js";
import { bound } from "./bound.js";

export * from "./api.js";

// Next.js compiles outside of the context that this runs in, whose classes are others; what is a module stays one.
if (!(module instanceof WebAssembly.Module)) Object.setPrototypeOf(module, WebAssembly.Module.prototype);
initSync({ module });
bound.loaded();

/** Nothing is left to load. */
export default async function init() {}
