// The plain data of churn-wasm: settings and results. Keys are snake_case, as in every language. One file, and long,
// because it is a list of declarations that an editor shows one by one.

/** A calendar day, `YYYY-MM-DD`, UTC. */
export type Day = string;

// ---------------------------------------------------------------------------------------------------------- events

/** The options for reading a log. */
export interface ReadOptions {
  /** The header names of the columns, if they differ from the default names. A column that is named must exist. With an empty
   *  name a column that is not needed is left out. */
  columns?: {
    /** The customer's id: an opaque text, kept byte for byte. */
    customer_id?: string | null;
    /** The date, converted to its UTC calendar day. */
    event_date?: string | null;
    /** The amount: a decimal within ±10^12, negative for a refund, empty where there is none. */
    amount?: string | null;
    /** The kind of event, empty where unknown. */
    event_type?: string | null;
    /** Rows of a customer that share their order, day and event type are one event, whose amount is their sum. */
    order_id?: string | null;
    /** 0 or 1, the same in all rows of a customer. */
    churn_label?: string | null;
  };
  /** A strptime format such as `%d/%m/%Y`, instead of ISO and RFC 3339 dates; or `unix_s`, `unix_ms` or `unix_us` for a
   *  number since 1970. */
  date_format?: string | null;
  /** The one ASCII character between fields, default a comma. */
  delimiter?: string;
  /** Default `fail`: a bad row makes the call fail. With `skip` bad rows are left out and reported. */
  on_bad_row?: "fail" | "skip";
  /** With `skip`: the largest share of bad rows that is accepted, 0 to 1, default 0.05. */
  max_bad_share?: number;
  /** Default `none`. With `day` all rows of a customer that share their day and event type are one event; orders are not
   *  read then. */
  merge?: "none" | "day";
  /** The first day whose rows are used; earlier ones are left out and counted. */
  first_day?: Day | null;
  /** The last day whose rows are used; later ones are left out and counted. */
  last_day?: Day | null;
  /** The encoding of a file, such as `windows-1252`. `readCsv` reads UTF-8 only; `decodedText` of `churn-wasm/files` gives the
   *  text of other files. */
  encoding?: string | null;
  /** The number of lines above the column names, default 0. */
  skip_lines?: number;
  /** The decimal mark of the amounts, default a point. */
  decimal?: "." | ",";
  /** The thousands separator of the amounts, default none. A space stands for every kind of space. */
  thousands?: "," | "." | " " | "'" | "_" | null;
  /** True if amounts may have a currency sign or code, or be negative by parentheses or by a minus at the end. */
  currency?: boolean;
  /** The texts that stand for a missing value, such as `NULL`. */
  null_values?: string[];
  /** The texts of a first field, such as `Total`, whose rows are no events. They are left out and counted. */
  ignore_rows?: string[];
  /** True if rows without a customer are left out and counted instead of being bad rows. */
  skip_anonymous?: boolean;
}

/** One event, in rows of the source of a log. */
export type EventUnit = "row" | "order" | "day";

/** One row that was not used. */
export interface BadRow {
  /** The line it starts on; the header is line 1. */
  line: number;
  /** The kind of fault. */
  reason: string;
  /** The fault in words, with the value found and the value expected. */
  message: string;
}

/** The rows that were read, and those that were refused: `rows = good + bad + outside + ignored`. */
export interface IngestReport {
  /** Data rows seen. */
  rows: number;
  /** Rows used. */
  good: number;
  /** Rows left out. */
  bad: number;
  /** The bad rows by line, the first 1,000 of them. */
  bad_rows: BadRow[];
  /** Good rows that share customer, day and event type with another row. */
  rows_sharing_day: number | null;
  /** Good rows that are equal to another row in every column that is read. */
  duplicate_rows: number | null;
  /** Good rows that were merged into the event of another row. */
  merged_rows: number | null;
  /** Rows left out because their day lies before `first_day` or after `last_day`. */
  outside: number;
  /** Rows left out because all of their fields are blank, or because of `ignore_rows` or `skip_anonymous`. */
  ignored: number;
  /** The line of a row of the first day that is used; null if rows are not stored. */
  first_day_line: number | null;
  /** The line of a row of the last day that is used; null if rows are not stored. */
  last_day_line: number | null;
}

/** The form of a file and the meaning of its columns, found from a sample. */
export interface Detected {
  /** The options that read the file: the given ones, and what was found. Where there is a question, the option has its given
   *  value. */
  options: ReadOptions;
  /** The system that exports such files, if the columns are those of a known export. */
  export: string | null;
  /** The options that differ from the defaults because they were found. */
  found: FoundOption[];
  /** Questions to the owner of the file. Without one the options can be used. */
  questions: Question[];
  /** Sentences on unusual things that do not keep the file from being read. */
  doubts: string[];
  /** The header names of the columns, in order. */
  header: string[];
  /** The fields of the first rows, to look at: five, or all if there are fewer. */
  rows: string[][];
  /** The sample read with the options; null if there is a question. */
  trial: TrialRead | null;
}

