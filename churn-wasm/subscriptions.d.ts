// The types of churn-wasm/subscriptions: the full build, which here also takes subscriptions. What it adds is in this file.
/// <reference lib="esnext.disposable" />
import type {
  Coverage, Day, ExplainConfig, FeatureConfig, Finding, IngestReport, LabelConfig, Numbers, Outcomes, Prediction, ReadOptions, ReportOptions,
  Seen, SlippingConfig, SlippingList, Table, TableConfig, TrainConfig, Transaction,
} from "./data.js";
import {
  type BlobLike, Events, Explanation, FeatureTable as EventFeatureTable, Model as EventModel, type Observe, Predictions as EventPredictions,
} from "./types.js";

export * from "./types.js";
export { default } from "./types.js";

// ------------------------------------------------------------------------------------------------------------ data

/** The cause of the end of a subscription. */
export type EndReason = "voluntary" | "involuntary" | "trial_not_converted" | "other";

/** The status of a customer on a day, by what was known on it. */
export type SubscriptionStatus = "active" | "already_cancelled" | "not_active";

/** A system whose export of subscriptions is read by its documented columns. */
export type SubscriptionPreset = "stripe" | "stripe_invoices" | "recurly" | "recurly_history" | "chargebee" | "chartmogul";

/** The day on which the end of a period without a `known_at` is known: the end itself, or for fixed terms the start. */
export type EndsKnown = "at_end" | "at_start";

/** The options for reading subscriptions. */
export interface SubscriptionOptions
  extends Pick<ReadOptions, "date_format" | "delimiter" | "on_bad_row" | "max_bad_share" | "encoding" | "skip_lines" | "decimal" | "thousands" | "currency" | "null_values"> {
  /** The header names of the columns, if they differ from the names of the keys. A column that is named must exist. With an empty
   *  name a column that is not needed is left out. */
  columns?: {
    /** The customer's id. */
    customer_id?: string | null;
    /** The first day of the period. */
    start_date?: string | null;
    /** The first day after the period, empty while it runs. */
    end_date?: string | null;
    /** The subscription; its periods must not overlap. */
    subscription_id?: string | null;
    /** The plan. */
    plan?: string | null;
    /** The amount per month, 0 to 10^12. */
    amount?: string | null;
    /** The day on which the end became known, such as the day of the cancellation. */
    known_at?: string | null;
    /** The reason of the end: an `EndReason`, or a text that `reasons` maps to one. */
    end_reason?: string | null;
    /** True or 1 for a trial. */
    trial?: string | null;
  };
  /** The system whose export the file is; its documented columns are used instead of `columns`. */
  preset?: SubscriptionPreset | null;
  /** The day on which the end of a period without a `known_at` is known, default `at_end`. */
  ends_known?: EndsKnown;
  /** True if `end_date` is the last day of a period and not the first day after it. */
  inclusive_ends?: boolean;
  /** The last day that the data covers; periods that start later are left out and counted. By default the latest day on which
   *  anything became known. */
  last_day?: Day | null;
  /** The causes of the texts of `end_reason`. */
  reasons?: Record<string, EndReason>;
}

/** One period of a subscription. It covers the days from `start_date` to the day before `end_date`. */
export interface Period {
  /** The first day. */
  start_date: Day;
  /** The first day after it; null while it runs. */
  end_date?: Day | null;
  /** The subscription. Periods of one subscription must not overlap. */
  subscription_id?: string | null;
  /** The plan. */
  plan?: string | null;
  /** The amount per month, 0 to 10^12. */
  amount?: number | null;
  /** The day on which the end became known. Only with `end_date`. */
  known_at?: Day | null;
  /** Why it ended. Only with `end_date`. */
  end_reason?: EndReason | null;
  /** True for a trial, default false. */
  trial?: boolean;
}

/** One customer of a subscription. */
export interface Subscriber {
  /** The customer's id; an integer is converted to its digits. */
  customer_id: string | number;
  /** All periods of the customer, in any order. */
  periods: Period[];
  /** The usage events, if the model was trained with some: an empty list for a customer without one. */
  usage?: Transaction[] | null;
  /** Values of joined columns, for a model with joined columns; omitted columns are missing values. */
  attributes?: Record<string, string | number | boolean | null>;
}

