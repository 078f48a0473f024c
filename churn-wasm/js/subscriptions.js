// The exports of the build for subscriptions: those of the full build, and its own.
import { bound } from "./bound.js";

export { ChurnError } from "../js/error.js";
export const {
  backtest, check, compare, compareModels, curves, evaluate, Events, eventsFromRows, Explanation, FeatureTable, features, findingCodes,
  kaplanMeier, labels, Model, modelReport, movements, Predictions, profit, readCsv, readCsvStream, readSubscriptions, report, retention,
  segment, segmentTable, subscriptionPreset, Subscriptions, subscriptionsFromPayments, subscriptionsFromRows, suggest, train, trainTable,
  version,
} = bound;
