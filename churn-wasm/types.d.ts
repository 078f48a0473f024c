// The types of churn-wasm. Data keys are snake_case in every language; what they mean stands beside them, in short.

/** Loads the WebAssembly module once: from beside the package, or from bytes, a response, a URL or a compiled module.
 *  In Node and edge runtimes nothing is left to load, and calling it does no harm. */
export default function init(
  source?: BufferSource | WebAssembly.Module | Response | Promise<Response> | URL | string,
): Promise<void>;

/** The version of the library. */
export function version(): string;

/** A calendar day, `YYYY-MM-DD`, UTC. */
export type Day = string;

/** Stable codes of what can go wrong, the same in every language. */
export type ErrorCode =
  | "io" | "empty_file" | "missing_column" | "duplicate_column" | "not_utf8" | "unclosed_quote" | "record_too_long"
  | "bad_rows" | "too_many_bad_rows" | "no_good_rows" | "too_many_values" | "invalid_column" | "invalid_parameter"
  | "cutoff_outside_data" | "missing_labels" | "no_customers" | "too_few_rows" | "one_class" | "shape_mismatch"
  | "invalid_probability" | "feature_mismatch" | "missing_background" | "leak" | "invalid_document"
  | "unsupported_version" | "golden_mismatch" | "cancelled";

/** What every function throws. */
export interface ChurnError extends Error {
  name: "ChurnError";
  code: ErrorCode;
  /** The line of a file (the header is line 1) or the row of a table, counted from 1. */
  line: number | null;
  /** What had been read when reading failed for its rows. */
  report: IngestReport | null;
}

/** Is told how far long work is: `total` is 0 where it is not known, for `"read"` the steps are bytes. Returning false
 *  stops the work with the code `cancelled`. */
export type Observe = (stage: string, done: number, total: number) => boolean | void;

// ---------------------------------------------------------------------------------------------------------- events

export interface ReadOptions {
  /** Header names of the columns where they differ from ours. */
  columns?: {
    customer_id?: string;
    event_date?: string;
    amount?: string;
    event_type?: string;
    /** Rows of a customer that share their order, day and event type are one event, whose amount is their sum. */
    order_id?: string;
    churn_label?: string;
  };
  /** A strptime format such as `%d/%m/%Y`, instead of ISO and RFC 3339 dates. */
  date_format?: string | null;
  /** One ASCII character, default a comma. */
  delimiter?: string;
  /** Default `fail`. */
  on_bad_row?: "fail" | "skip";
  /** With `skip`: the largest share of bad rows accepted, default 0.05. */
  max_bad_share?: number;
  /** Default `none`. With `day` all rows of a customer that share their day and event type are one event; orders are not read
   *  then. */
  merge?: "none" | "day";
}

/** One event, in rows of the source of a log. */
export type EventUnit = "row" | "order" | "day";

export interface BadRow {
  line: number;
  reason:
    | "missing_customer" | "invalid_date" | "invalid_amount" | "wrong_field_count" | "text_after_quote"
    | "invalid_label" | "conflicting_label" | "invalid_utf8";
  message: string;
}

export interface IngestReport {
  rows: number;
  good: number;
  bad: number;
  /** The first 1,000. */
  bad_rows: BadRow[];
  /** Good rows that share their customer, day and event type with another one. */
  rows_sharing_day: number | null;
  /** Good rows that equal another one in every column that is read. */
  duplicate_rows: number | null;
  /** Good rows that became part of the event of another one. */
  merged_rows: number | null;
}

export interface Transaction {
  /** `YYYY-MM-DD`, RFC 3339, `YYYY-MM-DD HH:MM[:SS]` or a Date; taken to its UTC day. */
  event_date: string | Date;
  amount?: number | null;
  /** A whole number stands for its digits. */
  event_type?: string | number | null;
  /** Those of one order, day and event type are one event. */
  order_id?: string | number | null;
  /** Further keys are ignored, as further columns of a file are. */
  [other: string]: unknown;
}

export interface Customer {
  /** A whole number stands for its digits. */
  customer_id: string | number;
  transactions: Transaction[];
  /** Values of joined columns, for a model that has some. */
  attributes?: Record<string, string | number | boolean | null>;
}

/** A log in memory. Free it when done with a large one; the engine does so at some time by itself. */
export class Events {
  private constructor();
  /** The number of events. */
  readonly length: number;
  /** The number of customers. */
  readonly customers: number;
  /** In byte order; a fresh array at each access. */
  readonly customer_ids: string[];
  readonly first_day: Day;
  readonly last_day: Day;
  readonly event_types: string[];
  readonly unit: EventUnit;
  readonly report: IngestReport;
  /** A customer with every event of theirs, as `predictOne` takes it. */
  customer(customer_id: string): Customer | undefined;
  free(): void;
}

