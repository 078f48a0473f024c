// The exports of the build without training.
import { bound } from "./bound.js";

export { ChurnError } from "../js/error.js";
export const {
  Events, eventsFromRows, Explanation, FeatureTable, features, Model, Predictions, segment, version,
} = bound;
