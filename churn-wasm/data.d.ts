// The plain data of churn-wasm: settings and results. Keys are snake_case, as in every language.

/** A calendar day, `YYYY-MM-DD`, UTC. */
export type Day = string;

// ---------------------------------------------------------------------------------------------------------- events

/** How a log is read. */
export interface ReadOptions {
  /** The header names of the columns, where they differ from ours. A column that is named must be there. */
  columns?: {
    /** The customer's id: an opaque text, kept byte for byte. */
    customer_id?: string;
    /** The date, taken to its UTC calendar day. */
    event_date?: string;
    /** The amount: a decimal within ±10^12, negative for a refund, empty where there is none. */
    amount?: string;
    /** The kind of event, empty where unknown. */
    event_type?: string;
    /** Rows of a customer that share their order, day and event type are one event, whose amount is their sum. */
    order_id?: string;
    /** 0 or 1, the same in all rows of a customer. */
    churn_label?: string;
  };
  /** A strptime format such as `%d/%m/%Y`, instead of ISO and RFC 3339 dates. */
  date_format?: string | null;
  /** The one ASCII character between fields, default a comma. */
  delimiter?: string;
  /** Default `fail`: a bad row fails the whole. With `skip` bad rows are left out and reported. */
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
}

/** One event, in rows of the source of a log. */
export type EventUnit = "row" | "order" | "day";

/** One row that was not used. */
export interface BadRow {
  /** The line it starts on; the header is line 1. */
  line: number;
  /** The kind of fault. */
  reason: string;
  /** The same in words, with what was found and what would be right. */
  message: string;
}

/** The rows that were read, and those that were refused: `rows = good + bad + outside`. */
export interface IngestReport {
  /** Data rows seen. */
  rows: number;
  /** Rows used. */
  good: number;
  /** Rows left out. */
  bad: number;
  /** The bad rows by line, the first 1,000 of them. */
  bad_rows: BadRow[];
  /** Good rows that share their customer, day and event type with another one. */
  rows_sharing_day: number | null;
  /** Good rows that equal another one in every column that is read. */
  duplicate_rows: number | null;
  /** Good rows that became part of the event of another one. */
  merged_rows: number | null;
  /** Rows left out because their day lies before `first_day` or after `last_day`. */
  outside: number;
  /** The line of a row of the first day that is used; null where rows are not kept. */
  first_day_line: number | null;
  /** The line of a row of the last day that is used; null where rows are not kept. */
  last_day_line: number | null;
}

/** One event of a customer. */
export interface Transaction {
  /** `YYYY-MM-DD`, RFC 3339, `YYYY-MM-DD HH:MM[:SS]` or a Date; taken to its UTC day. */
  event_date: string | Date;
  /** The amount, within ±10^12; null for an event that has none. */
  amount?: number | null;
  /** The kind of event, null where unknown; a whole number stands for its digits. */
  event_type?: string | number | null;
  /** Those of one order, day and event type are one event. */
  order_id?: string | number | null;
  /** Further keys are ignored, as further columns of a file are. */
  [other: string]: unknown;
}

/** A customer on their own. */
export interface Customer {
  /** The customer's id; a whole number stands for its digits. */
  customer_id: string | number;
  /** Every event known of them, in any order. */
  transactions: Transaction[];
  /** Values of joined columns, for a model that has some; those left out are missing. */
  attributes?: Record<string, string | number | boolean | null>;
}

// -------------------------------------------------------------------------------------------------------- features

/** The eight features of recency, frequency and money, or these and some forty more. */
export type FeatureSet = "rfm" | "behavioral";

/** The windows of the rfm features, in days. */
export interface Windows {
  /** Of engagement and trend: 2 to 3650, default 30. */
  recent_days?: number;
  /** Of frequency and monetary: 1 to 3650, default 90. */
  activity_days?: number;
  /** Where recency reaches 0 and tenure counts in full: 1 to 36500, default 365. */
  full_days?: number;
}

/** The 95th percentiles that frequency and monetary are measured by. */
export interface Scales {
  /** Of the events in the activity window. */
  frequency: number;
  /** Of the sum of amounts in the activity window. */
  monetary: number;
}

