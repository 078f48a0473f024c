// What the full build exports, under its public names.
import { bound } from "./bound.js";

export { ChurnError } from "../js/error.js";
export const {
  compare, curves, evaluate, Events, eventsFromRows, Explanation, FeatureTable, features, labels, Model, modelReport, Predictions,
  profit, readCsv, readCsvStream, report, segment, segmentTable, train, trainTable, version,
} = bound;