/** Reads a CSV log from text, from bytes or, in a Web Worker, from a `File`, which is then never held as a whole. */
export function readCsv(
  source: string | Uint8Array | ArrayBuffer | Blob,
  options?: ReadOptions,
  observe?: Observe,
): Events;

/** Takes rows that are in memory; those of one order are one event. The first bad one fails the whole. */
export function eventsFromRows(
  rows: ({ customer_id: string | number } & Transaction)[],
  options?: Pick<ReadOptions, "merge">,
): Events;

// -------------------------------------------------------------------------------------------------------- features

export type FeatureSet = "rfm" | "behavioral";
export interface Windows { recent_days?: number; activity_days?: number; full_days?: number }
export interface Scales { frequency: number; monetary: number }

export interface FeatureConfig {
  /** Default `rfm`. */
  feature_set?: FeatureSet;
  windows?: Windows;
  /** Fitted before; left out to fit them now. */
  scales?: Scales | null;
  event_type_columns?: string[] | null;
  top_event_types?: number;
}

/** Customers × features. */
export class FeatureTable {
  private constructor();
  /** The number of rows, one a customer. */
  readonly length: number;
  readonly customer_ids: string[];
  readonly names: string[];
  readonly scales: Scales | null;
  readonly fitted_config: FeatureConfig | null;
  readonly as_of: Day | undefined;
  /** All values, row by row; NaN where missing. */
  toFloat64Array(): Float64Array;
  /** One column. */
  column(name: string): Float64Array | undefined;
  /** One customer. */
  row(customer_id: string): Float64Array | undefined;
  /** The rows at these places, in this order. */
  select(places: Uint32Array): FeatureTable;
  toCsv(): string;
  free(): void;
}

/** The features of every customer seen by `as_of`, default the last day of the log. */
export function features(events: Events, options?: FeatureConfig & { as_of?: Day }): FeatureTable;

// ---------------------------------------------------------------------------------------------------------- labels

export interface LabelConfig {
  /** Default `outcome_window`. */
  labels?: "outcome_window" | "inactivity" | "provided";
  /** Default 90. */
  horizon_days?: number;
  /** Default 0. */
  gap_days?: number;
  /** Default 365; null for all customers. */
  active_within_days?: number | null;
  /** The event types that count as coming back; null for all. */
  event_types?: string[] | null;
  /** Default 30. */
  threshold_days?: number;
}

/** Who churned at a cutoff: two columns of the same length, 1 for churned. */
export function labels(
  events: Events,
  options: LabelConfig & { cutoff: Day },
): { customer_id: string[]; churned: Uint8Array };

// -------------------------------------------------------------------------------------------------------- training

export type ModelKind = "logistic_regression" | "random_forest" | "gradient_boosting" | "auto";
export interface Thresholds { medium: number; high: number; critical: number }

export interface LearnConfig {
  /** Default `logistic_regression`. */
  model?: ModelKind;
  seed?: number;
  calibration?: "auto" | "none" | "platt" | "isotonic";
  class_weight?: "none" | "balanced";
  thresholds?: Partial<Thresholds>;
  l2?: number;
  trees?: number;
  rounds?: number | null;
  learning_rate?: number;
  max_depth?: number | null;
  min_child_weight?: number | null;
  leaf_l2?: number | null;
  features_per_split?: number | null;
  background_rows?: number;
  /** `auto`: seconds. */
  time_budget?: number | null;
}

export interface TrainConfig extends LabelConfig, FeatureConfig, LearnConfig {
  /** How many cutoffs to stack; left out for up to four. */
  snapshots?: number | null;
  cutoffs?: Day[] | null;
  /** Whether to prove that no future reaches the features, default true. */
  audit?: boolean;
}

export interface TableConfig extends LearnConfig {
  /** The label column, default `churned`. */
  label?: string;
  customer_id?: string | null;
  weight?: string | null;
  leave_out?: string[];
}

/** A table with one row a customer: rows, or columns of one kind each. A missing number is null, or NaN in a typed array. */
export type Table =
  | Record<string, string | number | boolean | null | undefined>[]
  | Record<string, Float64Array | (string | null)[] | (number | null)[] | (boolean | null)[]>;

/** Trains a model on a log: labels, features and learning as configured, judged out of time, calibrated, audited. */
export function train(events: Events, options?: TrainConfig, observe?: Observe): Model;