/** An option of reading that was found in a file. */
export interface FoundOption {
  /** The name of the option; those of the columns are `columns.customer_id` and so on. */
  option: string;
  /** The value of the option. */
  value: string | number | boolean | string[] | null;
  /** The reason, with an example from the file. */
  reason: string;
}

/** A question to the owner of a file. */
export interface Question {
  /** The kind of the question. `not_events` is for a file that does not seem to have one row per event. */
  code: "date_format" | "number_format" | "encoding" | "columns" | "not_events";
  /** The question, with an example from the file. */
  message: string;
  /** The option that answers the question, as `date_format` or `columns.customer_id`; null if the file itself must be changed or a
   *  reading has several options. */
  option: string | null;
  /** The possible answers; empty if they cannot be listed. */
  readings: Reading[];
}

/** A possible answer to a `Question`. */
export interface Reading {
  /** The names of the options of this reading, with their values. */
  options: [name: string, value: string | number | boolean | null][];
  /** A value of the file as this reading takes it. */
  example: string;
}

/** The sample of a file, read with the options that were found. */
export interface TrialRead {
  /** Number of rows of the sample. */
  rows: number;
  /** Number of rows of the sample that cannot be read. */
  bad: number;
  /** The reason why the first of them cannot be read; empty if there is none. */
  first_bad: string;
  /** Number of customers. */
  customers: number;
  /** The customer with the most rows, and their number. */
  largest_customer: [customer_id: string, rows: number];
  /** The first day. */
  first_day: Day;
  /** The last day. */
  last_day: Day;
  /** The sum of the amounts. */
  total_amount: number;
  /** The event types in byte order, at most 50 of them. */
  event_types: string[];
}

/** One event of a customer. */
export interface Transaction {
  /** `YYYY-MM-DD`, RFC 3339, `YYYY-MM-DD HH:MM[:SS]` or a Date; converted to its UTC day. */
  event_date: string | Date;
  /** The amount, within ±10^12; null for an event that has none. */
  amount?: number | null;
  /** The kind of event, null if unknown; an integer is converted to its digits. */
  event_type?: string | number | null;
  /** The id of the order. Transactions with the same order, day and event type are one event. */
  order_id?: string | number | null;
  /** Further keys are ignored, as further columns of a file are. */
  [other: string]: unknown;
}

/** A single customer. */
export interface Customer {
  /** The customer's id; an integer is converted to its digits. */
  customer_id: string | number;
  /** Every known event of the customer, in any order. */
  transactions: Transaction[];
  /** Values of joined columns, for a model with joined columns; omitted columns are missing values. */
  attributes?: Record<string, string | number | boolean | null>;
}

// -------------------------------------------------------------------------------------------------------- features

/** The feature set: the eight features of recency, frequency and money, or these and some forty more. */
export type FeatureSet = "rfm" | "behavioral";

/** The windows of the rfm features, in days. */
export interface Windows {
  /** The window of engagement and trend: 2 to 3650, default 30. */
  recent_days?: number;
  /** The window of frequency and monetary: 1 to 3650, default 90. */
  activity_days?: number;
  /** The days at which recency reaches 0 and tenure reaches its maximum: 1 to 36500, default 365. */
  full_days?: number;
}

/** The 95th percentiles that scale frequency and monetary. */
export interface Scales {
  /** The percentile of the number of events in the activity window. */
  frequency: number;
  /** The percentile of the sum of amounts in the activity window. */
  monetary: number;
}

/** The options for computing features. */
export interface FeatureConfig {
  /** Default `rfm`. */
  feature_set?: FeatureSet;
  /** The windows of the rfm features. */
  windows?: Windows;
  /** Scales that were fitted before; omit them to fit them now. */
  scales?: Scales | null;
  /** `behavioral`: the event types that get a column each; omit them to use the most frequent. */
  event_type_columns?: string[] | null;
  /** `behavioral`: the number of event types that get a column if the most frequent are used, 0 to 1000. */
  top_event_types?: number;
}

/** A feature that a model takes. */
export interface FeatureSpec {
  /** Its name. */
  name: string;
  /** The levels of a category, in the order of their numbers. */
  levels?: string[];
}

// ---------------------------------------------------------------------------------------------------------- labels

/** The definition of churn. */
export interface LabelConfig {
  /** Default `outcome_window`: no event in the days after a cutoff. */
  labels?: "outcome_window" | "inactivity" | "provided";
  /** `outcome_window`: the days in which a customer may come back, default 90. */
  horizon_days?: number;
  /** `outcome_window`: days between the cutoff and the horizon, default 0. */
  gap_days?: number;
  /** Only customers with an event in this number of days before the cutoff, default 365; null for all. */
  active_within_days?: number | null;
  /** The event types that count as coming back; null for all. */
  event_types?: string[] | null;
  /** `inactivity`: the days of silence that count as churn, default 30. */
  threshold_days?: number;
}

