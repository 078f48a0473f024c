//! The evaluation of a model, as stored in the model document.

use std::collections::BTreeMap;

use serde::Serialize;

use super::learner::{MeanMember, ModelKind};
use super::over_time::OverTime;
use crate::day::Day;
use crate::features::FeatureSet;
use crate::metrics::{Curves, Metrics};
use crate::objects::{names, objects};
use crate::segments::SegmentRow;

/// The way that training and test rows were separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Trained on the earlier cutoffs, tested on the last.
    OutOfTime,
    /// Trained on four fifths of the customers, tested on the others.
    Holdout,
}

names! { Protocol { OutOfTime, Holdout } }

/// Permutation importance of a feature: the increase of the log-loss on the test rows when its values are shuffled among them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Importance {
    /// The feature.
    pub feature: String,
    /// Mean increase of the log-loss; 0 or below for a feature that does not help.
    pub log_loss_increase: f64,
}

objects! { Importance { feature, log_loss_increase } }

/// The evaluation of the training recipe on rows that it was not trained on. The model itself is then fitted on all rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// The separation of training and test rows: out of time, or held-out customers.
    pub protocol: Protocol,
    /// Out of time: the cutoff of the test rows.
    pub test_cutoff: Option<Day>,
    /// Number of training rows.
    pub train_rows: u64,
    /// Number of test rows.
    pub test_rows: u64,
    /// The measures on the test rows.
    pub metrics: Metrics,
    /// The recipe at up to four recent cutoffs, `test_cutoff` the last of them, with intervals. If customers were held out, it
    /// has no cutoffs, but the intervals of their measures. None in a document from before there were intervals.
    pub over_time: Option<OverTime>,
    /// The measures of logistic regression with its default settings, tested on the same rows and trained on the same rows, or of
    /// more than 20,000 on a sample of the customers with about as many rows. None if the recipe was not compared with it.
    pub logistic_regression: Option<Metrics>,
    /// The AUC of recency alone, as a baseline; none if there is no recency feature.
    pub recency_auc: Option<f64>,
    /// The curves behind the measures.
    pub curves: Curves,
    /// The risk bands with the observed churn rate of each.
    pub segments: Vec<SegmentRow>,
    /// The features, most important first.
    pub importance: Vec<Importance>,
    /// With `auto`, the protocol of its trials. They use only the training rows.
    pub search_protocol: Option<SearchProtocol>,
    /// With `auto`, the recipes that were tried: first the chosen one, then the others by log-loss, then the failed ones.
    pub candidates: Vec<Candidate>,
}

objects! {
    Evaluation {
        protocol, test_cutoff, train_rows, test_rows, metrics, over_time, logistic_regression, recency_auc, curves, segments,
        importance, search_protocol, candidates,
    }
}

/// The way that the trials of `auto` separate training and test rows. Customers are split into groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchProtocol {
    /// Each group is tested at the last training cutoff, after training on the other groups at the earlier cutoffs.
    OutOfTime,
    /// Each group is tested after training on the other groups.
    Customers,
}

names! { SearchProtocol { OutOfTime, Customers } }

/// A recipe that `auto` tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The learner.
    pub model: ModelKind,
    /// The feature set, if the features come from events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_set: Option<FeatureSet>,
    /// The settings that differ from the requested ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Number>,
    /// The recipes of a weighted mean, whose `model` is `auto`; empty for a single recipe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MeanMember>,
    /// The log-loss after calibration, on rows that its fits were not trained on; none if the trial failed or
    /// was given up.
    pub log_loss: Option<f64>,
    /// The standard error of the difference between its log-loss and the log-loss of the chosen recipe, over the same
    /// customers; none for the chosen recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Duration of the trial in seconds, if the observer has a clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why there is no log-loss: the message of the error, or how far the recipe was behind when it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

objects! { Candidate { model, feature_set, settings, members = Vec::new(), log_loss, standard_error, seconds, failure } }

impl Candidate {
    /// The feature set and the changed settings as text, such as `behavioral, l2 10`, or the members of a mean, such as `behavioral,
    /// 0.75 gradient_boosting of depth 3, 0.25 logistic_regression`; empty if there are none.
    pub fn details(&self) -> String {
        let set = self.feature_set.map(|set| set.name().to_owned());
        let member = |member: &MeanMember| {
            let depth = member.max_depth.filter(|_| member.model == ModelKind::GradientBoosting);
            let depth = depth.map_or_else(String::new, |depth| format!(" of depth {depth}"));
            format!("{:.2} {}{depth}", member.weight, member.model.name())
        };
        let members = self.members.iter().map(member);
        let settings =
            self.settings.iter().map(|(name, value)| format!("{name} {}", value.as_f64().unwrap_or(f64::NAN)));
        set.into_iter().chain(settings).chain(members).collect::<Vec<_>>().join(", ")
    }
}
