// For browsers and bundlers: the module is fetched from beside this file, or taken from what init is given.
import load from "./churn_wasm.js";

export * from "./api.js";

let ready;

/** Loads the WebAssembly module once; without an argument from beside this file. */
export default function init(source) {
  ready ??= load(source === undefined ? undefined : { module_or_path: source }).then(
    () => undefined,
    (error) => {
      ready = undefined;
      throw error;
    },
  );
  return ready;
}
