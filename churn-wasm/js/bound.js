// This build of the module behind the border that all builds share.
import * as core from "./churn_wasm.js";
import { border } from "../js/border.js";

export const bound = border(core);
