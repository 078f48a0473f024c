// The exports of the full build, under their public names.
import { bound } from "./bound.js";

export { ChurnError } from "../js/error.js";
export const {
  backtest, check, compare, compareModels, curves, evaluate, Events, eventsFromRows, Explanation, FeatureTable, features, findingCodes,
  labels, Model, modelReport, Predictions, profit, readCsv, readCsvStream, report, segment, segmentTable, suggest, train,
  trainTable, version,
} = bound;
