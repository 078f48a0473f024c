//! The results of a recipe at several cutoffs: a row per cutoff, and means over the cutoffs with intervals.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::day::Day;
use crate::metrics::Bin;
use crate::objects::objects;
use crate::segments::SegmentRow;

/// A mean over cutoffs, or over the customers of one cutoff, with its 95 % confidence interval.
///
/// The interval is that of a block bootstrap over the cutoffs in which the customers are drawn again too, computed without
/// drawing. Its variance has two parts. The part of the customers follows from the influence of each customer on the mean
/// (the infinitesimal jackknife; for the AUC, the placements of DeLong et al. 1988), added up over all cutoffs of the customer
/// before it is squared, because the outcomes of a customer at two cutoffs are alike. The part of the time is the variance of
/// the values of the cutoffs beyond what the customers explain, with Bartlett weights for neighbouring cutoffs. The width is
/// a quantile of Student's t distribution, with the degrees of freedom of Satterthwaite (1946).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The lower bound of the interval.
    pub low: f64,
    /// The upper bound of the interval.
    pub high: f64,
}

objects! { Estimate { mean, standard_error, low, high } }

/// Measures of predicted probabilities at a cutoff.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Probability that a churner is ranked above a customer who stayed; ties count half.
    pub roc_auc: f64,
    /// Mean of −ln(probability of the observed outcome).
    pub log_loss: f64,
    /// Mean squared difference of probability and outcome.
    pub brier: f64,
}

objects! { Scores { roc_auc, log_loss, brier } }

/// The result at one cutoff: a model learned from earlier cutoffs, whose outcome was known by then, and judged by the outcomes
/// of the covered customers of the day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CutoffResult {
    /// The day at whose end the customers were scored.
    pub cutoff: Day,
    /// Number of customers judged.
    pub customers: u64,
    /// Number of them that churned.
    pub churned: u64,
    /// churned / customers.
    pub base_rate: f64,
    /// The expected number of churners: the sum of the predicted probabilities.
    pub expected: f64,
    /// The cutoffs that the model learned from, oldest first.
    pub learned_from: Vec<Day>,
    /// Number of training rows: the customers of these cutoffs.
    pub train_rows: u64,
    /// The AUC of the model.
    pub roc_auc: f64,
    /// The log-loss of the model.
    pub log_loss: f64,
    /// The Brier score of the model.
    pub brier: f64,
    /// Churn rate of the tenth of the customers with the highest probabilities, divided by the base rate.
    pub lift_10: f64,
    /// The AUC of recency alone; none if there is no recency feature.
    pub recency_auc: Option<f64>,
    /// The other configurations by their names, `logistic_regression` among them.
    pub against: BTreeMap<String, Scores>,
}

objects! {
    CutoffResult {
        cutoff, customers, churned, base_rate, expected, learned_from, train_rows, roc_auc, log_loss, brier, lift_10,
        recency_auc, against,
    }
}

/// The differences between the model and another configuration on the same customers, as model − other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairedResult {
    /// The name of the other configuration; `recency` for recency alone.
    pub name: String,
    /// The mean AUC of the other configuration.
    pub mean_roc_auc: f64,
    /// The difference of the AUC; above 0 if the model is better.
    pub roc_auc: Estimate,
    /// The difference of the log-loss, below 0 if the model is better; none for recency, which has no probabilities.
    pub log_loss: Option<Estimate>,
    /// The difference of the Brier score, below 0 if the model is better.
    pub brier: Option<Estimate>,
    /// Number of cutoffs at which the AUC of the model is higher.
    pub cutoffs_won: u64,
}

objects! { PairedResult { name, mean_roc_auc, roc_auc, log_loss, brier, cutoffs_won } }

/// The results of a recipe at several cutoffs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OverTime {
    /// A row per cutoff, oldest first.
    pub cutoffs: Vec<CutoffResult>,
    /// The mean AUC over the cutoffs.
    pub roc_auc: Estimate,
    /// The mean AUC over the earlier half of the cutoffs; none for fewer than six cutoffs. If the mean of the later half lies
    /// outside of this interval, the finding `results_change` is raised.
    pub earlier_roc_auc: Option<Estimate>,
    /// The mean log-loss.
    pub log_loss: Estimate,
    /// The mean Brier score.
    pub brier: Estimate,
    /// The mean lift at 10 %.
    pub lift_10: Estimate,
    /// The mean churn rate.
    pub base_rate: Estimate,
    /// The mean of predicted − observed churn rate: above 0 if the probabilities are too high.
    pub predicted_minus_observed: Estimate,
    /// The mean AUC of recency alone; none if there is no recency feature.
    pub recency_auc: Option<Estimate>,
    /// The differences to recency, logistic regression and the other configurations.
    pub against: Vec<PairedResult>,
    /// Mean probability and observed rate in ten bins of about equal size, over the customers of all cutoffs.
    pub reliability: Vec<Bin>,
    /// The risk bands, over the customers of all cutoffs.
    pub segments: Vec<SegmentRow>,
}

objects! {
    OverTime {
        cutoffs, roc_auc, earlier_roc_auc, log_loss, brier, lift_10, base_rate, predicted_minus_observed, recency_auc, against, reliability,
        segments,
    }
}