// -------------------------------------------------------------------------------------------------------- training

/** The learners; `auto` tries them and keeps the best. */
export type ModelKind = "logistic_regression" | "random_forest" | "gradient_boosting" | "auto";

/** The probabilities at which the risk bands begin. */
export interface Thresholds {
  /** Default 0.3. */
  medium: number;
  /** Default 0.5. */
  high: number;
  /** Default 0.7. */
  critical: number;
}

/** The options of the learner. */
export interface LearnConfig {
  /** The learner, default `random_forest` for a log and `gradient_boosting` for a table. */
  model?: ModelKind;
  /** The seed of everything random, 0 to 2^53 − 1, default 0. */
  seed?: number;
  /** The calibration of scores to probabilities, default `auto`. */
  calibration?: "auto" | "none" | "platt" | "isotonic";
  /** Whether the classes get equal total weight, default `none`. */
  class_weight?: "none" | "balanced";
  /** The probabilities at which the risk bands begin. */
  thresholds?: Partial<Thresholds>;
  /** Logistic regression: the L2 penalty on standardised coefficients, above 0. */
  l2?: number;
  /** Random forest: the number of trees, 1 to 10000. */
  trees?: number;
  /** Boosting: the exact number of rounds, 1 to 10000; null to stop early when more rounds do not improve unseen rows. */
  rounds?: number | null;
  /** Boosting: the shrinkage of a round, above 0 and at most 1. */
  learning_rate?: number;
  /** Trees: the depth, 1 to 32; null for the best depth on unseen rows. */
  max_depth?: number | null;
  /** Trees: the minimum weight of the rows on either side of a split. */
  min_child_weight?: number | null;
  /** Boosting: added to the curvature of every leaf, 0 or more. */
  leaf_l2?: number | null;
  /** Boosting: the share of the rows that each tree is grown on, above 0 and at most 1, default 1. */
  row_sample?: number;
  /** Boosting: the share of the features that each tree may split by, above 0 and at most 1, default 0.7. */
  column_sample?: number;
  /** Random forest: features drawn at a split; null for the square root of their number. */
  features_per_split?: number | null;
  /** Training rows stored in the document, without ids, as the background for explanations, 0 to 10000. */
  background_rows?: number;
  /** `auto`: the seconds that training may take; null for the whole search. */
  time_budget?: number | null;
  /** `auto`: the recipes whose weighted mean is fitted, at most 16, instead of a search. */
  members?: MeanMember[];
}

/** A recipe of a weighted mean: a logistic regression or gradient boosting, whose log-odds are averaged. Settings that are left out
 *  have the defaults of `LearnConfig`. */
export interface MeanMember
  extends Pick<
    LearnConfig,
    | "l2"
    | "rounds"
    | "learning_rate"
    | "max_depth"
    | "min_child_weight"
    | "leaf_l2"
    | "row_sample"
    | "column_sample"
  > {
  /** The weight in the mean, above 0. The weights of all members add up to 1. */
  weight: number;
  /** The learner, default `gradient_boosting`. */
  model?: "logistic_regression" | "gradient_boosting";
}

/** The options for training on a log. */
export interface TrainConfig extends LabelConfig, FeatureConfig, LearnConfig {
  /** The features, default `behavioral`. */
  feature_set?: FeatureSet;
  /** The number of cutoffs to train on, 1 to 1000; null for as many as the log has room for, up to twelve (three if twelve would
   *  give more than half a million rows). */
  snapshots?: number | null;
  /** The days of the cutoffs. */
  cutoffs?: Day[] | null;
  /** Whether to audit that no future data reaches the features, default true. */
  audit?: boolean;
  /** `false` to train without an evaluation, in less time; such a model has no report. */
  evaluation?: boolean;
  /** `false` to leave out the comparison with logistic regression. */
  compare_with_logistic?: boolean;
  /** The column of the joined table with the weights of the customers, each above 0; it is not a feature. */
  weight?: string | null;
  /** Codes of findings that may not stop training. */
  allow?: string[];
}

/** The settings of another recipe of a backtest. Settings that are left out are those of the recipe that is judged. */
export interface BacktestRecipe extends Omit<FeatureConfig, "windows">, LearnConfig {
  /** The largest number of earlier cutoffs that each model learns from, 1 to 1000. */
  snapshots?: number | null;
}

/** The options for a backtest: those for training, and the keys below. */
export interface BacktestConfig extends Omit<TrainConfig, "evaluation" | "compare_with_logistic"> {
  /** The definition of churn must be `outcome_window`: what happened after each cutoff is looked up. */
  labels?: "outcome_window";
  /** The largest number of earlier cutoffs that each model learns from, 1 to 1000; null for up to twelve (three if twelve would
   *  give more than half a million rows). */
  snapshots?: number | null;
  /** The days to judge at; null for all that the log allows. */
  cutoffs?: Day[] | null;
  /** Days from one judged cutoff to the next, 1 to 3650; null for the horizon. Not used with `cutoffs`. */
  step_days?: number | null;
  /** The largest number of cutoffs to judge at, 1 to 1000: the latest ones; null for all. */
  most_cutoffs?: number | null;
  /** Other recipes by name, judged on the same customers: for each the settings that differ. */
  against?: Record<string, BacktestRecipe>;
  /** Whether to keep the prediction of every customer at every cutoff, default false. */
  predictions?: boolean;
}

