// The types of churn-wasm: its functions and classes. Settings and results stand in data.d.ts. Nothing here needs the types of a
// browser or of Node.
/// <reference lib="esnext.disposable" />
import type {
  Audit, Campaign, CampaignOutcome, Change, ChangeConfig, ContactConfig, ContactList, Coverage, Curves, Customer, Day, Difference, EmpcConfig,
  Evaluation, EvaluationConfig, EventUnit, ExplainConfig, ExplainedPrediction, FeatureConfig, FeatureSpec, Finding, FindingInfo, IngestReport, Judgement, LabelConfig, LearnConfig, Metrics,
  ListReasons, ModelKind, Numbers, Outcomes, Prediction, ProfitCurve, ReadOptions, Reason, ReportOptions, RiskSegment, Scales, Seen, SegmentRow, SlippingConfig, SlippingList, Suggestion,
  Table, TableConfig, Thresholds, TrainConfig, Training, Transaction,
} from "./data.js";

export type * from "./data.js";

/** A `Blob` or `File`, by what is used of it. */
export interface BlobLike {
  readonly size: number;
  readonly type: string;
  slice(start?: number, end?: number): BlobLike;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A `ReadableStream` of bytes or text, by what is used of it. */
export interface StreamLike {
  getReader(): { read(): Promise<{ done: boolean; value?: unknown }>; cancel(): Promise<void>; releaseLock(): void };
}

/** A `Response`, by what is used of it. */
export interface ResponseLike {
  readonly ok: boolean;
  readonly status: number;
  readonly body: StreamLike | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** Where the module is taken from: a URL, a `Response`, bytes, or a `WebAssembly.Module` (an object without members). */
export type ModuleSource = string | { readonly href: string } | ResponseLike | ArrayBuffer | ArrayBufferView | object;

/** Loads the WebAssembly module once, from beside the package or from what is given.
 *  In Node and edge runtimes nothing is left to load, and calling it does no harm. */
export default function init(source?: ModuleSource | Promise<ModuleSource>): Promise<void>;

/** The version of the library. */
export function version(): string;

/** Stable codes of what can go wrong. All but the last three are the same in every language. */
export type ErrorCode =
  | "io" | "empty_file" | "missing_column" | "duplicate_column" | "not_utf8" | "unclosed_quote" | "record_too_long"
  | "bad_rows" | "too_many_bad_rows" | "no_good_rows" | "too_many_values" | "invalid_column" | "invalid_parameter"
  | "cutoff_outside_data" | "missing_labels" | "no_customers" | "too_few_rows" | "one_class" | "shape_mismatch"
  | "invalid_probability" | "feature_mismatch" | "missing_background" | "finding" | "leak" | "invalid_document"
  | "unsupported_version" | "golden_mismatch" | "cancelled"
  | "not_loaded" | "internal" | "worker_lost";

/** The error of every call. Wrong arguments have the code `invalid_parameter`, a call before `init` `not_loaded`, a module that has
 *  stopped (memory used up, or a fault of the library) `internal`: then only a fresh copy helps, in a new worker or page. */
export class ChurnError extends Error {
  constructor(code: string, message: string, more?: { line?: number | null; report?: IngestReport | null; findings?: Finding[]; cause?: unknown });
  /** Always `ChurnError`. */
  readonly name: "ChurnError";
  /** What went wrong. */
  readonly code: ErrorCode;
  /** The line of a file (the header is line 1) or the row of a table, counted from 1. */
  readonly line: number | null;
  /** The rows that had been read when reading failed for its rows. */
  readonly report: IngestReport | null;
  /** The findings that stopped the work, with the code `finding`; otherwise none. */
  readonly findings: Finding[];
}

/** Is told how far long work is: `total` is 0 where it is not known, for `"read"` the steps are bytes. Returning false
 *  stops the work with the code `cancelled`; an exception stops it and comes out of the call. */
export type Observe = (stage: string, done: number, total: number) => boolean | void;

/** A log in memory. Free it when done with a large one; the engine does so at some time by itself. */
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
  /** A customer with every event of theirs, as `predictOne` takes it; undefined if there is none. */
  customer(customer_id: string): Customer | undefined;
  /** Its numbers and days, without the events. */
  toJSON(): { length: number; customers: number; first_day: Day; last_day: Day; event_types: string[] };
  /** Gives its memory back; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** Reads a CSV log from text, from bytes or, in a Web Worker, from a `File`, which is then never held as a whole. */
export function readCsv(source: string | ArrayBufferView | ArrayBuffer | BlobLike, options?: ReadOptions, observe?: Observe): Events;

/** Reads a CSV log as it arrives: from a stream, a file, a response, or anything that gives bytes or text piece by piece. The text is
 *  never held as a whole. */
export function readCsvStream(
  source: StreamLike | BlobLike | ResponseLike | AsyncIterable<ArrayBufferView | ArrayBuffer | string>
    | Iterable<ArrayBufferView | ArrayBuffer | string> | ArrayBufferView | ArrayBuffer | string,
  options?: ReadOptions,
  observe?: Observe,
): Promise<Events>;

/** Takes rows that are in memory; those of one order are one event. The first bad one fails the whole. */
export function eventsFromRows(
  rows: ({ customer_id: string | number } & Transaction)[],
  options?: Pick<ReadOptions, "merge">,
): Events;

/** Customers × features. */
export class FeatureTable {
  private constructor();
  /** The number of rows, one a customer. */
  readonly length: number;
  /** The customers, one a row. */
  readonly customer_ids: string[];
  /** The names of the columns. */
  readonly names: string[];
  /** The scales used, fitted or given. */
  readonly scales: Scales | null;
  /** The settings, with everything that was fitted. */
  readonly fitted_config: FeatureConfig | null;
  /** The day that the features were seen from. */
  readonly as_of: Day | undefined;
  /** All values, row by row; NaN where missing. */
  toFloat64Array(): Float64Array;
  /** One column; undefined if there is none. */
  column(name: string): Float64Array | undefined;
  /** One customer; undefined if there is none. */
  row(customer_id: string): Float64Array | undefined;
  /** The rows at these places, in this order. */
  select(places: Uint32Array | readonly number[]): FeatureTable;
  /** The table as CSV. */
  toCsv(): string;
  /** One object a customer; null where a value is missing. */
  toJSON(): Record<string, string | number | null>[];
  /** Gives its memory back; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** The features of every customer seen by `as_of`, default the last day of the log. */
export function features(events: Events, options?: FeatureConfig & { as_of?: Day }): FeatureTable;

/** Who churned at a cutoff: two columns of the same length, 1 for churned. */
export function labels(events: Events, options: LabelConfig & { cutoff: Day }): { customer_id: string[]; churned: Uint8Array };

/** Trains a model on a log: labels, features and learning as configured, judged out of time, calibrated, audited. */
export function train(events: Events, options?: TrainConfig, observe?: Observe): Model;

/** Trains a model on a table with one row a customer. */
export function trainTable(rows: Table, options?: TableConfig, observe?: Observe): Model;

/** The risk of many customers. Columns are fresh at each access: keep them. */
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
  /** The day that the customers were looked at. */
  readonly as_of: Day | undefined;
  /** The number of customers that the definition of churn covers, and of those it leaves out; null where they come from a table. */
  readonly coverage: Coverage | null;
  /** Whether each customer is covered; null unless the others were asked for. */
  readonly covered: boolean[] | null;
  /** The findings about the data that was scored. */
  readonly findings: Finding[];
  /** One object a customer. */
  toRows(): Prediction[];
  /** `customer_id,churn_probability,risk_segment` as CSV. */
  toCsv(): string;
  /** One object a customer. */
  toJSON(): Prediction[];
  /** Gives its memory back; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** A trained model. */
export class Model {
  private constructor();
  /** Reads a model document of any origin, as text: it is checked, and its golden rows must score as written. */
  static fromJson(text: string): Model;
  /** The model document, the same bytes in every language. */
  toJson(): string;
  /** The learner. */
  readonly kind: Exclude<ModelKind, "auto">;
  /** How it did on rows that it had not seen. */
  readonly evaluation: Evaluation;
  /** The rows that it was trained on. */
  readonly training: Training;
  /** The settings that it was fitted with. */
  readonly parameters: Required<LearnConfig>;
  /** Where the risk bands begin. */
  readonly thresholds: Thresholds;
  /** The definition of churn. */
  readonly labels: Required<LabelConfig>;
  /** The definition of churn in a sentence. */
  readonly definition: string;
  /** One event of the log that it learned from, in rows of its source; one customer's transactions count alike. */
  readonly event_unit: EventUnit;
  /** The features that it takes, in order. */
  readonly feature_specs: FeatureSpec[];
  /** The cutoffs that it learned from, oldest first. */
  readonly cutoffs: Day[];
  /** What a reader of its results must know. */
  readonly warnings: string[];
  /** The findings of training, worst first; null for a document of a version that did not check. */
  readonly findings: Finding[] | null;
  /** The stamp of the audit. */
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
  /** Why every customer has the risk they have. */
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
  /** Gives its memory back; every later use is refused. */
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
  /** The margin where nothing is known of the customer. */
  readonly base: number;
  /** base + the sum of the row, customer by customer. */
  readonly margin: Float64Array;
  /** The calibrated probabilities that the margins lead to. */
  readonly churn_probability: Float64Array;
  /** What margin and contributions are measured in. */
  readonly output: "log_odds" | "rate";
  /** The strongest reasons of a customer in words, the strongest first. */
  reasons(row: number): Reason[];
  /** The reasons of a list of customers, by default all: one that most of them share is said once, and each has the next in its place. */
  listReasons(rows?: Uint32Array | readonly number[]): ListReasons;
  /** The features by the mean size of their contributions. */
  importance(): { feature: string; mean_absolute: number }[];
  /** Value and contribution, customer by customer, two numbers each. */
  dependence(feature: string): Float64Array;
  /** All numbers as data, one object a customer. */
  toJSON(): {
    base: number; output: "log_odds" | "rate"; names: string[];
    customers: { customer_id: string; churn_probability: number; margin: number; contributions: number[] }[];
  };
  /** Gives its memory back; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** Judges probabilities against what happened. */
export function evaluate(churned: Outcomes, probabilities: Numbers, options?: EvaluationConfig): Metrics;

/** The curves of the same predictions. */
export function curves(churned: Outcomes, probabilities: Numbers, options?: EvaluationConfig): Curves;

/** The findings of a log beside a definition of churn, worst first. */
export function check(events: Events, options?: LabelConfig): Finding[];

/** Settings proposed from the pauses between the events of customers who came back. */
export function suggest(events: Events): Suggestion;

/** All codes of findings with severity and meaning. */
export function findingCodes(): FindingInfo[];

/** Compares two models on a log, at the last cutoff whose outcome it tells. */
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

/** What contacting customers is worth. */
export const profit: {
  /** What contacting one customer is expected to earn. */
  expectedProfit(probability: number, value: number, options?: Campaign): number;
  /** The probability above which contacting pays; null where it never does. */
  threshold(options?: Campaign): number | null;
  /** The expected maximum profit measure, and the share contacted at it. */
  empc(churned: Outcomes, probabilities: Numbers, options?: EmpcConfig): { empc: number; fraction: number };
  /** The maximum profit measure, the share contacted at it, and its threshold. */
  mpc(churned: Outcomes, probabilities: Numbers, options?: Campaign): { mpc: number; fraction: number; threshold: number | null };
  /** Profit by the share of customers contacted, as it would have been. */
  curve(churned: Outcomes, probabilities: Numbers, options?: Campaign): ProfitCurve;
  /** Profit by the share of customers contacted, as it is expected. */
  expectedCurve(probabilities: Numbers, values?: Numbers | null, options?: Campaign): ProfitCurve;
  /** The customers to contact within a budget. */
  contactList(customer_ids: string[], probabilities: Numbers, values?: Numbers | null, options?: ContactConfig): ContactList;
  /** The effect of a campaign. */
  campaignOutcome(contacted: Outcomes, churned: Outcomes, options?: { confidence?: number }): CampaignOutcome;
};
