// For browsers and bundlers: the module is fetched from the folder of this file, or taken from the argument of init.
import load from "./churn_wasm.js";
import { bound } from "./bound.js";
import { loader } from "../js/load.js";

export * from "./api.js";

export default loader(load, bound.loaded);