/** The options for training on a table with one row per customer. */
export interface TableConfig extends LearnConfig {
  /** The label column, default `churned`: 0/1, true/false or yes/no. */
  label?: string;
  /** The column of customer ids; null if every row is a different customer. */
  customer_id?: string | null;
  /** A column of row weights above 0. */
  weight?: string | null;
  /** Columns that are not used for training. */
  leave_out?: string[];
  /** `false` to train without an evaluation, in less time; such a model has no report. */
  evaluation?: boolean;
  /** `false` to leave out the comparison with logistic regression. */
  compare_with_logistic?: boolean;
}

/** A table with one row per customer: rows, or columns of one type each. A missing number is null, or NaN in a typed array. */
export type Table =
  | Record<string, string | number | boolean | null | undefined>[]
  | Record<string, Float64Array | (string | null)[] | (number | null)[] | (boolean | null)[]>;

// ---------------------------------------------------------------------------------------------------------- models

/** The risk bands, from the lowest. */
export type RiskSegment = "Low" | "Medium" | "High" | "Critical";

/** The risk of one customer. */
export interface Prediction {
  /** The customer's id. */
  customer_id: string;
  /** The calibrated probability of churn. */
  churn_probability: number;
  /** The band of the probability. */
  risk_segment: RiskSegment;
  /** Whether the model's definition of churn covers the customer. */
  covered: boolean;
  /** If the customer is not covered: a sentence that says why the probability is a guess. */
  note?: string;
}

/** The numbers of customers at a day that a definition of churn covers and does not cover. */
export interface Coverage {
  /** Customers that the definition would label at that day. */
  covered: number;
  /** Customers whose last event is too long before the day (`active_within_days`). */
  inactive: number;
}

/** A value of the evidence or of a setting. */
export type Evidence = string | number | boolean | null | Evidence[];

/** The result of a check of the data or of a model. */
export interface Finding {
  /** One of `findingCodes()`. */
  code: string;
  /** An `error` stops training and scoring unless its code is allowed. */
  severity: "note" | "warning" | "error";
  /** The problem and its solution in words, with the numbers. */
  message: string;
  /** The numbers by name. */
  evidence: Record<string, Evidence>;
  /** The settings that would correct the problem, by name. */
  suggestion: Record<string, Evidence>;
}

/** A code that a finding can have. */
export interface FindingInfo {
  /** The stable code. */
  code: string;
  /** The severity of findings with this code. */
  severity: "note" | "warning" | "error";
  /** Its meaning in a sentence. */
  meaning: string;
}

/** The share of pauses that end within a horizon. */
export interface HorizonShare {
  /** The horizon in days. */
  horizon_days: number;
  /** The share, 0 to 1, each customer weighted the same. */
  share: number;
}

/** Settings proposed for a log. */
export interface Suggestion {
  /** The shortest of the usual horizons within which 80 % of the pauses end. */
  horizon_days: number;
  /** The shortest of the usual periods within which 95 % of the pauses end. */
  active_within_days: number;
  /** The share of pauses that each usual horizon covers. */
  shares: HorizonShare[];
  /** Customers with at least one pause. */
  customers: number;
}

/** The comparison of two models on the labelled customers of a log. */
export interface Judgement {
  /** Log-loss and AUC with intervals. */
  comparison: {
    /** Evaluated customers. */
    n: number;
    /** The log-loss; a difference below 0 means that the second model is better. */
    log_loss: Difference;
    /** The AUC; a difference above 0 means that the second model is better. */
    roc_auc: Difference;
  };
  /** The day as of which the customers were scored. */
  cutoff: Day;
  /** Whether a model has learned from the outcomes that it is evaluated on. */
  in_sample: boolean;
  /** Messages for a reader of the result. */
  warnings: string[];
}

/** The options for finding customers who are slipping away. */
export interface SlippingConfig {
  /** Days between the earlier day and now, 1 to 3650; null for a third of the horizon. */
  days?: number | null;
  /** The maximum number of customers to list, default 20. */
  customers?: number;
  /** The maximum number of changes in words for each customer, default 2. */
  changes?: number;
  /** The word for one event, default `event`. */
  event?: string;
}