/** The risk of one customer of a subscription. */
export interface SubscriberPrediction extends Prediction {
  /** The status on the day. A customer who has already cancelled is scored too, but is not covered. */
  status: Exclude<SubscriptionStatus, "not_active">;
  /** The probability to leave for each cause that the model knows. They add up to the probability of churn. */
  causes: Partial<Record<EndReason, number>>;
}

/** A customer who has already cancelled, but whose subscription still runs. */
export interface CancelledCustomer {
  /** The customer's id. */
  customer_id: string;
  /** The first day without a period. */
  end_date: Day;
  /** The amount per month; null if no running period has one. */
  amount: number | null;
}

/** The customers of subscriptions on a day, by what was known on it. */
export interface CustomerBase {
  /** The day. */
  as_of: Day;
  /** Active customers. */
  active: number;
  /** Customers who have cancelled, but are still there. */
  already_cancelled: number;
  /** The other customers whose first period had started. */
  not_active: number;
  /** The amount per month of the active customers. */
  active_amount: number;
  /** The amount per month of those who have already cancelled. */
  already_cancelled_amount: number;
  /** Those who have already cancelled, in byte order of their ids. */
  cancelled: CancelledCustomer[];
}

/** The numbers of customers that a definition of churn covers and does not cover. A number that is missing is 0. */
export interface SubscriptionCoverage extends Coverage {
  /** Customers without a paid period on the day. */
  not_active?: number;
  /** Customers who have cancelled, but are still there. */
  already_cancelled?: number;
  /** Active customers whose next renewal is not due yet (`before_renewal_days`). */
  not_due?: number;
}

/** The movements of a month, either as numbers of customers or as amounts per month. */
export interface MovementValues {
  /** At the end of the month before. */
  start: number;
  /** Customers who had never been there before. */
  new: number;
  /** Customers there at both ends who pay more; the amount is the difference. */
  expansion: number;
  /** Customers who are back after more than the allowed gap. */
  reactivation: number;
  /** Customers there at both ends who pay less; the amount is the difference. */
  contraction: number;
  /** Customers who are not there any more. */
  churn: number;
  /** At the end of the month. */
  end: number;
}

/** The movements of a month. */
export interface Movement {
  /** The first day of the month. */
  month: Day;
  /** Numbers of customers. */
  customers: MovementValues;
  /** Amounts per month. */
  amounts: MovementValues;
  /** (start − contraction − churn) / start of the amounts; null if nothing was there. */
  gross_retention: number | null;
  /** (start + expansion − contraction − churn) / start of the amounts; null if nothing was there. */
  net_retention: number | null;
  /** Churned customers / customers at the start; null if nobody was there. */
  customer_churn_rate: number | null;
  /** Churned amount / amount at the start; null if nothing was there. */
  revenue_churn_rate: number | null;
  /** Whether those who are missing may still come back within the allowed gap. */
  provisional: boolean;
}

/** A step of a survival curve. */
export interface SurvivalPoint {
  /** The duration. */
  time: number;
  /** The number of those who had lasted at least so long. */
  at_risk: number;
  /** The number of those who ended at this duration. */
  ended: number;
  /** The share that lasts longer. */
  survival: number;
  /** The lower limit of its 95 % interval; null where the share is 0. */
  low: number | null;
  /** The upper limit of its 95 % interval; null where the share is 0. */
  high: number | null;
}

/** A retention curve. */
export interface Retention {
  /** The cohort or plan; null for the curve of all. */
  group: string | null;
  /** The number of spells. */
  spells: number;
  /** The longest duration with which a spell was seen, in days. Beyond it the curve says nothing, unless it has fallen to 0. */
  longest: number;
  /** A point for each number of days after which a spell ended. */
  curve: SurvivalPoint[];
}

/** The longest hole between two periods that is no churn. */
export interface AllowedGap {
  /** Days, 0 to 3650, default 30. */
  allowed_gap_days?: number;
}