/** Trains a model on a table with one row a customer. */
export function trainTable(rows: Table, options?: TableConfig, observe?: Observe): Model;

// ---------------------------------------------------------------------------------------------------------- models

export type RiskSegment = "Low" | "Medium" | "High" | "Critical";

export interface Prediction {
  customer_id: string;
  churn_probability: number;
  risk_segment: RiskSegment;
}

/** The risk of many customers. Columns are fresh at each access: keep them. */
export class Predictions {
  private constructor();
  readonly length: number;
  readonly customer_id: string[];
  readonly churn_probability: Float64Array;
  readonly risk_segment: RiskSegment[];
  readonly as_of: Day | undefined;
  /** One object a customer. */
  toRows(): Prediction[];
  toCsv(): string;
  free(): void;
}

export interface Metrics {
  n: number; base_rate: number; accuracy: number; precision: number; recall: number; specificity: number; f1: number;
  roc_auc: number; pr_auc: number; log_loss: number; brier: number; ece: number; lift_10: number;
  tp: number; fp: number; tn: number; fn: number;
}

export type Point = [number, number];

export interface Curves {
  /** False positive rate, recall. */
  roc: Point[];
  /** Recall, precision. */
  precision_recall: Point[];
  /** Share contacted, share of the churners among them. */
  gain: Point[];
  reliability: { customers: number; predicted: number; observed: number }[];
}

export interface SegmentRow {
  segment: RiskSegment; from: number; to: number; customers: number; churned: number;
  observed_rate: number | null; mean_probability: number | null;
}

export interface Evaluation {
  protocol: "out_of_time" | "holdout";
  test_cutoff: Day | null;
  train_rows: number;
  test_rows: number;
  metrics: Metrics;
  /** Logistic regression with its default settings on the same rows. */
  logistic_regression: Metrics;
  /** Recency alone: the baseline to beat. */
  recency_auc: number | null;
  curves: Curves;
  segments: SegmentRow[];
  importance: { feature: string; log_loss_increase: number }[];
  search_protocol: "out_of_time" | "customers" | null;
  candidates: {
    model: ModelKind; feature_set?: FeatureSet; settings?: Record<string, number>; log_loss: number | null;
    standard_error?: number; seconds?: number; failure?: string;
  }[];
}

export interface Training { rows: number; customers: number; churned: number; base_rate: number; fingerprint: string }
export interface Audit { cutoffs: Day[]; events_deleted: number; values_compared: number }
export interface FeatureSpec { name: string; levels?: string[] }

/** When to look, and columns to join to the features of a log, found by the ids in `attributes_id`. */
export interface Seen {
  /** Default the last day of the log. */
  as_of?: Day;
  attributes?: Table;
  /** Default `customer_id`. */
  attributes_id?: string;
}

export interface ExplainConfig {
  feature_perturbation?: "tree_path_dependent" | "interventional";
  /** Reasons a customer, 0 to 100, default 3. */
  reasons?: number;
  /** What one event is called in words, default `event`. */
  event?: string;
}

export interface Change {
  steps: { feature: string; from: number | null; to: number; text: string }[];
  churn_probability: number;
  distance: number;
}

export class Model {
  private constructor();
  /** Reads a model document of any origin: it is checked, and its golden rows must score as written. */
  static fromJson(text: string): Model;
  /** The model document, the same bytes in every language. */
  toJson(): string;
  readonly kind: Exclude<ModelKind, "auto">;
  readonly evaluation: Evaluation;
  readonly training: Training;
  readonly parameters: Required<LearnConfig>;
  readonly thresholds: Thresholds;
  readonly labels: Required<LabelConfig>;
  /** What churn means here, in a sentence. */
  readonly definition: string;
  /** One event of the log that it learned from; transactions of one customer are counted in the same way. */
  readonly event_unit: EventUnit;
  readonly feature_specs: FeatureSpec[];
  readonly cutoffs: Day[];
  readonly warnings: string[];
  readonly audit: Audit | null;
  readonly calibration: "none" | "Platt" | "isotonic";
  readonly library_version: string;
  features(events: Events, options?: Seen): FeatureTable;
  tableFeatures(rows: Table, customer_id?: string): FeatureTable;
  predict(events: Events, options?: Seen): Predictions;
  predictTable(rows: Table, customer_id?: string): Predictions;
  predictFeatures(table: FeatureTable): Predictions;
  /** The same bits as in a batch. `as_of` is today (UTC) by default. */
  predictOne(customer: Customer, options?: { as_of?: Day }): Prediction;
  explain(events: Events, options?: Seen & ExplainConfig): Explanation;
  explainFeatures(table: FeatureTable, options?: ExplainConfig): Explanation;
  whatIf(
    table: FeatureTable,
    customer_id: string,
    changes: Record<string, number | string | boolean | null>,
  ): { before: Prediction; after: Prediction };
  smallestChanges(
    table: FeatureTable,
    customer_id: string,
    options?: { below?: number | null; features?: string[] | null },
  ): Change[];
  free(): void;
}