/** A customer whose risk rose. */
export interface Slipping {
  /** The customer's id. */
  customer_id: string;
  /** The probability of churn at the earlier day. */
  probability_before: number;
  /** The probability of churn now. */
  churn_probability: number;
  /** The band of the probability now. */
  risk_segment: RiskSegment;
  /** The facts that raised the risk most, with their values then and now. */
  changes: string[];
  /** The amounts of the last 365 days times the probability now; null in a log without amounts. */
  value_at_risk: number | null;
}

/** The customers who are slipping away at a day. */
export interface SlippingList {
  /** The day as of which the customers are scored. */
  as_of: Day;
  /** The earlier day. */
  before: Day;
  /** The customers whose risk rose, largest rise first. */
  customers: Slipping[];
}

/** The risk of one customer with its reasons. */
export interface ExplainedPrediction extends Prediction {
  /** The strongest reasons, strongest first. */
  reasons: Reason[];
  /** The margin if nothing is known about the customer. */
  base: number;
  /** base + the sum of the contributions. */
  margin: number;
  /** The contribution of each feature to the margin. */
  contributions: number[];
}

/** Measures of predictions against the observed outcomes. */
export interface Metrics {
  /** Evaluated customers. */
  n: number;
  /** Share that churned. */
  base_rate: number;
  /** Share predicted correctly at the threshold. */
  accuracy: number;
  /** Share of the customers predicted to churn who did; 0 if none was predicted. */
  precision: number;
  /** Share of the customers who churned that was predicted to churn. */
  recall: number;
  /** Share of the customers who stayed that was predicted to stay. */
  specificity: number;
  /** Harmonic mean of precision and recall; 0 if both are 0. */
  f1: number;
  /** Probability that a customer who churned is ranked above one who stayed; ties count half. */
  roc_auc: number;
  /** Average precision over falling thresholds. */
  pr_auc: number;
  /** Mean of −ln of the probability of the observed outcome. */
  log_loss: number;
  /** Mean squared difference of probability and outcome. */
  brier: number;
  /** Expected calibration error over equal-mass bins. */
  ece: number;
  /** Churn rate of the tenth of customers with the highest probabilities, divided by the base rate. */
  lift_10: number;
  /** Customers predicted to churn who did. */
  tp: number;
  /** Customers predicted to churn who stayed. */
  fp: number;
  /** Customers predicted to stay who did. */
  tn: number;
  /** Customers predicted to stay who churned. */
  fn: number;
}

/** A point of a curve. */
export type Point = [number, number];

/** The curves of predictions. */
export interface Curves {
  /** False positive rate and recall, from (0, 0) to (1, 1). */
  roc: Point[];
  /** Recall and precision by falling threshold. */
  precision_recall: Point[];
  /** Share of customers contacted, highest risk first, and the share of all churners among them, in steps of 5 %. */
  gain: Point[];
  /** The bins of the expected calibration error: customers, mean probability and observed rate. */
  reliability: { customers: number; predicted: number; observed: number }[];
}

/** One risk band with the observed churn rate. */
export interface SegmentRow {
  /** The band. */
  segment: RiskSegment;
  /** The probability at which it begins. */
  from: number;
  /** The probability at which the next one begins. */
  to: number;
  /** Customers in the band. */
  customers: number;
  /** Customers in the band who churned. */
  churned: number;
  /** churned / customers; null if the band is empty. */
  observed_rate: number | null;
  /** Mean of the predicted probabilities; null if the band is empty. */
  mean_probability: number | null;
}

/** A candidate of the search of `auto`. */
export interface Candidate {
  /** The learner. */
  model: ModelKind;
  /** The feature set, if the features come from events. */
  feature_set?: FeatureSet;
  /** The settings that differ from the given ones. */
  settings?: Record<string, number>;
  /** The recipes of a weighted mean, whose `model` is `auto`. */
  members?: MeanMember[];
  /** Its calibrated log-loss on rows that its fits had not seen; null if it was not evaluated. */
  log_loss: number | null;
  /** The standard error of the difference to the chosen one. */
  standard_error?: number;
  /** The duration of the trial, with a time budget. */
  seconds?: number;
  /** The reason why it was not evaluated. */
  failure?: string;
}

/** A mean over cutoffs, or over customers, with its 95 % confidence interval. */
export interface Estimate {
  /** The mean. */
  mean: number;
  /** Its standard error. */
  standard_error: number;
  /** The lower limit of the interval. */
  low: number;
  /** The upper limit of the interval. */
  high: number;
}

/** Measures of predicted probabilities at a cutoff. */
export interface Scores {
  /** Probability that a customer who churned is ranked above one who stayed, 0 to 1; ties count half. */
  roc_auc: number;
  /** Mean of −ln of the probability of the observed outcome, 0 or more. */
  log_loss: number;
  /** Mean squared difference of probability and outcome, 0 to 1. */
  brier: number;
}

