// The exports of the build for files.
import { bound } from "./bound.js";

export { ChurnError } from "../js/error.js";
export const { decodedText, detect, version } = bound;