export interface Reason {
  feature: string; value: number | null; contribution: number; raises_risk: boolean; text: string;
}

/** base + a row of contributions = margin. */
export class Explanation {
  private constructor();
  readonly length: number;
  readonly customer_ids: string[];
  readonly names: string[];
  /** Customers × features, row by row. */
  readonly contributions: Float64Array;
  readonly base: number;
  readonly margin: Float64Array;
  readonly churn_probability: Float64Array;
  readonly output: "log_odds" | "rate";
  reasons(row: number): Reason[];
  importance(): { feature: string; mean_absolute: number }[];
  /** Value and contribution, customer by customer, two numbers each. */
  dependence(feature: string): Float64Array;
  free(): void;
}

// --------------------------------------------------------------------------------------------------------- judging

/** true or 1 for churned. */
export type Outcomes = ArrayLike<boolean> | ArrayLike<number>;
export type Numbers = Float64Array | readonly number[];

export function evaluate(churned: Outcomes, probabilities: Numbers, options?: { threshold?: number; bins?: number }): Metrics;
export function curves(churned: Outcomes, probabilities: Numbers, options?: { threshold?: number; bins?: number }): Curves;

export interface Difference { a: number; b: number; difference: number; standard_error: number; low: number; high: number }
export function compare(
  churned: Outcomes,
  a: Numbers,
  b: Numbers,
  options?: { confidence?: number },
): { n: number; log_loss: Difference; roc_auc: Difference };

/** The band of a probability. */
export function segment(probability: number, thresholds?: Partial<Thresholds>): RiskSegment;
/** The four bands with the churn rate observed in each. */
export function segmentTable(churned: Outcomes, probabilities: Numbers, thresholds?: Partial<Thresholds>): SegmentRow[];

/** One self-contained HTML page on a model and the customers of a log. */
export function report(
  model: Model,
  events: Events,
  options?: { title?: string; source?: string; as_of?: Day; event?: string },
): string;
/** The same on the model alone. */
export function modelReport(model: Model, options?: { title?: string; source?: string }): string;

// ----------------------------------------------------------------------------------------------------------- money

export interface Campaign { clv?: number; incentive_cost?: number; contact_cost?: number; success_rate?: number }
export interface ContactConfig extends Campaign {
  budget?: number | null;
  control_share?: number;
  seed?: number;
  rank_by?: "expected_profit" | "probability";
}
export interface EmpcConfig { alpha?: number; beta?: number; clv?: number; incentive_cost?: number; contact_cost?: number }
export interface ProfitPoint { share: number; threshold: number | null; profit: number }
export interface ProfitCurve { points: ProfitPoint[]; best: ProfitPoint }
export interface Contact {
  customer_id: string; churn_probability: number; value: number; expected_profit: number; group: "contact" | "control";
}
export interface ContactList {
  entries: Contact[]; contacts: number; controls: number; reserved_budget: number; expected_profit: number;
}
export interface Group { customers: number; retained: number; rate: number }
export interface CampaignOutcome {
  contacted: Group; control: Group; difference: number; low: number; high: number;
  customers_kept: number; customers_kept_low: number; customers_kept_high: number;
}

export const profit: {
  /** What contacting one customer is expected to earn. */
  expectedProfit(probability: number, value: number, options?: Campaign): number;
  /** The probability above which contacting pays; null where it never does. */
  threshold(options?: Campaign): number | null;
  empc(churned: Outcomes, probabilities: Numbers, options?: EmpcConfig): { empc: number; fraction: number };
  mpc(churned: Outcomes, probabilities: Numbers, options?: Campaign): { mpc: number; fraction: number; threshold: number | null };
  curve(churned: Outcomes, probabilities: Numbers, options?: Campaign): ProfitCurve;
  expectedCurve(probabilities: Numbers, values?: Numbers | null, options?: Campaign): ProfitCurve;
  contactList(customer_ids: string[], probabilities: Numbers, values?: Numbers | null, options?: ContactConfig): ContactList;
  campaignOutcome(contacted: Outcomes, churned: Outcomes, options?: { confidence?: number }): CampaignOutcome;
};