/** The definition of churn for subscriptions. */
export interface SubscriptionLabelConfig extends Pick<LabelConfig, "horizon_days" | "gap_days">, AllowedGap {
  /** The rule, the only one for subscriptions. */
  labels?: "subscription_end";
}

/** The options for training on subscriptions. */
export interface SubscriptionTrainConfig extends Omit<TrainConfig, keyof LabelConfig>, SubscriptionLabelConfig {
  /** For fixed terms: looks at each customer so many days before each renewal, 1 to 3650. */
  before_renewal_days?: number | null;
  /** Events such as logins, whose features are added. */
  usage?: Events | null;
}

/** The options for scoring subscriptions. `include_inactive` scores those too who have already cancelled. */
export interface SeenSubscriptions extends Seen {
  /** The usage events, for a model that was trained with some. */
  usage?: Events | null;
}

// ------------------------------------------------------------------------------------------------- classes and calls

/** Subscription periods in memory. Free a large object after use; otherwise the engine frees it at some later time. */
export class Subscriptions {
  private constructor();
  /** The number of periods. */
  readonly length: number;
  /** The number of customers. */
  readonly customers: number;
  /** The customers in byte order; a fresh array at each access. */
  readonly customer_ids: string[];
  /** The first day of the first period. */
  readonly first_day: Day;
  /** The last day that the data covers. */
  readonly last_day: Day;
  /** The rows that were read, and those that were left out. */
  readonly report: IngestReport;
  /** The status of each customer whose first period had started, by what was known on the day; default the last day. */
  status(as_of?: Day): Record<string, SubscriptionStatus>;
  /** The customers by status with the amounts they pay, and those who have already cancelled; default on the last day. */
  customerBase(as_of?: Day): CustomerBase;
  /** Those who have already cancelled, as CSV for mail tools: `customer_id,end_date,amount`. */
  cancelledCsv(as_of?: Day): string;
  /** Those whose payment may fail (`Predictions.dunning`), as CSV for mail tools. */
  dunningCsv(predictions: EventPredictions): string;
  /** The periods as the file says them: with ends that were not known on earlier days. */
  toRows(): (Required<Period> & { customer_id: string })[];
  /** Its numbers and days, without the periods. */
  toJSON(): { length: number; customers: number; first_day: Day; last_day: Day };
  /** Frees its memory; every later use is refused. */
  free(): void;
  /** The same at the end of a block, for `using`. */
  [Symbol.dispose](): void;
}

/** Customers × features, with the levels of the categories. */
export type FeatureTable = EventFeatureTable & {
  /** The levels of each category in the order of their numbers, by the name of the column. */
  readonly levels: Record<string, string[]>;
};

/** The risk of many customers, and for subscriptions its causes. */
export type Predictions = EventPredictions & {
  /** For each cause that the model knows, the probability of each customer to leave for it. Those of a customer add up to the
   *  probability of churn. Empty for a model without causes. */
  readonly causes: Partial<Record<EndReason, Float64Array>>;
  /** The numbers of customers that the definition of churn covers and does not cover. */
  readonly coverage: SubscriptionCoverage | null;
  /** The customers who are more likely to leave because a payment fails than because they cancel, by falling probability that a
   *  payment fails; undefined if the model does not tell these causes apart. */
  dunning(): string[] | undefined;
};

/** The methods of a model that take subscriptions. */
export interface SubscriptionModel {
  /** The features of a log or of subscriptions as this model takes them. */
  features(events: Events | Subscriptions, options?: SeenSubscriptions): FeatureTable;
  /** The risk of each customer that the definition of churn covers at `as_of`: of subscriptions, of the active customers. */
  predict(events: Events | Subscriptions, options?: SeenSubscriptions): Predictions;
  /** The risk of every row of a feature table. */
  predictFeatures(table: EventFeatureTable): Predictions;
  /** The risk of one customer of a subscription, the same bits as in a batch. `as_of` is today (UTC) by default. */
  predictSubscriber(subscriber: Subscriber, options?: { as_of?: Day }): SubscriberPrediction;
  /** The amount that each scored customer is expected to pay in the next months, default 36; NaN for a customer without an amount,
   *  and for a model of the days before renewals. */
  subscriptionValues(predictions: EventPredictions, subscriptions: Subscriptions, options?: { months?: number }): Float64Array;
  /** The customers whose risk rose most since an earlier day. */
  slippingAway(events: Events | Subscriptions, options?: SeenSubscriptions & SlippingConfig): SlippingList;
  /** The explanation of the risk of every customer. */
  explain(events: Events | Subscriptions, options?: SeenSubscriptions & ExplainConfig): Explanation;
}