/** The result at one cutoff. */
export interface CutoffResult extends Scores {
  /** The day at whose end the customers were scored. */
  cutoff: Day;
  /** Customers judged. */
  customers: number;
  /** Customers who churned. */
  churned: number;
  /** churned / customers. */
  base_rate: number;
  /** The expected number of churners: the sum of the probabilities. */
  expected: number;
  /** The cutoffs that the model learned from, oldest first. */
  learned_from: Day[];
  /** Training rows: the customers of these cutoffs. */
  train_rows: number;
  /** Churn rate of the tenth of customers with the highest probabilities, divided by the base rate. */
  lift_10: number;
  /** The AUC of recency alone; null without a recency feature. */
  recency_auc: number | null;
  /** The measures of the other recipes by name. */
  against: Record<string, Scores>;
}

/** The differences to another recipe on the same customers, as model − other. */
export interface PairedResult {
  /** The name of the other recipe; `recency` for recency alone. */
  name: string;
  /** The mean AUC of the other recipe. */
  mean_roc_auc: number;
  /** The difference of the AUC; above 0 if the model is better. */
  roc_auc: Estimate;
  /** The difference of the log-loss, below 0 if the model is better; null for recency, which has no probabilities. */
  log_loss: Estimate | null;
  /** The difference of the Brier score, below 0 if the model is better; null for recency. */
  brier: Estimate | null;
  /** Cutoffs at which the AUC of the model is higher. */
  cutoffs_won: number;
}

/** The results of a recipe at several cutoffs. */
export interface OverTime {
  /** A row per cutoff, oldest first. */
  cutoffs: CutoffResult[];
  /** The mean AUC. */
  roc_auc: Estimate;
  /** The mean AUC of the earlier half of the cutoffs; null for fewer than six. If the mean of the later half lies outside this
   *  interval, there is a finding `results_change`. */
  earlier_roc_auc: Estimate | null;
  /** The mean log-loss. */
  log_loss: Estimate;
  /** The mean Brier score. */
  brier: Estimate;
  /** The mean lift at 10 %. */
  lift_10: Estimate;
  /** The mean churn rate. */
  base_rate: Estimate;
  /** The mean of the predicted − the observed churn rate: above 0 if the probabilities are too high. */
  predicted_minus_observed: Estimate;
  /** The mean AUC of recency alone; null without a recency feature. */
  recency_auc: Estimate | null;
  /** The differences to recency, logistic regression and the other recipes. */
  against: PairedResult[];
  /** Up to ten bins of about equal size over the customers of all cutoffs: customers, mean probability and observed rate. */
  reliability: { customers: number; predicted: number; observed: number }[];
  /** The risk bands over the customers of all cutoffs. */
  segments: SegmentRow[];
}

/** The predictions of a backtest: columns of one length, by cutoff and then by the bytes of the id. */
export interface BacktestPredictions {
  /** The day at whose end each customer was scored. */
  cutoff: Day[];
  /** The customers. One has a row at each cutoff that covers it. */
  customer_id: string[];
  /** 1 for each customer who churned. */
  churned: Uint8Array;
  /** The probabilities of the recipe that is judged. */
  churn_probability: Float64Array;
  /** The probabilities of the other recipes by name. */
  against: Record<string, Float64Array>;
}

/** The result of a backtest. */
export interface Backtest extends OverTime {
  /** The settings, without the defaults of the recipes filled in. */
  config: Record<string, unknown>;
  /** The version of the library. */
  library_version: string;
  /** The definition of churn in a sentence. */
  definition: string;
  /** The cutoffs that could not be judged, with the reason. */
  skipped: { cutoff: Day; reason: string }[];
  /** The result of the audit; null if it was switched off. */
  audit: Audit | null;
  /** The findings, worst first. */
  findings: Finding[];
  /** The predictions, if they were asked for. */
  predictions?: BacktestPredictions;
}

/** The evaluation of a model on rows that it had not seen. */
export interface Evaluation {
  /** Out of time, or on held-out customers. */
  protocol: "out_of_time" | "holdout";
  /** Out of time: the cutoff of the evaluation. */
  test_cutoff: Day | null;
  /** Training rows. */
  train_rows: number;
  /** Evaluated rows. */
  test_rows: number;
  /** The measures. */
  metrics: Metrics;
  /** The recipe at up to four recent cutoffs, `test_cutoff` the last of them, with intervals. On held-out customers it has no
   *  cutoffs, but the intervals. Null in a document from before there were intervals. */
  over_time: OverTime | null;
  /** The measures of logistic regression with its default settings on the same rows. */
  logistic_regression: Metrics | null;
  /** The AUC of recency alone: the baseline to beat. */
  recency_auc: number | null;
  /** The curves. */
  curves: Curves;
  /** The risk bands with the observed churn rates. */
  segments: SegmentRow[];
  /** The features, most important first, with the mean increase of the log-loss without each. */
  importance: { feature: string; log_loss_increase: number }[];
  /** With `auto`: the protocol by which its trials were evaluated. */
  search_protocol: "out_of_time" | "customers" | null;
  /** With `auto`: the candidates that were tried, the chosen one first. */
  candidates: Candidate[];
}

