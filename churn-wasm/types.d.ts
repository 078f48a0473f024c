// The types of churn-wasm: its functions and classes. Settings and results are in data.d.ts. These types need neither the types
// of a browser nor those of Node.
/// <reference lib="esnext.disposable" />
import type {
  Audit, Backtest, BacktestConfig, Campaign, CampaignOutcome, Change, ChangeConfig, ContactConfig, ContactList, Coverage, Curves, Customer, CustomerCosts, Day, Difference, EmpcConfig,
  Evaluation, EvaluationConfig, EventUnit, ExplainConfig, ExplainedPrediction, FeatureConfig, FeatureSpec, Finding, FindingInfo, IngestReport, Judgement, LabelConfig, LearnConfig, Metrics,
  ListReasons, ModelKind, Numbers, Outcomes, Prediction, ProfitCurve, ReadOptions, Reason, ReportOptions, RiskSegment, Savings, SavingsConfig, Scales, Seen, SegmentRow, SlippingConfig, SlippingList, Suggestion,
  Table, TableConfig, Thresholds, TrainConfig, Training, Transaction,
} from "./data.js";

export type * from "./data.js";

/** A `Blob` or `File`, with the members that are used. */
export interface BlobLike {
  readonly size: number;
  readonly type: string;
  slice(start?: number, end?: number): BlobLike;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A `ReadableStream` of bytes or text, with the members that are used. */
export interface StreamLike {
  getReader(): { read(): Promise<{ done: boolean; value?: unknown }>; cancel(): Promise<void>; releaseLock(): void };
}

/** A `Response`, with the members that are used. */
export interface ResponseLike {
  readonly ok: boolean;
  readonly status: number;
  readonly body: StreamLike | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The source of the module: a URL, a `Response`, bytes, or a `WebAssembly.Module` (an object without members). */
export type ModuleSource = string | { readonly href: string } | ResponseLike | ArrayBuffer | ArrayBufferView | object;

/** Loads the WebAssembly module once, from the folder of the package or from the given source.
 *  In Node and edge runtimes the module is already loaded, and calling it has no effect. */
export default function init(source?: ModuleSource | Promise<ModuleSource>): Promise<void>;

/** The version of the library. */
export function version(): string;

/** The stable error codes. All but the last three are the same in every language. */
export type ErrorCode =
  | "io" | "empty_file" | "unclear_file" | "missing_column" | "duplicate_column" | "not_utf8" | "unclosed_quote" | "record_too_long"
  | "bad_rows" | "too_many_bad_rows" | "no_good_rows" | "too_many_values" | "invalid_column" | "invalid_parameter"
  | "cutoff_outside_data" | "missing_labels" | "no_customers" | "too_few_rows" | "one_class" | "shape_mismatch"
  | "invalid_probability" | "feature_mismatch" | "missing_background" | "finding" | "leak" | "invalid_document"
  | "unsupported_version" | "golden_mismatch" | "cancelled"
  | "not_loaded" | "internal" | "worker_lost";

/** The error of every call. Wrong arguments have the code `invalid_parameter`, a call before `init` has `not_loaded`. If the
 *  module
 *  has stopped (memory exhausted, or a fault of the library), the code is `internal`, and only a new copy of the module works,
 *  in a
 *  new worker or page. */
export class ChurnError extends Error {
  constructor(code: string, message: string, more?: { line?: number | null; report?: IngestReport | null; findings?: Finding[]; cause?: unknown });
  /** Always `ChurnError`. */
  readonly name: "ChurnError";
  /** The stable code of the error. */
  readonly code: ErrorCode;
  /** The line of a file (the header is line 1) or the row of a table, counted from 1. */
  readonly line: number | null;
  /** The rows read so far, if reading failed because of its rows. */
  readonly report: IngestReport | null;
  /** The findings that stopped the work, with the code `finding`; otherwise empty. */
  readonly findings: Finding[];
}

/** Receives the progress of long work: `total` is 0 if it is not known; for `"read"` the steps are bytes. Returning false
 *  stops the work with the code `cancelled`. An exception stops the work and is thrown by the call. */
export type Observe = (stage: string, done: number, total: number) => boolean | void;

/** A log in memory. Free a large log after use; otherwise the engine frees it at some later time. */
export class Events {
  private constructor();
  /** The number of events. */
  readonly length: number;
  /** The number of customers. */
  readonly customers: number;
  /** The customers in byte order; a fresh array at each access. */
  readonly customer_ids: string[];
  /** The day of the first event. */
  readonly first_day: Day;
  /** The day of the last event. */
  readonly last_day: Day;
  /** The different event types in byte order. */
  readonly event_types: string[];
  /** One event of the log, in rows of its source. */
  readonly unit: EventUnit;
  /** The rows that were read, and those that were left out. */
  readonly report: IngestReport;
  /** A customer with all their events, as `predictOne` takes it; undefined if there is no such customer. */
  customer(customer_id: string): Customer | undefined;
  /** Its numbers and days, without the events. */
  toJSON(): { length: number; customers: number; first_day: Day; last_day: Day; event_types: string[] };
  /** Frees its memory; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** Reads a CSV log from text, from bytes or, in a Web Worker, from a `File`, which is never loaded as a whole. */
export function readCsv(source: string | ArrayBufferView | ArrayBuffer | BlobLike, options?: ReadOptions, observe?: Observe): Events;

/** Reads a CSV log as it arrives: from a stream, a file, a response, or any iterable of bytes or text. The text is never held
 *  as
 *  a whole. */
export function readCsvStream(
  source: StreamLike | BlobLike | ResponseLike | AsyncIterable<ArrayBufferView | ArrayBuffer | string>
    | Iterable<ArrayBufferView | ArrayBuffer | string> | ArrayBufferView | ArrayBuffer | string,
  options?: ReadOptions,
  observe?: Observe,
): Promise<Events>;

/** Makes a log of rows in memory; rows of one order are one event. The first bad row makes the call fail. */
export function eventsFromRows(
  rows: ({ customer_id: string | number } & Transaction)[],
  options?: Pick<ReadOptions, "merge">,
): Events;

/** Customers × features. */
export class FeatureTable {
  private constructor();
  /** The number of rows, one per customer. */
  readonly length: number;
  /** The customers, one per row. */
  readonly customer_ids: string[];
  /** The names of the columns. */
  readonly names: string[];
  /** The scales used, fitted or given. */
  readonly scales: Scales | null;
  /** The settings, with everything that was fitted. */
  readonly fitted_config: FeatureConfig | null;
  /** The day as of which the features were computed. */
  readonly as_of: Day | undefined;
  /** All values, row by row; NaN where missing. */
  toFloat64Array(): Float64Array;
  /** One column; undefined if there is none. */
  column(name: string): Float64Array | undefined;
  /** One customer; undefined if there is none. */
  row(customer_id: string): Float64Array | undefined;
  /** The rows at these positions, in this order. */
  select(places: Uint32Array | readonly number[]): FeatureTable;
  /** The table as CSV. */
  toCsv(): string;
  /** One object per customer; null where a value is missing. */
  toJSON(): Record<string, string | number | null>[];
  /** Frees its memory; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** The features of every customer seen by `as_of`, default the last day of the log. */
export function features(events: Events, options?: FeatureConfig & { as_of?: Day }): FeatureTable;

/** The labels at a cutoff: two columns of the same length, 1 for churned. */
export function labels(events: Events, options: LabelConfig & { cutoff: Day }): { customer_id: string[]; churned: Uint8Array };

/** Trains a model on a log: labels, features and learner as configured, evaluated out of time, calibrated, audited. */
export function train(events: Events, options?: TrainConfig, observe?: Observe): Model;

/** Trains a model on a table with one row a customer. */
export function trainTable(rows: Table, options?: TableConfig, observe?: Observe): Model;

/** Judges a recipe at every cutoff that the log allows, each time by a model that learned from what was known by then. Recency
 *  alone, logistic regression and the recipes in `against` are judged on the same customers. The steps of the stage
 *  `"backtest"` are cutoffs. */
export function backtest(events: Events, options?: BacktestConfig, observe?: Observe): Backtest;

/** The risk of many customers. Each access creates a new column: store it. */
export class Predictions {
  private constructor();
  /** The number of customers. */
  readonly length: number;
  /** The customers. */
  readonly customer_id: string[];
  /** Their calibrated probabilities of churn. */
  readonly churn_probability: Float64Array;
  /** Their bands. */
  readonly risk_segment: RiskSegment[];
  /** The day as of which the customers were scored. */
  readonly as_of: Day | undefined;
  /** The number of customers that the definition of churn covers, and of those it leaves out; null where they come from a table. */
  readonly coverage: Coverage | null;
  /** Whether each customer is covered; null unless uncovered customers were requested. */
  readonly covered: boolean[] | null;
  /** The findings about the scored data. */
  readonly findings: Finding[];
  /** One object per customer. */
  toRows(): Prediction[];
  /** `customer_id,churn_probability,risk_segment` as CSV. */
  toCsv(): string;
  /** One object per customer. */
  toJSON(): Prediction[];
  /** Frees its memory; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** A trained model. */
export class Model {
  private constructor();
  /** Reads a model document of any origin, as text. The document is checked, and its golden rows must score as written. */
  static fromJson(text: string): Model;
  /** The model document, the same bytes in every language. */
  toJson(): string;
  /** The learner. */
  readonly kind: Exclude<ModelKind, "auto">;
  /** The evaluation on rows that it had not seen; `null` if it was trained without one. */
  readonly evaluation: Evaluation | null;
  /** The rows that it was trained on. */
  readonly training: Training;
  /** The settings that it was fitted with. */
  readonly parameters: Required<LearnConfig>;
  /** The probabilities at which the risk bands begin. */
  readonly thresholds: Thresholds;
  /** The definition of churn. */
  readonly labels: Required<LabelConfig>;
  /** The definition of churn in a sentence. */
  readonly definition: string;
  /** One event of the log that it learned from, in rows of its source; transactions of one customer are counted in the same
   *  way. */
  readonly event_unit: EventUnit;
  /** The features that it takes, in order. */
  readonly feature_specs: FeatureSpec[];
  /** The cutoffs that it learned from, oldest first. */
  readonly cutoffs: Day[];
  /** The warnings for readers of its results. */
  readonly warnings: string[];
  /** The findings of training, worst first; null for a document of a version that did not check. */
  readonly findings: Finding[] | null;
  /** The result of the audit. */
  readonly audit: Audit | null;
  /** The calibration that was fitted. */
  readonly calibration: "none" | "Platt" | "isotonic";
  /** The version of the library that trained it. */
  readonly library_version: string;
  /** The features of a log as this model takes them. */
  features(events: Events, options?: Seen): FeatureTable;
  /** The columns of a table as this model takes them. `customer_id` names the column of ids. */
  tableFeatures(rows: Table, customer_id?: string): FeatureTable;
  /** The risk of each customer that the definition of churn covers at `as_of`. */
  predict(events: Events, options?: Seen): Predictions;
  /** The risk of every row of a table. `customer_id` names the column of ids. */
  predictTable(rows: Table, customer_id?: string): Predictions;
  /** The risk of every row of a feature table. */
  predictFeatures(table: FeatureTable): Predictions;
  /** The risk of one customer, the same bits as in a batch. `as_of` is today (UTC) by default. */
  predictOne(customer: Customer, options?: { as_of?: Day }): Prediction;
  /** The risk of one customer with its reasons. `as_of` is today (UTC) by default. */
  explainOne(customer: Customer, options?: { as_of?: Day } & ExplainConfig): ExplainedPrediction;
  /** The customers whose risk rose most since an earlier day. */
  slippingAway(events: Events, options?: Seen & SlippingConfig): SlippingList;
  /** The explanation of the risk of every customer. */
  explain(events: Events, options?: Seen & ExplainConfig): Explanation;
  /** The same for the rows of a feature table. */
  explainFeatures(table: FeatureTable, options?: ExplainConfig): Explanation;
  /** The risk of a customer if these features had these values. */
  whatIf(
    table: FeatureTable,
    customer_id: string,
    changes: Record<string, number | string | boolean | null>,
  ): { before: Prediction; after: Prediction };
  /** The smallest changes of a customer's features that take the risk below a threshold. */
  smallestChanges(table: FeatureTable, customer_id: string, options?: ChangeConfig): Change[];
  /** The model document as data: `JSON.stringify(model)` can be read by `fromJson`. */
  toJSON(): Record<string, unknown>;
  /** Frees its memory; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** The contributions of every feature to the margin of every customer: base + a row of contributions = margin. */
export class Explanation {
  private constructor();
  /** The number of customers. */
  readonly length: number;
  /** The customers. */
  readonly customer_ids: string[];
  /** The features. */
  readonly names: string[];
  /** Customers × features, row by row. */
  readonly contributions: Float64Array;
  /** The margin if nothing is known about the customer. */
  readonly base: number;
  /** base + the sum of the row, customer by customer. */
  readonly margin: Float64Array;
  /** The calibrated probabilities of the margins. */
  readonly churn_probability: Float64Array;
  /** The unit of margin and contributions. */
  readonly output: "log_odds" | "rate";
  /** The strongest reasons of a customer in words, strongest first. */
  reasons(row: number): Reason[];
  /** The reasons of a list of customers, by default all. A reason that most of them share is given once, and each customer has
   *  the
   *  next reasons instead. */
  listReasons(rows?: Uint32Array | readonly number[]): ListReasons;
  /** The features by the mean absolute value of their contributions. */
  importance(): { feature: string; mean_absolute: number }[];
  /** Value and contribution of a feature for each customer, two numbers each. */
  dependence(feature: string): Float64Array;
  /** All numbers as data, one object per customer. */
  toJSON(): {
    base: number; output: "log_odds" | "rate"; names: string[];
    customers: { customer_id: string; churn_probability: number; margin: number; contributions: number[] }[];
  };
  /** Frees its memory; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** Evaluates probabilities against the observed outcomes. */
export function evaluate(churned: Outcomes, probabilities: Numbers, options?: EvaluationConfig): Metrics;

/** The curves of predictions against the observed outcomes. */
export function curves(churned: Outcomes, probabilities: Numbers, options?: EvaluationConfig): Curves;

/** The findings of a log for a definition of churn, worst first. */
export function check(events: Events, options?: LabelConfig): Finding[];

/** Settings proposed from the pauses between the events of customers who came back. */
export function suggest(events: Events): Suggestion;

/** All codes of findings with severity and meaning. */
export function findingCodes(): FindingInfo[];

/** Compares two models on a log, at the last cutoff whose outcome is in the log. */
export function compareModels(a: Model, b: Model, events: Events, options?: { confidence?: number }): Judgement;

/** Compares the probabilities that two models give the same customers. */
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
export function report(model: Model, events: Events, options?: ReportOptions): string;

/** The same on the model alone. */
export function modelReport(model: Model, options?: { title?: string; source?: string }): string;

/** The profit of contacting customers. */
export const profit: {
  /** The expected profit of contacting one customer. */
  expectedProfit(probability: number, value: number, options?: Campaign): number;
  /** The probability above which contacting is profitable; null if it never is. */
  threshold(options?: Campaign): number | null;
  /** The expected maximum profit measure, and the share contacted at it. */
  empc(churned: Outcomes, probabilities: Numbers, options?: EmpcConfig): { empc: number; fraction: number };
  /** The maximum profit measure, the share contacted at it, and its threshold. */
  mpc(churned: Outcomes, probabilities: Numbers, options?: Campaign): { mpc: number; fraction: number; threshold: number | null };
  /** The share of the cost that a model saves where every customer has costs of their own, on observed outcomes. */
  savings(churned: Outcomes, probabilities: Numbers, costs: CustomerCosts, options?: SavingsConfig): Savings;
  /** The probability above which contacting costs less than not contacting, for each customer; a single one if every cost is
   *  one number. Below 0 if contacting always costs less, 1 or more if it never does. */
  costThresholds(costs: CustomerCosts): Float64Array;
  /** Profit by the share of customers contacted, on observed outcomes. */
  curve(churned: Outcomes, probabilities: Numbers, options?: Campaign): ProfitCurve;
  /** Expected profit by the share of customers contacted. */
  expectedCurve(probabilities: Numbers, values?: Numbers | null, options?: Campaign): ProfitCurve;
  /** The customers to contact within a budget. */
  contactList(customer_ids: string[], probabilities: Numbers, values?: Numbers | null, options?: ContactConfig): ContactList;
  /** The effect of a campaign. */
  campaignOutcome(contacted: Outcomes, churned: Outcomes, options?: { confidence?: number }): CampaignOutcome;
};
