//! Churn prediction from raw events: calibrated risk of each customer, explanations, and retention campaigns, without leakage.
//!
//! # The pipeline
//!
//! A log of events is split at the end of a day, the cutoff. Features are computed from the events before it, labels from the
//! events after it. The types make mixing them a compile error: [`features`](features()) takes a [`History`],
//! [`labels`](labels()) takes a [`History`] and an [`Outcome`], and only [`Events::split_at`] creates them.
//!
//! ```
//! use churn::{Events, FeatureConfig, LabelConfig, Model, ReadOptions, TrainConfig, features, labels, train};
//!
//! # let csv: String = std::iter::once("customer_id,event_date,amount\n".to_owned()).chain((0..2000).map(|i| {
//! #     let (c, k) = (i % 200, i / 200);
//! #     let day = churn::Day::new(19_700 + (c * 7 + k * (2 + c % 40)) % 360).unwrap();
//! #     format!("c{c:03},{day},{}.50\n", 5 + c % 30)
//! # })).collect();
//! # let reader = csv.as_bytes();
//! // Read: customer_id,event_date,amount,event_type,order_id in any order; bad rows are refused with their lines.
//! let events = Events::from_csv(reader, &ReadOptions::default())?;
//!
//! // What training does inside, step by step: one snapshot at a cutoff.
//! let cutoff = events.last_day().plus(-90);
//! let (history, outcome) = events.split_at(cutoff);
//! let table = features(&history, &FeatureConfig::default())?;
//! let churned = labels(&history, &outcome, &LabelConfig::default())?;
//! assert_eq!(table.names().count(), 8);
//! assert!(churned.churned() < churned.len());
//!
//! // Train on several snapshots, judged out of time, calibrated, audited.
//! let model = train(&events, &TrainConfig::default())?;
//! let evaluation = model.evaluation().expect("nobody turned it off");
//! println!("AUC {:.3}, recency alone {:.3}", evaluation.metrics.roc_auc, evaluation.recency_auc.unwrap());
//!
//! // Score today's customers, and keep the model as one JSON document.
//! let predictions = model.predict(&events, None)?;
//! let riskiest = predictions.iter().max_by(|a, b| a.churn_probability.total_cmp(&b.churn_probability)).unwrap();
//! println!("{} {:?}", riskiest.customer_id, riskiest.risk_segment);
//! let same = Model::from_json(&model.to_json())?;
//! assert_eq!(same.predict(&events, None)?, predictions);
//!
//! // Why: what each feature adds, and the strongest reasons in words.
//! let explanation = model.explain(&model.features(&events, None)?)?;
//! println!("{}", explanation.reasons(0)[0].text);
//!
//! // What to do about it: whom to contact for 500, and whom to leave alone to see what it changed.
//! use churn::profit::{ContactConfig, contact_list};
//! let config = ContactConfig { budget: Some(500.0), ..ContactConfig::default() };
//! let list = contact_list(predictions.customer_ids(), predictions.churn_probabilities(), None, &config)?;
//! println!("{} to contact, {} held out, expected profit {:.0}", list.contacts, list.controls, list.expected_profit);
//! # Ok::<(), churn::Error>(())
//! ```
//!
//! # Chapters
//!
//! | chapter | content |
//! |---|---|
//! | [`Events`], [`CsvReading`], [`check_csv`] | reading CSV, Arrow and Parquet; the ingest report; cutting at a day |
//! | [`features`](features()), [`FeatureStream`], [`registry`] | the `rfm` and `behavioral` sets, in memory or in one pass over files of any size |
//! | [`check`], [`suggest`], [`Finding`] | checks of the data before it is used; settings proposed from it |
//! | [`labels`](labels()), [`LabelConfig`], [`Coverage`] | definitions of churn, and the customers that a definition covers |
//! | [`train`], [`train_table`], [`TrainConfig`] | cutoffs, learners, calibration, evaluation |
//! | [`audit`] | the proof that no event after a cutoff reaches the features |
//! | [`evaluate`], [`compare()`], [`compare_models`], [`segment_table`], [`Thresholds`] | measures, two models on the same rows or on a log, risk bands |
//! | [`Model`], [`Model::slipping_away`] | scoring, the document, and the customers whose risk rose lately |
//! | [`Classifier`] | a learner on a matrix, for your own cross-validation |
//! | [`Model::explain`], [`Explanation`], [`Explainer`], [`Model::what_if`], [`Model::smallest_changes`] | Shapley values, reasons in words, what if |
//! | [`Subscriptions`], [`subscription_labels`], [`movements`], [`retention`] | contracts instead of purchases: what was known on a day, labels with causes, revenue by month, retention curves |
//! | [`profit`] | profit of contacting customers: EMPC, MPC, profit curves, the budgeted list with its control group, savings |
//! | [`cluster`] | clusters of customers by behaviour |
//!
//! # The features
//!
//! D is the as_of day, at whose end the features are computed; "last w days" means D − w < day ≤ D. F and M are the scales,
//! the 95th percentiles over the training customers. The example is a customer on 2024-03-31 with purchases of 40 on that day
//! and of 20 on 03-24, a refund of 10 on 03-17 and a login on 01-31. The ages of the events are 0, 7, 14 and 60 days, and their
//! places x among the last 30 days are 29, 22 and 15. The customer is alone in the log, so the scales are F = 4 events and
//! M = 40 + 20 − 10 = 50.
//!
//! | `rfm` | range | formula | example |
//! |---|---|---|---|
//! | `recency_score` | 0..100 | 100 · max(0, 1 − (D − last)/365) | 100 · (1 − 0/365) = 100 |
//! | `frequency_score` | 0..100 | 100 · min(1, n90 / F), n90 = events in the last 90 days | 100 · 4/4 = 100 |
//! | `monetary_score` | 0..100 | 100 · min(1, max(0, m90) / M), m90 = amounts in the last 90 days | 100 · 50/50 = 100 |
//! | `engagement_score` | 0..100 | ½A + ¼T + ¼G; A = min(100, 10·n30), T = 100·min(1, (D − first)/365), G = 50·(1 + mean (x − 14.5)/14.5), 0 if n30 = 0 | ½·30 + ¼·16.438 + ¼·50·(1 + 7.5/14.5) = 38.075 |
//! | `tenure_days` | ≥ 0 | D − first | 60 |
//! | `activity_trend` | real | slope of the 30 daily counts: Σ (x − 14.5) / 2247.5 | (66 − 43.5)/2247.5 = 0.01001 |
//! | `avg_transaction_value` | real | mean of the amounts present, 0 if none | 50/3 = 16.667 |
//! | `days_between_transactions` | ≥ 0 or missing | (last − first)/(n − 1), missing if n < 2 | 60/3 = 20 |
//!
//! | `behavioral` adds | range | formula | example |
//! |---|---|---|---|
//! | `count_7d`, `_30d`, `_90d`, `_180d`, `_365d` | ≥ 0 | events in the last w days | 1, 3, 4, 4, 4 |
//! | `amount_7d` … `amount_365d` | real | sum of amounts in the last w days | 40, 50, 50, 50, 50 |
//! | `decayed_count_7d`, `_30d`, `_90d`, `_180d` | ≥ 0 | Σ 2^(−(D − day)/h) | h = 7: 1 + ½ + ¼ + 2^(−60/7) = 1.7526 |
//! | `decayed_amount_7d` … `_180d` | real | Σ amount · 2^(−(D − day)/h) | h = 7: 40 + 20/2 − 10/4 = 47.5 |
//! | `active_months` | 0..64 | distinct calendar months with an event, of the 64 up to D's | January, March: 2 |
//! | `largest_amount` | real or missing | maximum | 40 |
//! | `refund_count`, `refund_share` | ≥ 0, 0..1 | events with an amount below 0; their share of those with an amount | 1, 1/3 |
//! | `days_since_first`, `days_since_last` | ≥ 0 | D − first, D − last | 60, 0 |
//! | `count_ratio_30d_90d` | ≥ 0 or missing | events in the last 30 days / in the 90 before them | 3/1 = 3 |
//! | `event_type=NAME`, `event_type_other` | ≥ 0 | events of each of the 8 most frequent types, and of all others | purchase 2, login 1, refund 1, other 0 |
//!
//! ```
//! use churn::{Events, FeatureConfig, FeatureSet, ReadOptions, features};
//! let csv = "customer_id,event_date,amount,event_type\nc,2024-03-31,40,purchase\nc,2024-03-24,20,purchase\n\
//!            c,2024-03-17,-10,refund\nc,2024-01-31,,login\n";
//! let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
//! let (history, _) = events.split_at(events.last_day());
//! let config = FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() };
//! let table = features(&history, &config)?;
//! let row = table.row("c").unwrap();
//! let by_hand = [
//!     ("recency_score", 100.0), ("frequency_score", 100.0), ("monetary_score", 100.0), ("engagement_score", 38.075106),
//!     ("tenure_days", 60.0), ("activity_trend", 0.010011), ("avg_transaction_value", 16.666667),
//!     ("days_between_transactions", 20.0), ("count_7d", 1.0), ("count_30d", 3.0), ("count_365d", 4.0),
//!     ("amount_7d", 40.0), ("amount_30d", 50.0), ("decayed_count_7d", 1.752629), ("decayed_amount_7d", 47.5),
//!     ("active_months", 2.0), ("largest_amount", 40.0), ("refund_count", 1.0), ("refund_share", 0.333333),
//!     ("days_since_first", 60.0), ("days_since_last", 0.0), ("count_ratio_30d_90d", 3.0),
//!     ("event_type=purchase", 2.0), ("event_type=login", 1.0), ("event_type=refund", 1.0), ("event_type_other", 0.0),
//! ];
//! for (name, expected) in by_hand {
//!     let value = row[table.names().position(|n| n == name).unwrap()];
//!     assert!((value - expected).abs() < 1e-6, "{name}: {value}");
//! }
//! # Ok::<(), churn::Error>(())
//! ```
//!
//! [`registry`] lists every feature with unit, range and formula. [`Input::with_attributes`] adds the columns of a table with
//! one row per customer (plan, country, age) as features.
//!
//! # Same bits everywhere
//!
//! Results have the same bits on every platform, for any order of the rows and any number of chunks and threads. Sums are
//! integers or fixed-point numbers, or are added in a fixed order. exp and ln come from one library on every target. Every
//! random choice comes from a seed. The only exception is [`cluster`], which depends on the word size.
//!
//! # Choices
//!
//! This section documents the choices of this library where common practice differs.
//!
//! - **Covered customers.** A model learns from the customers that its definition labels, by default those with an event in the
//!   365 days before a cutoff. [`Model::predict`], explanations, lists and the report use the customers that the definition
//!   would label on the day, and only count the others. [`Input::include_inactive`] scores all customers.
//! - **Known values.** Joined columns with a `valid_from` are looked up as of each cutoff, and the audit covers them. Columns
//!   without it are a finding.
//! - **The final model is fitted on all labelled rows.** Its evaluation is that of the same recipe, fitted without the test
//!   rows. Scales, event types, calibration, rounds and depth of the evaluated recipe come from the training part alone.
//! - **Out-of-time test.** A snapshot is used for training only if its outcome was known by the day of the test. With a gap,
//!   the snapshot just before the test is not used. Without a second snapshot, or with too few customers in either part, a
//!   stratified fifth of the customers is held out instead, with a warning.
//! - **Scales of stacked snapshots** are fitted over the rows of all of them together.
//! - **Default learner.** For a log it is a random forest on [`FeatureSet::Behavioral`], for a table gradient boosting. They
//!   predicted best out of time, and on unseen customers, on the data of `docs/accuracy.md`. The REST API keeps the defaults
//!   that it documents.
//! - **Default cutoffs.** There are up to twelve, as long as there is a whole horizon of past before each. There are fewer if
//!   twelve would make more than half a million rows, but at least three.
//! - **Calibration** is fitted on scores of customers that a learner was not trained on. For a forest they are the customers
//!   left out of each tree's sample, which is drawn by customer. For the other learners they come from five folds, or from one
//!   fold if there are 20,000 rows or more. Boosting's rounds, depth and leaf penalty and the forest's depth are chosen on the
//!   same scores, unless they are set. The weight of a cutoff is twice the weight of the cutoff two before it. The curve is
//!   Platt's. With 1,000 customers of either outcome or more, it is the isotonic one if that has the lower log-loss on other
//!   customers by more than the standard error; rows of the same customer at several cutoffs count once.
//! - **Many rows.** If the evaluation was fitted on 20,000 rows or more, logistic regression and boosting are fitted once more
//!   on all rows with the settings that the evaluation found. They are calibrated on its scores: those of the fold, and those of
//!   the test rows. From 20,000 rows on, boosting's depth and leaf penalty are chosen with three times the learning rate, with
//!   which a third of the rounds suffice, on at most 200,000 rows. Logistic regression, for comparison, is fitted on about 20,000 rows.
//! - **Outliers.** Logistic regression clips a number at ten median distances from its median, and at the range of the training
//!   rows. The scores for Platt's curve are clipped in the same way when it is fitted. So no row outweighs the others.
//! - **`auto`** tries the three learners, on both feature sets of a log, and then some settings of the two best. A recipe is
//!   evaluated by log-loss on customers that it was not fitted on, and at a later cutoff if there are enough cutoffs. The test
//!   rows of the evaluation are not used. The best recipe wins; a changed setting wins only if it gains more than the standard
//!   error of the difference. Given settings are kept. [`Evaluation::candidates`] lists everything that was tried.
//! - **Contributions** add up to the margin: log-odds for logistic regression and boosting, the mean rate of the trees for a
//!   forest. A forest sums rates; its contributions are not scaled to log-odds, so they can be compared with other
//!   implementations. The probability rises with the margin, so signs and order hold for it too.
//! - **Reasons** state facts: the customer's own value, and the median of the training rows that stayed. A score is converted
//!   back to the quantity that it was computed from. Features with the same theme, such as counts over several windows, are
//!   one reason: their contributions are added, and the reason is worded by a feature that people would count by.
//! - **The background** of an explanation is a hundred training rows in the document, without ids. Set `background_rows` to 0
//!   if no customer's data may leave with the model.
//! - **A budget is never exceeded**, because each contact reserves the cost of the contact and of the incentive, its largest
//!   possible cost.
//! - **The control group** is drawn by the customer's id and a seed, so it does not depend on the order of rows.
//! - **Blank lines** of a CSV file are not rows. Spaces around dates and numbers are ignored; spaces of ids are kept.
//! - **Conflicting labels** of a customer make the later rows bad; with `skip`, all labelled rows of the customer are left out.
//! - **An event** is a row, unless rows are lines of orders. With a column `order_id`, the rows of a customer that share their
//!   order, day and event type are one event; with [`Merge::Day`], the rows that share their day and type, even if their orders
//!   differ. The amount of an event is the exact sum of the present amounts, added as decimals, and none if no row has an
//!   amount. A row without an order id is an event by itself. The [`IngestReport`] counts rows that share their customer, day
//!   and type with another row. A model stores the unit of its events, and merges the transactions of a customer in the same
//!   way ([`Model::event_unit`]).
//! - **Subscriptions** are read as periods. A file tells when each of them ended; features see only the ends that were known on
//!   their day ([`Subscriptions::known_at`]). `docs/subscriptions.md` defines spells, labels, causes, features and movements.
//! - **Amounts** are doubles within ±10^12. Their sums are exact to 2^-56 per term, in any order.
//! - **A category that was not in the training rows** is a missing value. A column of text whose values are mostly there once is an
//!   error: it is a name or an id.
//! - **Of more than 255 values of a category**, those with at least two rows (and at least the 256 most frequent ones) have a
//!   level of their own; all others, in training and later, are the level `(other)`. A learner takes each level for a number: the
//!   log-odds of churn of its customers, shrunk to those of all the more, the fewer they are. In training, the number of a row
//!   comes from the customers of other folds, so no row tells its own outcome. Explanations name the levels.
//!
//! # What it does not do
//!
//! It supports no time zone but UTC, and no time of day: events have days. It computes no features from free text. It does not
//! know the effect of contacting a customer: that takes a control group, which [`profit::contact_list`] draws. A contribution
//! describes the model, not the causes of churn. The core does not access the clock, the environment or the network.
//!
//! # Cargo features
//!
//! | feature | default | content |
//! |---|---|---|
//! | `train` | yes | training, [`Classifier`], [`audit`]; without it a model that was trained elsewhere is loaded, scores and explains, and [`Model::evaluation`] is the JSON of the document |
//! | `date-formats` | yes | [`ReadOptions::date_format`], with jiff; without it only the standard date formats |
//! | `parallel` | yes | work on all cores, with rayon; [`use_threads`] for libraries in programs that fork |
//! | `report` | yes | the HTML page of [`report`]; includes `train` |
//! | `clusters` | yes | behavioural clusters by k-means |
//! | `subscriptions` | yes | [`Subscriptions`] and everything that takes them |
//! | `arrow`, `parquet` | no | events from record batches and Parquet files |
//!
//! No Cargo feature changes a result.