/** The rows that a model was trained on. */
export interface Training {
  /** Labelled rows: customers, once for each cutoff. */
  rows: number;
  /** Different customers. */
  customers: number;
  /** Rows that churned. */
  churned: number;
  /** churned / rows. */
  base_rate: number;
  /** 64 bits that depend on every value and label, in hexadecimal. */
  fingerprint: string;
}

/** The result of the audit that no future data reached the features. */
export interface Audit {
  /** The days that were audited. */
  cutoffs: Day[];
  /** Events after a cutoff that the audit deleted, summed over the cutoffs. */
  events_deleted: number;
  /** Feature values that were computed with and without these events and had the same bits. */
  values_compared: number;
  /** The inputs that the audit covers: `events`, and `attributes` if the rows of a joined table have days. */
  inputs: string[];
}

/** The day, the customers to score, and columns to join to the features of a log by the ids in `attributes_id`. */
export interface Seen {
  /** Default the last day of the log. */
  as_of?: Day;
  /** The columns to join, one row per customer. */
  attributes?: Table;
  /** The column of customer ids in `attributes`, default `customer_id`. */
  attributes_id?: string;
  /** Also scores the customers that the definition of churn does not cover, default false. */
  include_inactive?: boolean;
  /** Codes of findings that may not stop the work. */
  allow?: string[];
}

// ----------------------------------------------------------------------------------------------------- explanations

/** The options for explanations. */
export interface ExplainConfig {
  /** The reference of the Shapley values of trees. */
  feature_perturbation?: "tree_path_dependent" | "interventional";
  /** The number of reasons per customer, 0 to 100, default 3. */
  reasons?: number;
  /** The word for one event, default `event`. */
  event?: string;
}

/** A reason for a customer's risk. */
export interface Reason {
  /** The feature that the reason describes. */
  feature: string;
  /** Its value as the model takes it; null if missing, the index of its level for a category. */
  value: number | null;
  /** Its contribution to the margin, together with those of features with the same subject. */
  contribution: number;
  /** Whether it raises the risk or lowers it. */
  raises_risk: boolean;
  /** The customer's value and the usual one, in words. */
  text: string;
}

/** The reasons of the customers of a list. */
export interface ListReasons {
  /** The reason that comes first for at least 80 % of at least five customers; null if there is none. */
  shared: {
    feature: string;
    raises_risk: boolean;
    /** The number of listed customers who share it. */
    customers: number;
    /** Their values in words. */
    text: string;
  } | null;
  /** The reasons of each customer, strongest first, without the shared one. */
  rows: Reason[][];
}

/** A change of a customer's features that lowers the risk. */
export interface Change {
  /** The features that are changed, with their values before and after. */
  steps: { feature: string; from: number | null; to: number; text: string }[];
  /** The probability after the change. */
  churn_probability: number;
  /** The size of the change: the sum over the steps of the difference divided by the range of the training rows. */
  distance: number;
}

/** The options for finding changes. */
export interface ChangeConfig {
  /** The probability to fall below; null for the lower limit of the customer's own band. */
  below?: number | null;
  /** The features that may be changed; null for those that a business can influence. */
  features?: string[] | null;
}

// --------------------------------------------------------------------------------------------------------- judging

/** The observed outcomes: true or 1 for churned. */
export type Outcomes = readonly boolean[] | readonly number[] | Uint8Array;

/** Numbers, best in a Float64Array. */
export type Numbers = Float64Array | readonly number[];

/** The options for evaluation. */
export interface EvaluationConfig {
  /** A customer with this probability or more is predicted to churn; default 0.5. */
  threshold?: number;
  /** Equal-mass bins of the expected calibration error; default 10. */
  bins?: number;
}

/** One measure of two models and its difference. */
export interface Difference {
  /** The measure of the first model. */
  a: number;
  /** The measure of the second model. */
  b: number;
  /** b − a. */
  difference: number;
  /** The standard error of the difference. */
  standard_error: number;
  /** The lower limit of the interval of the difference. */
  low: number;
  /** The upper limit of the interval. */
  high: number;
}

/** The options of a report. */
export interface ReportOptions {
  /** The title of the page. */
  title?: string;
  /** The name of the data. */
  source?: string;
  /** The day as of which the customers are scored, default the last day of the log. */
  as_of?: Day;
  /** The word for one event, default `purchase` if every event has an amount of 0 or more, else `event`. */
  event?: string;
  /** Codes of findings that may not stop the work. */
  allow?: string[];
}

// ----------------------------------------------------------------------------------------------------------- money

/** Costs and success rate of contacting customers. */
export interface Campaign {
  /** The lifetime value of a customer who stays, 0 to 10^12; default 200. */
  clv?: number;
  /** The cost of the incentive for a customer who takes it, 0 to 10^12; default 10. */
  incentive_cost?: number;
  /** The cost of contacting a customer, 0 to 10^12; default 1. */
  contact_cost?: number;
  /** The share of the contacted churners who accept and stay, 0 to 1; default 0.3. */
  success_rate?: number;
}

