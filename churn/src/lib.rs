//! Which customers are about to leave, why, and what to do about it: from raw events to calibrated risk, without the leaks.
//!
//! # The pipeline
//!
//! A log of events is cut at a day. What lies before it becomes features, what lies after it becomes the label, and the
//! types make mixing them a compile error: [`features`](features()) takes a [`History`], [`labels`](labels()) a
//! [`History`] and an [`Outcome`], and only [`Events::split_at`] makes either.
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
//! // Read: customer_id,event_date,amount,event_type in any order; bad rows are refused with their lines.
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
//! let evaluation = model.evaluation();
//! println!("AUC {:.3}, recency alone {:.3}", evaluation.metrics.roc_auc, evaluation.recency_auc.unwrap());
//!
//! // Score today's customers, and keep the model as one JSON document.
//! let predictions = model.predict(&events, None)?;
//! let riskiest = predictions.iter().max_by(|a, b| a.churn_probability.total_cmp(&b.churn_probability)).unwrap();
//! println!("{} {:?}", riskiest.customer_id, riskiest.risk_segment);
//! let same = Model::from_json(&model.to_json())?;
//! assert_eq!(same.predict(&events, None)?, predictions);
//! # Ok::<(), churn::Error>(())
//! ```
//!
//! # Chapters
//!
//! | | |
//! |---|---|
//! | [`Events`] | reading CSV, Arrow and Parquet; the ingest report; cutting at a day |
//! | [`features`](features()), [`FeatureStream`], [`registry`] | the `rfm` and `behavioral` sets, in memory or in one pass over files of any size |
//! | [`labels`](labels()), [`LabelConfig`] | what churn means |
//! | [`train`], [`train_table`], [`TrainConfig`] | cutoffs, learners, calibration, evaluation |
//! | [`audit`] | the proof that no future reaches the features |
//! | [`evaluate`], [`segment_table`], [`Thresholds`] | measures and risk bands |
//! | [`Model`] | scoring, and the document |
//!
//! # The features
//!
//! D is the day they are seen from (as_of); "last w days" means D − w < day ≤ D. F and M are the scales: the 95th
//! percentiles over the training customers.
//!
//! | name | range | formula |
//! |---|---|---|
//! | `recency_score` | 0..100 | 100 · max(0, 1 − (D − last)/365) |
//! | `frequency_score` | 0..100 | 100 · min(1, n90 / F), n90 = events in the last 90 days |
//! | `monetary_score` | 0..100 | 100 · min(1, max(0, m90) / M), m90 = amounts in the last 90 days |
//! | `engagement_score` | 0..100 | ½·min(100, 10·n30) + ¼·100·min(1, (D − first)/365) + ¼·50·(1 + mean (x − 14.5)/14.5), x = 29 − (D − day) |
//! | `tenure_days` | ≥ 0 | D − first |
//! | `activity_trend` | real | slope of the 30 daily counts: Σ (x − 14.5) / 2247.5 |
//! | `avg_transaction_value` | real | mean of the amounts present, 0 if none |
//! | `days_between_transactions` | ≥ 0 or missing | (last − first)/(n − 1), missing if n < 2 |
//!
//! By hand, for a customer seen on 2024-02-05 with purchases on 01-15 (150.50), 01-20 (200.00) and 02-01 (100.00):
//! recency 100 · (1 − 4/365) = 98.90; tenure 21; mean amount 450.50/3 = 150.17; gap 17/2 = 8.5; places 8, 13 and 25 in
//! the last 30 days, so the trend is (46 − 43.5)/2247.5 = 0.00111.
//!
//! ```
//! use churn::{Events, FeatureConfig, ReadOptions, features};
//! let csv = "customer_id,event_date,amount\nc,2024-01-15,150.50\nc,2024-01-20,200.00\nc,2024-02-01,100.00\n";
//! let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?;
//! let (history, _) = events.split_at("2024-02-05".parse()?);
//! let table = features(&history, &FeatureConfig::default())?;
//! let row = table.row("c").unwrap();
//! let expected = [(0, 98.904109589), (4, 21.0), (5, 0.001112347), (6, 150.166666667), (7, 8.5)];
//! assert!(expected.iter().all(|&(i, value)| (row[i] - value).abs() < 1e-8));
//! # Ok::<(), churn::Error>(())
//! ```
//!
//! The `behavioral` set adds counts and sums over 7, 30, 90, 180 and 365 days, exponentially decayed ones, active months,
//! refunds, one count per event type and more; [`registry`] lists every name with unit, range and formula.
//!
//! # Same bits everywhere
//!
//! Sums are kept in integers and fixed point, exp and ln come from one library on every target, every random choice from a
//! seed: the order of rows, chunks and threads never changes a bit, nor does the platform.
//!
//! # What it does not do
//!
//! No time zones but UTC, and no time of day: events have days. No feature is invented from free text. Joined columns
//! ([`Input::with_attributes`]) are taken as known at the cutoff; the audit cannot see into them. It does not know
//! whether contacting a customer changes anything: that takes a control group. The core reads no clock, no environment
//! and no network.
//!
//! # Cargo features
//!
//! `parallel` (default): all cores, by rayon. `report` (default): the HTML page of [`report`]. `clusters` (default):
//! behavioural clusters by k-means. `arrow` and `parquet`: events from record batches and Parquet files. None of them
//! changes a number.

mod day;
mod error;
mod events;
mod features;
mod labels;
mod metrics;
mod model;
mod parallel;
mod progress;
mod random;
#[cfg(feature = "report")]
pub mod report;
mod segments;
mod snapshot;
mod table;

pub use day::Day;
pub use error::{Error, ErrorKind, Result};
pub use events::{
    BadRow, BadRowReason, Columns, Customer, Events, History, IngestReport, OnBadRow, Outcome, ReadOptions, Transaction,
};
pub use features::{
    FeatureConfig, FeatureInfo, FeatureSet, FeatureSpec, FeatureStream, FeatureTable, HALF_LIVES, Scales, WINDOWS,
    Windows, features, registry,
};
pub use labels::{INACTIVITY_WARNING, LabelConfig, LabelKind, Labels, labels};
pub use metrics::{Bin, Curves, EvaluationConfig, Metrics, Point, curves, evaluate, roc_auc};
pub use model::{
    CalibrationKind, Candidate, ClassWeight, Evaluation, FORMAT_VERSION, Golden, Histogram, Importance, LearnConfig,
    Model, ModelKind, Prediction, Predictions, Protocol, TableConfig, TrainConfig, Training, train, train_observed,
    train_table, train_table_observed,
};
pub use progress::Observer;
pub use segments::{Segment, SegmentRow, Thresholds, segment_table};
pub use snapshot::{Audit, Input, audit};
pub use table::{Column, ColumnData, MAX_LEVELS, Table, Value};
