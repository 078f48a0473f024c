// For Node, bundled into node.cjs, which `import` and `require` share. The module is ready after the import.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { initSync } from "./churn_wasm.js";
import { bound } from "./bound.js";

export * from "./api.js";

// Tools that collect the files of a deployment look for an expression of this form.
initSync({ module: readFileSync(join(__dirname, "churn_wasm_bg.wasm")) });
bound.loaded();

/** The module is already loaded. */
export default async function init() {}
