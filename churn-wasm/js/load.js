// Loads the module where it has to be fetched.
import { ChurnError, shown, wordsOf, wrong } from "./error.js";

const EXPECTED = "expected nothing, a URL, a Response, bytes or a WebAssembly.Module";

/** The function `init` of a build: loads the module once, and tries again after a failure. */
export function loader(load, loaded) {
  let ready;
  return function init(source) {
    ready ??= begin(load, source).then(loaded, (error) => {
      ready = undefined;
      throw error;
    });
    return ready;
  };
}

async function begin(load, source) {
  const given = await source;
  check(given);
  try {
    await load(given === undefined ? undefined : { module_or_path: given });
  } catch (error) {
    throw new ChurnError("not_loaded", `the module cannot be loaded: ${wordsOf(error)}; expected churn_wasm_bg.wasm beside the `
      + "script, or its URL in init(url). A bundler that moves scripts must leave churn-wasm as it is: see Bundlers in the README", { cause: error });
  }
}

function check(source) {
  if (source === undefined || typeof source === "string" || source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return;
  if (source instanceof WebAssembly.Module) return;
  if (typeof source === "object" && source !== null) {
    if (typeof source.href === "string" || typeof source.arrayBuffer === "function") return;
    // Some bundlers import a module's URL as the default export of a namespace.
    if (typeof source.default === "string") throw wrong(`the source of the module is a namespace; expected its default export, ${shown(source.default)}`);
  }
  throw wrong(`the source of the module is ${shown(source)}; ${EXPECTED}`);
}
