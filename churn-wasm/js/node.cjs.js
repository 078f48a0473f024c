// For Node, bundled into node.cjs, which `import` and `require` share: ready when it is imported.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { initSync } from "./churn_wasm.js";
import { bound } from "./bound.js";

export * from "./api.js";

// Tools that gather the files of a deployment look for this form.
initSync({ module: readFileSync(join(__dirname, "churn_wasm_bg.wasm")) });
bound.loaded();

/** Nothing is left to load. */
export default async function init() {}