/** A trained model, of events, of a table or of subscriptions. */
export type Model = SubscriptionModel & EventModel;

/** The class of models. */
export const Model: {
  /** Reads a model document of any origin, as text. */
  fromJson(text: string): Model;
} & typeof EventModel;

/** Reads subscription periods from CSV: from text, from bytes or, in a Web Worker, from a `File`. */
export function readSubscriptions(source: string | ArrayBufferView | ArrayBuffer | BlobLike, options?: SubscriptionOptions, observe?: Observe): Subscriptions;

/** Makes subscriptions of periods in memory. The first bad period makes the call fail. */
export function subscriptionsFromRows(
  rows: ({ customer_id: string | number } & Period)[],
  options?: Pick<SubscriptionOptions, "ends_known" | "last_day">,
): Subscriptions;

/** Takes each payment of a log for a fixed term of so many days, 1 to 3650. */
export function subscriptionsFromPayments(payments: Events, term_days: number): Subscriptions;

/** The preset that reads a CSV file, by its header; undefined if it is no known export or has the columns of this library. */
export function subscriptionPreset(source: string | ArrayBufferView | ArrayBuffer | BlobLike, options?: SubscriptionOptions): SubscriptionPreset | undefined;

/** Trains a model on a log. */
export function train(events: Events, options?: TrainConfig, observe?: Observe): Model;
/** Trains a model on subscriptions: labels, features and learner as configured, evaluated out of time, calibrated, audited. */
export function train(subscriptions: Subscriptions, options?: SubscriptionTrainConfig, observe?: Observe): Model;

/** Trains a model on a table with one row a customer. */
export function trainTable(rows: Table, options?: TableConfig, observe?: Observe): Model;

/** The features of every customer seen by `as_of`, default the last day of the log. */
export function features(events: Events, options?: FeatureConfig & { as_of?: Day }): FeatureTable;
/** The features of every customer with a running subscription at `as_of`, default the last day of the data. */
export function features(subscriptions: Subscriptions, options?: AllowedGap & { as_of?: Day }): FeatureTable;

/** The labels at a cutoff: two columns of the same length, 1 for churned. */
export function labels(events: Events, options: LabelConfig & { cutoff: Day }): { customer_id: string[]; churned: Uint8Array };
/** The labels of the active customers at a cutoff, with the cause for each who churned. */
export function labels(
  subscriptions: Subscriptions,
  options: SubscriptionLabelConfig & { cutoff: Day },
): { customer_id: string[]; churned: Uint8Array; cause: (EndReason | null)[] };

/** The findings of a log for a definition of churn, worst first. */
export function check(events: Events, options?: LabelConfig): Finding[];
/** The findings of subscriptions, worst first. */
export function check(subscriptions: Subscriptions): Finding[];

/** One self-contained HTML page on a model and the customers of a log or of subscriptions. */
export function report(model: EventModel, events: Events | Subscriptions, options?: ReportOptions & { usage?: Events | null }): string;

/** The movements of each month: who and how much was there, came, grew, shrank and left. */
export function movements(subscriptions: Subscriptions, options?: AllowedGap): Movement[];

/** Kaplan-Meier curves of the days that subscriptions last: one of all, one for each month in which they began (`cohort`), or one
 *  for each plan. */
export function retention(subscriptions: Subscriptions, options?: AllowedGap & { by?: "all" | "cohort" | "plan" }): Retention[];

/** The Kaplan-Meier estimate of durations. `ended` is false or 0 for a duration that was not seen to its end. */
export function kaplanMeier(durations: Numbers, ended: Outcomes): SurvivalPoint[];