// On docs.rs the items of a feature bear its name.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "clusters")]
mod clusters;
mod compare;
mod counts;
mod coverage;
mod day;
#[cfg(feature = "date-formats")]
mod detect;
mod error;
mod events;
mod explain;
mod features;
mod findings;
mod input;
mod json;
mod judgement;
mod labels;
#[cfg(feature = "train")]
mod learn;
mod metrics;
mod model;
mod numbers;
mod objects;
mod order;
mod parallel;
pub mod profit;
mod progress;
mod random;
#[cfg(feature = "report")]
pub mod report;
mod scratch;
mod segments;
mod slipping;
#[cfg(feature = "subscriptions")]
mod subscriptions;
mod table;

#[cfg(feature = "clusters")]
pub use clusters::{Clusters, cluster};
pub use compare::{CompareConfig, Comparison, Difference, compare};
pub use coverage::Coverage;
pub use day::Day;
#[cfg(feature = "date-formats")]
pub use detect::{Detected, Found, Question, Reading, TrialRead, detect};
pub use error::{Error, ErrorKind, Result};
pub use events::{
    BadRow, BadRowReason, CheckedCsv, Columns, CsvReading, Customer, CustomerId, EventUnit, Events, History,
    IngestReport, Merge, OnBadRow, Outcome, ReadOptions, Transaction, check_csv,
};
#[cfg(feature = "files")]
pub use events::{DecodedText, decoded_text};
pub use explain::{
    Change, ChangeConfig, ExplainConfig, ExplainedPrediction, Explainer, Explanation, FeatureImportance,
    FeaturePerturbation, ListReasons, Output, Reason, SharedReason, Step, WhatIf,
};
pub use features::{
    FeatureConfig, FeatureInfo, FeatureSet, FeatureSpec, FeatureStream, FeatureTable, HALF_LIVES, Scales, WINDOWS,
    Windows, features, registry,
};
#[cfg(feature = "subscriptions")]
pub use findings::check_subscriptions;
pub use findings::{
    Finding, FindingInfo, HorizonShare, Severity, Suggestion, check, check_for_features, finding_codes, suggest,
};
#[cfg(feature = "subscriptions")]
pub use input::SubscriptionInput;
pub use input::{Input, Source};
pub use json::{Json, JsonError};
pub use judgement::{Judgement, compare_models};
pub use labels::{ALLOWED_GAP_DAYS, INACTIVITY_WARNING, LabelConfig, LabelKind, Labels, labels};
#[cfg(all(feature = "subscriptions", feature = "train"))]
pub use learn::audit_subscriptions;
#[cfg(feature = "train")]
pub use learn::{
    Backtest, BacktestConfig, BacktestRows, Classifier, CutoffPredictions, SkippedCutoff, TableConfig, TrainConfig,
    audit, backtest, backtest_observed, backtest_with_rows, over_time, train, train_matrix, train_observed,
    train_table, train_table_observed,
};
pub use metrics::{Bin, Curves, EvaluationConfig, Metrics, Point, curves, evaluate, roc_auc};
pub use model::{
    Audit, CalibrationKind, ClassWeight, Evaluation, FORMAT_VERSION, Golden, Histogram, LearnConfig, MeanMember, Model,
    ModelKind, Prediction, Predictions, Training, Typical,
};
#[cfg(feature = "train")]
pub use model::{
    Candidate, CutoffResult, Estimate, Importance, OverTime, PairedResult, Protocol, Scores, SearchProtocol,
};
#[cfg(feature = "subscriptions")]
pub use model::{Subscriber, SubscriberPrediction};
pub use objects::{FromJson, from_json};
#[cfg(feature = "parallel")]
pub use parallel::{Threads, use_threads};
pub use progress::Observer;
pub use segments::{Segment, SegmentRow, Thresholds, segment_table};
pub use slipping::{Slipping, SlippingConfig, SlippingList};
#[cfg(feature = "subscriptions")]
pub use subscriptions::{
    CancelledCustomer, CustomerBase, EndReason, EndsKnown, KnownPeriod, Movement, MovementValues, Period, Retention,
    RetentionBy, SUBSCRIPTION_FEATURES, SubscriptionColumns, SubscriptionFeature, SubscriptionHistory,
    SubscriptionLabels, SubscriptionOptions, SubscriptionPreset, SubscriptionStatus, Subscriptions, SurvivalPoint,
    kaplan_meier, movements, retention, subscription_features, subscription_labels,
};
pub use table::{Column, ColumnData, MAX_LEVELS, Table, Value};