/** The options for choosing the customers of a campaign. */
export interface ContactConfig extends Campaign {
  /** The maximum cost of the campaign, above 0; null for no limit. */
  budget?: number | null;
  /** The share of the chosen customers that is held out as a control group, 0 to below 1; default 0.1. */
  control_share?: number;
  /** The seed that, together with the customer's id, selects the control group; default 0. */
  seed?: number;
  /** The ranking, default `expected_profit`. */
  rank_by?: "expected_profit" | "probability";
}

/** The costs of the expected maximum profit measure, whose success rate has the distribution Beta(alpha, beta). */
export interface EmpcConfig {
  /** The parameter alpha, 0.5 to 1000; default 6. */
  alpha?: number;
  /** The parameter beta, 0.5 to 1000; default 14. */
  beta?: number;
  /** The lifetime value of a customer who stays; default 200. */
  clv?: number;
  /** The cost of the incentive; default 10. */
  incentive_cost?: number;
  /** The cost of contacting a customer; default 1. */
  contact_cost?: number;
}

/** What each combination of decision and outcome costs: a number for all customers, or one for each; from -10^12 to 10^12, below
 *  0 for a gain; default 0. All amounts are in the same currency. */
export interface CustomerCosts {
  /** The cost of a true positive: the customer is contacted and would have churned. */
  tp_cost?: number | Numbers;
  /** The cost of a false positive: the customer is contacted and would have stayed. */
  fp_cost?: number | Numbers;
  /** The cost of a true negative: the customer is not contacted and stays. */
  tn_cost?: number | Numbers;
  /** The cost of a false negative: the customer is not contacted and churns. */
  fn_cost?: number | Numbers;
}

/** The options of the savings. */
export interface SavingsConfig {
  /** One threshold for all customers, 0 to 1; default null, for the cost-optimal threshold of each customer. */
  threshold?: number | null;
}

/** What deciding by a model costs, as totals over the customers in the currency of the costs. */
export interface Savings {
  /** Customers judged. */
  customers: number;
  /** The number of them that are contacted, because their probability is above the threshold. */
  contacted: number;
  /** The cost of contacting these customers and no others. */
  cost: number;
  /** The cost of contacting nobody. */
  cost_none: number;
  /** The cost of contacting everybody. */
  cost_all: number;
  /** The share that the model saves, 1 - cost / min(cost_none, cost_all); null if this minimum is not above 0. */
  savings: number | null;
  /** The cost if each customer were contacted at random with the probability of churn. */
  expected_cost: number;
  /** The share 1 - expected_cost / min(cost_none, cost_all); null where `savings` is null. */
  expected_savings: number | null;
}

/** A point of a profit curve. */
export interface ProfitPoint {
  /** Share of the customers contacted, 0 to 1. */
  share: number;
  /** The lowest probability contacted; on an expected curve, the lowest expected profit; null if nobody is contacted. */
  threshold: number | null;
  /** Total profit, in the currency of the costs. */
  profit: number;
}

/** Profit by the share of customers contacted. */
export interface ProfitCurve {
  /** The points from nobody contacted to everybody contacted. */
  points: ProfitPoint[];
  /** The point with the highest profit. */
  best: ProfitPoint;
}

/** One customer of a contact list. */
export interface Contact {
  /** The customer's id. */
  customer_id: string;
  /** The probability of churn. */
  churn_probability: number;
  /** The value of the customer if they stay. */
  value: number;
  /** The expected profit of contacting the customer. */
  expected_profit: number;
  /** Whether the customer is contacted, or held out in the control group. */
  group: "contact" | "control";
}

/** The customers of a campaign. */
export interface ContactList {
  /** The customers by descending expected profit or probability. */
  entries: Contact[];
  /** The number of customers contacted. */
  contacts: number;
  /** The number of customers in the control group. */
  controls: number;
  /** The maximum cost of the contacts, never above the budget. */
  reserved_budget: number;
  /** The total expected profit of the contacts. */
  expected_profit: number;
}

/** One group of a campaign. */
export interface Group {
  /** Customers in the group. */
  customers: number;
  /** Customers in the group who stayed. */
  retained: number;
  /** retained / customers. */
  rate: number;
}

/** The effect of a campaign. */
export interface CampaignOutcome {
  /** The contacted customers. */
  contacted: Group;
  /** The customers held out. */
  control: Group;
  /** Rate of the contacted − rate of the control group. */
  difference: number;
  /** The lower limit of its interval. */
  low: number;
  /** The upper limit of its interval. Contacting has had an effect if 0 is outside the interval. */
  high: number;
  /** Customers who stayed because they were contacted; below 0 if contacting drove some away. */
  customers_kept: number;
  /** The lower limit of the interval of customers_kept. */
  customers_kept_low: number;
  /** The upper limit of the interval of customers_kept. */
  customers_kept_high: number;
}