/** Which features are computed. */
export interface FeatureConfig {
  /** Default `rfm`. */
  feature_set?: FeatureSet;
  /** The windows of the rfm features. */
  windows?: Windows;
  /** Fitted before; left out to fit them now. */
  scales?: Scales | null;
  /** `behavioral`: the event types that get a column each; left out for the most frequent. */
  event_type_columns?: string[] | null;
  /** `behavioral`: how many event types get a column when they are chosen here, 0 to 1000. */
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
  /** Only customers with an event in so many days before the cutoff, default 365; null for all. */
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

/** How a model learns. */
export interface LearnConfig {
  /** The learner, default `random_forest` for a log and `gradient_boosting` for a table. */
  model?: ModelKind;
  /** The seed of everything random, 0 to 2^53 − 1, default 0. */
  seed?: number;
  /** How scores become probabilities, default `auto`. */
  calibration?: "auto" | "none" | "platt" | "isotonic";
  /** Whether the classes are made equally heavy, default `none`. */
  class_weight?: "none" | "balanced";
  /** Where the risk bands begin. */
  thresholds?: Partial<Thresholds>;
  /** Logistic regression: the L2 penalty on standardised coefficients, above 0. */
  l2?: number;
  /** Random forest: the number of trees, 1 to 10000. */
  trees?: number;
  /** Boosting: exactly so many rounds, 1 to 10000; null to stop early where more do not help unseen rows. */
  rounds?: number | null;
  /** Boosting: the shrinkage of a round, above 0 and at most 1. */
  learning_rate?: number;
  /** Trees: the depth, 1 to 32; null for what helps unseen rows most. */
  max_depth?: number | null;
  /** Trees: the least weight of the rows on either side of a split. */
  min_child_weight?: number | null;
  /** Boosting: added to the curvature of every leaf, 0 or more. */
  leaf_l2?: number | null;
  /** Random forest: features drawn at a split; null for the square root of their number. */
  features_per_split?: number | null;
  /** Training rows that the document keeps, without ids, to explain predictions against, 0 to 10000. */
  background_rows?: number;
  /** `auto`: the seconds that training may take; null for the whole search. */
  time_budget?: number | null;
}

/** How a model is trained on a log. */
export interface TrainConfig extends LabelConfig, FeatureConfig, LearnConfig {
  /** The features, default `behavioral`. */
  feature_set?: FeatureSet;
  /** How many cutoffs to stack, 1 to 1000; null for as many as the log has room for, up to twelve (four where twelve would make
   * more than a million rows). */
  snapshots?: number | null;
  /** The cutoffs themselves. */
  cutoffs?: Day[] | null;
  /** Whether to prove that no future reaches the features, default true. */
  audit?: boolean;
  /** Codes of findings that may not stop training. */
  allow?: string[];
}

/** How a model is trained on a table with one row a customer. */
export interface TableConfig extends LearnConfig {
  /** The label column, default `churned`: 0/1, true/false or yes/no. */
  label?: string;
  /** The column of customer ids; null if each row is another customer. */
  customer_id?: string | null;
  /** A column of row weights above 0. */
  weight?: string | null;
  /** Columns that are not learned from. */
  leave_out?: string[];
}

/** A table with one row a customer: rows, or columns of one kind each. A missing number is null, or NaN in a typed array. */
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
  /** Where it does not: a sentence that says why the probability is a guess. */
  note?: string;
}

/** The number of customers of a day that a definition of churn covers, and of those it leaves out. */
export interface Coverage {
  /** Customers that the definition would label at that day. */
  covered: number;
  /** Customers whose last event lies too long before the day (`active_within_days`). */
  inactive: number;
}

/** A value of evidence or of a setting. */
export type Evidence = string | number | boolean | null | Evidence[];

/** The result of a check of the data or of a model. */
export interface Finding {
  /** One of `findingCodes()`. */
  code: string;
  /** An `error` stops training and scoring unless its code is allowed. */
  severity: "note" | "warning" | "error";
  /** What was found and what would mend it, with the numbers. */
  message: string;
  /** The numbers by name. */
  evidence: Record<string, Evidence>;
  /** The settings that would mend it by name. */
  suggestion: Record<string, Evidence>;
}

