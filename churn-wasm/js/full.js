// What the full build exports, under its public names.
import * as core from "./churn_wasm.js";

export {
  compare,
  curves,
  evaluate,
  Events,
  eventsFromRows,
  Explanation,
  FeatureTable,
  features,
  labels,
  Model,
  modelReport,
  Predictions,
  readCsv,
  report,
  segment,
  segmentTable,
  train,
  trainTable,
  version,
} from "./churn_wasm.js";

export const profit = Object.freeze({
  campaignOutcome: core.profitCampaignOutcome,
  contactList: core.profitContactList,
  curve: core.profitCurve,
  empc: core.profitEmpc,
  expectedCurve: core.profitExpectedCurve,
  expectedProfit: core.profitExpectedProfit,
  mpc: core.profitMpc,
  threshold: core.profitThreshold,
});
