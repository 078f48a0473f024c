// For Node: ready when the import is.
import { readFile } from "node:fs/promises";
import { initSync } from "./churn_wasm.js";

export * from "./api.js";

initSync({ module: await readFile(new URL("./churn_wasm_bg.wasm", import.meta.url)) });

/** Nothing is left to load. */
export default async function init() {}