/** A code that a finding can have. */
export interface FindingInfo {
  /** The stable code. */
  code: string;
  /** The weight of findings with this code. */
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
  /** The shortest of the usual spans within which 95 % of the pauses end. */
  active_within_days: number;
  /** The share of pauses that each usual horizon covers. */
  shares: HorizonShare[];
  /** Customers with a pause at all. */
  customers: number;
}

/** Two models on the labelled customers of a log. */
export interface Judgement {
  /** Log-loss and AUC with intervals. */
  comparison: {
    /** Customers judged. */
    n: number;
    /** The log-loss; below 0 is better for the second model. */
    log_loss: Difference;
    /** The AUC; above 0 is better for the second model. */
    roc_auc: Difference;
  };
  /** The day that the customers were looked at. */
  cutoff: Day;
  /** Whether a model has learned from the outcomes that it is judged by. */
  in_sample: boolean;
  /** Messages for a reader of the result. */
  warnings: string[];
}

/** How to look for customers who are slipping away. */
export interface SlippingConfig {
  /** Days between the two looks, 1 to 3650; null for a third of the horizon. */
  days?: number | null;
  /** The most customers to list, default 20. */
  customers?: number;
  /** The most changes in words of each, default 2. */
  changes?: number;
  /** What one event is called in words, default `event`. */
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
  /** The day that the customers are looked at. */
  as_of: Day;
  /** The earlier day. */
  before: Day;
  /** Those whose risk rose, the largest rise first. */
  customers: Slipping[];
}

/** The risk of one customer with its reasons. */
export interface ExplainedPrediction extends Prediction {
  /** The strongest reasons, strongest first. */
  reasons: Reason[];
  /** The margin where nothing is known of the customer. */
  base: number;
  /** base + the sum of the contributions. */
  margin: number;
  /** What each feature adds to the margin. */
  contributions: number[];
}

/** Measures of predictions against what happened. */
export interface Metrics {
  /** Customers judged. */
  n: number;
  /** Share that churned. */
  base_rate: number;
  /** Share predicted rightly at the threshold. */
  accuracy: number;
  /** Of those predicted to churn, the share that did; 0 if none was. */
  precision: number;
  /** Of those that churned, the share predicted. */
  recall: number;
  /** Of those that stayed, the share predicted to stay. */
  specificity: number;
  /** Harmonic mean of precision and recall; 0 if both are. */
  f1: number;
  /** Probability that one who churned is ranked above one who stayed; ties count half. */
  roc_auc: number;
  /** Average precision over falling thresholds. */
  pr_auc: number;
  /** Mean of −ln of the probability given to what happened. */
  log_loss: number;
  /** Mean squared difference of probability and outcome. */
  brier: number;
  /** Expected calibration error over equal-mass bins. */
  ece: number;
  /** Churn rate of the tenth with the highest probabilities over the base rate. */
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
  /** Share of customers contacted, riskiest first, and share of the churners among them, in steps of 5 %. */
  gain: Point[];
  /** The bins of the expected calibration error: customers, mean probability and observed rate. */
  reliability: { customers: number; predicted: number; observed: number }[];
}

/** One risk band with what was observed in it. */
export interface SegmentRow {
  /** The band. */
  segment: RiskSegment;
  /** The probability at which it begins. */
  from: number;
  /** The probability at which the next one begins. */
  to: number;
  /** Customers in it. */
  customers: number;
  /** Of them, how many churned. */
  churned: number;
  /** churned / customers; null without a customer. */
  observed_rate: number | null;
  /** Mean of the predicted probabilities; null without a customer. */
  mean_probability: number | null;
}

/** A recipe that `auto` tried. */
export interface Candidate {
  /** The learner. */
  model: ModelKind;
  /** The features, where they come from events. */
  feature_set?: FeatureSet;
  /** The settings that differ from those asked for. */
  settings?: Record<string, number>;
  /** Its calibrated log-loss on rows that its fits had not seen; null if it was not judged. */
  log_loss: number | null;
  /** The standard error of the difference to the chosen one. */
  standard_error?: number;
  /** How long the trial took, with a time budget. */
  seconds?: number;
  /** Why it was not judged. */
  failure?: string;
}

