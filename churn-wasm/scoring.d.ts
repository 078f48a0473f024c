// The types of churn-wasm/scoring, the build without training.
export {
  default, version, ChurnError, Events, eventsFromRows, Explanation, FeatureTable, features, Model, Predictions, segment,
} from "./types.js";
export type * from "./data.js";
export type { BlobLike, ErrorCode, ModuleSource, ResponseLike, StreamLike } from "./types.js";
