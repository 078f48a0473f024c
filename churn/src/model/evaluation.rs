//! What a document says of how its model was judged.

use std::collections::BTreeMap;

use serde::Serialize;

use super::learner::ModelKind;
use crate::day::Day;
use crate::features::FeatureSet;
use crate::metrics::{Curves, Metrics};
use crate::objects::{names, objects};
use crate::segments::SegmentRow;

/// How a model was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Learned from the earlier cutoffs, judged at the last.
    OutOfTime,
    /// Learned from four fifths of the customers, judged on the others.
    Holdout,
}

names! { Protocol { OutOfTime, Holdout } }

/// How much worse the log-loss on unseen rows becomes when a feature's values are shuffled among them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// The feature.
    pub feature: String,
    /// Mean increase of the log-loss; 0 or below for a feature of no use.
    pub log_loss_increase: f64,
}

objects! { Importance { feature, log_loss_increase } }

/// How good the recipe is, measured on rows that it had not seen. The model itself is then fitted on all rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Out of time, or on held-out customers.
    pub protocol: Protocol,
    /// Out of time: the cutoff that was judged.
    pub test_cutoff: Option<Day>,
    /// Rows learned from.
    pub train_rows: u64,
    /// Rows judged.
    pub test_rows: u64,
    /// The measures.
    pub metrics: Metrics,
    /// The same for logistic regression with its default settings, learned from and judged on the same rows.
    pub logistic_regression: Metrics,
    /// The AUC of recency alone, the baseline to beat; none without a recency.
    pub recency_auc: Option<f64>,
    /// The curves.
    pub curves: Curves,
    /// The risk bands with what was observed in them.
    pub segments: Vec<SegmentRow>,
    /// The features, most important first.
    pub importance: Vec<Importance>,
    /// With `auto`, how its trials were judged. They saw only the rows learned from.
    pub search_protocol: Option<SearchProtocol>,
    /// With `auto`, the recipes that were tried: the chosen one, the others by their log-loss, and those that failed.
    pub candidates: Vec<Candidate>,
}

objects! {
    Evaluation {
        protocol, test_cutoff, train_rows, test_rows, metrics, logistic_regression, recency_auc, curves, segments,
        importance, search_protocol, candidates,
    }
}

/// How the trials of `auto` were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchProtocol {
    /// Each group of customers at the last cutoff that may be learned from, by what the others were at the earlier ones.
    OutOfTime,
    /// Each group of customers by what the others were.
    Customers,
}

names! { SearchProtocol { OutOfTime, Customers } }

/// A recipe that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The learner.
    pub model: ModelKind,
    /// The features, where they come from events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_set: Option<FeatureSet>,
    /// The settings that differ from those asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Number>,
    /// Its calibrated log-loss on rows that its fits had not seen; none if it was not judged.
    pub log_loss: Option<f64>,
    /// The standard error of the difference between its log-loss and that of the chosen one, over the same customers; none
    /// for that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// How long the trial took, if the observer has a clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why it was not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

objects! { Candidate { model, feature_set, settings, log_loss, standard_error, seconds, failure } }

impl Candidate {
    /// Feature set and settings in words, `behavioral, l2 10`; empty where there is nothing to say.
    pub fn details(&self) -> String {
        let set = self.feature_set.map(|set| set.name().to_owned());
        let settings =
            self.settings.iter().map(|(name, value)| format!("{name} {}", value.as_f64().unwrap_or(f64::NAN)));
        set.into_iter().chain(settings).collect::<Vec<_>>().join(", ")
    }
}
