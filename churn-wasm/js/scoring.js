// What the build without training exports.
export {
  Events,
  eventsFromRows,
  Explanation,
  FeatureTable,
  features,
  Model,
  Predictions,
  segment,
  version,
} from "./churn_wasm.js";
