// The types of churn-wasm/scoring, the build without training.
export {
  default, version, Events, eventsFromRows, Explanation, FeatureTable, features, Model, Predictions, segment,
} from "./types.js";
export type {
  Audit, BadRow, Change, ChurnError, Curves, Customer, Day, ErrorCode, Evaluation, EventUnit, ExplainConfig, FeatureConfig, FeatureSet,
  FeatureSpec, IngestReport, LabelConfig, LearnConfig, Metrics, ModelKind, Point, Prediction, Reason, RiskSegment, Scales,
  Seen, SegmentRow, Table, Thresholds, Training, Transaction, Windows,
} from "./types.js";