/** How a model did on rows that it had not seen. */
export interface Evaluation {
  /** Out of time, or on held-out customers. */
  protocol: "out_of_time" | "holdout";
  /** Out of time: the cutoff that was judged. */
  test_cutoff: Day | null;
  /** Rows learned from. */
  train_rows: number;
  /** Rows judged. */
  test_rows: number;
  /** The measures. */
  metrics: Metrics;
  /** The same for logistic regression with its default settings on the same rows. */
  logistic_regression: Metrics;
  /** The AUC of recency alone: the baseline to beat. */
  recency_auc: number | null;
  /** The curves. */
  curves: Curves;
  /** The risk bands with what was observed in them. */
  segments: SegmentRow[];
  /** The features, most important first, with the mean increase of the log-loss without them. */
  importance: { feature: string; log_loss_increase: number }[];
  /** With `auto`: how its trials were judged. */
  search_protocol: "out_of_time" | "customers" | null;
  /** With `auto`: the recipes that were tried, the chosen one first. */
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

/** The stamp of the audit that no future reached the features. */
export interface Audit {
  /** The days that were audited. */
  cutoffs: Day[];
  /** Events after a cutoff that were deleted for it, summed over the cutoffs. */
  events_deleted: number;
  /** Feature values that were computed with and without them and had the same bits. */
  values_compared: number;
  /** The inputs that the audit covers: `events`, and `attributes` where the rows of a joined table have days. */
  inputs: string[];
}

/** When to look, whom to score, and columns to join to the features of a log, found by the ids in `attributes_id`. */
export interface Seen {
  /** Default the last day of the log. */
  as_of?: Day;
  /** The columns to join, one row a customer. */
  attributes?: Table;
  /** The column of customer ids in `attributes`, default `customer_id`. */
  attributes_id?: string;
  /** Also scores the customers that the definition of churn does not cover, default false. */
  include_inactive?: boolean;
  /** Codes of findings that may not stop the work. */
  allow?: string[];
}

// ----------------------------------------------------------------------------------------------------- explanations

/** How predictions are explained. */
export interface ExplainConfig {
  /** The reference of the Shapley values of trees. */
  feature_perturbation?: "tree_path_dependent" | "interventional";
  /** Reasons a customer, 0 to 100, default 3. */
  reasons?: number;
  /** The word for one event, default `event`. */
  event?: string;
}

/** A reason for a customer's risk. */
export interface Reason {
  /** The feature that is spoken of. */
  feature: string;
  /** Its value as the model takes it; null where missing, the index of its level for a category. */
  value: number | null;
  /** What it adds to the margin, together with the features that speak of the same. */
  contribution: number;
  /** Whether it raises the risk or lowers it. */
  raises_risk: boolean;
  /** The customer's value and the usual one, in words. */
  text: string;
}

/** The reasons of the customers of a list. */
export interface ListReasons {
  /** The reason that comes first for at least 80 % of at least five customers; null where there is none. */
  shared: {
    feature: string;
    raises_risk: boolean;
    /** How many of the listed customers share it. */
    customers: number;
    /** Their values in words. */
    text: string;
  } | null;
  /** The reasons of each customer, the strongest first, without the shared one. */
  rows: Reason[][];
}

/** A change of a customer's features that lowers the risk. */
export interface Change {
  /** The features that are changed, with their values before and after. */
  steps: { feature: string; from: number | null; to: number; text: string }[];
  /** The probability after it. */
  churn_probability: number;
  /** How far it is: the sum over the steps of the way divided by the whole range of the training rows. */
  distance: number;
}

/** Which changes are looked for. */
export interface ChangeConfig {
  /** The probability to get below; null for where the customer's own band begins. */
  below?: number | null;
  /** The features that may be changed; null for those that a business can influence. */
  features?: string[] | null;
}

// --------------------------------------------------------------------------------------------------------- judging

/** true or 1 for churned. */
export type Outcomes = readonly boolean[] | readonly number[] | Uint8Array;

/** Numbers, best in a Float64Array. */
export type Numbers = Float64Array | readonly number[];

/** How predictions are judged. */
export interface EvaluationConfig {
  /** A customer with this probability or more is predicted to churn; default 0.5. */
  threshold?: number;
  /** Equal-mass bins of the expected calibration error; default 10. */
  bins?: number;
}

/** One measure of two models. */
export interface Difference {
  /** That of the first model. */
  a: number;
  /** That of the second model. */
  b: number;
  /** b − a. */
  difference: number;
  /** The standard error of the difference. */
  standard_error: number;
  /** Where the interval of the difference begins. */
  low: number;
  /** Where it ends. */
  high: number;
}

/** The words of a report. */
export interface ReportOptions {
  /** The title of the page. */
  title?: string;
  /** The name of the data. */
  source?: string;
  /** The day that the customers are looked at, default the last one of the log. */
  as_of?: Day;
  /** The word for one event, default `event`. */
  event?: string;
  /** Codes of findings that may not stop the work. */
  allow?: string[];
}

// ----------------------------------------------------------------------------------------------------------- money

/** Costs and success of contacting customers. */
export interface Campaign {
  /** The lifetime value of a customer who stays, 0 to 10^12; default 200. */
  clv?: number;
  /** The cost of the incentive to whoever takes it, 0 to 10^12; default 10. */
  incentive_cost?: number;
  /** The cost of contacting a customer, 0 to 10^12; default 1. */
  contact_cost?: number;
  /** The share of the contacted churners who accept and stay, 0 to 1; default 0.3. */
  success_rate?: number;
}

/** How customers are chosen for a campaign. */
export interface ContactConfig extends Campaign {
  /** The most that the campaign may cost, above 0; null for no limit. */
  budget?: number | null;
  /** The share of the chosen customers that is not contacted, to compare with, 0 to below 1; default 0.1. */
  control_share?: number;
  /** Decides with the customer's id who is in the control group; default 0. */
  seed?: number;
  /** Default `expected_profit`. */
  rank_by?: "expected_profit" | "probability";
}

/** The costs of the expected maximum profit measure, whose success rate has the distribution Beta(alpha, beta). */
export interface EmpcConfig {
  /** 0.5 to 1000; default 6. */
  alpha?: number;
  /** 0.5 to 1000; default 14. */
  beta?: number;
  /** The lifetime value of a customer who stays; default 200. */
  clv?: number;
  /** The cost of the incentive; default 10. */
  incentive_cost?: number;
  /** The cost of contacting a customer; default 1. */
  contact_cost?: number;
}

/** A point of a profit curve. */
export interface ProfitPoint {
  /** Share of the customers contacted, 0 to 1. */
  share: number;
  /** The lowest probability contacted, on an expected curve the lowest expected profit; null where nobody is. */
  threshold: number | null;
  /** Total profit, in the currency of the costs. */
  profit: number;
}

/** Profit by the share of customers contacted. */
export interface ProfitCurve {
  /** From nobody to everybody. */
  points: ProfitPoint[];
  /** The highest of them. */
  best: ProfitPoint;
}

/** One customer of a contact list. */
export interface Contact {
  /** The customer's id. */
  customer_id: string;
  /** The probability of churn. */
  churn_probability: number;
  /** What the customer is worth by staying. */
  value: number;
  /** What contacting is expected to earn. */
  expected_profit: number;
  /** Whether the customer is contacted, or held out to compare with. */
  group: "contact" | "control";
}

/** The customers of a campaign. */
export interface ContactList {
  /** By falling expected profit or probability. */
  entries: Contact[];
  /** How many of them are contacted. */
  contacts: number;
  /** How many are in the control group. */
  controls: number;
  /** The most that the contacts can cost, never above the budget. */
  reserved_budget: number;
  /** What the contacts are expected to earn together. */
  expected_profit: number;
}

/** One group of a campaign. */
export interface Group {
  /** Customers in it. */
  customers: number;
  /** Of them, how many stayed. */
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
  /** Where its interval begins. */
  low: number;
  /** Where its interval ends. Contacting has had an effect if 0 is outside. */
  high: number;
  /** Customers who stayed because they were contacted; below 0 if contacting drove some away. */
  customers_kept: number;
  /** Where the interval of customers_kept begins. */
  customers_kept_low: number;
  /** Where it ends. */
  customers_kept_high: number;
}
