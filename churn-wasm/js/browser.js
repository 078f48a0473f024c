// For browsers and bundlers: the module is fetched from beside this file, or taken from what init is given.
import load from "./churn_wasm.js";
import { bound } from "./bound.js";
import { loader } from "../js/load.js";

export * from "./api.js";

export default loader(load, bound.loaded);
