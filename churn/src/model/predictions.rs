//! Predictions: the risk of one customer, or of many in the order of their rows of features.

use std::io::Write;

use serde::Serialize;

use crate::coverage::Coverage;
use crate::day::Day;
use crate::error::Result;
use crate::events::{Strings, quoted};
use crate::findings::Finding;
use crate::objects::objects;
use crate::segments::{Segment, Thresholds};
#[cfg(feature = "subscriptions")]
use crate::subscriptions::EndReason;

/// The predicted risk of one customer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Prediction {
    /// The customer.
    pub customer_id: String,
    /// The calibrated probability of churn, 0..1.
    pub churn_probability: f64,
    /// The risk band of the probability.
    pub risk_segment: Segment,
    /// True if the model's definition of churn covers the customer ([`LabelConfig::covers`](crate::LabelConfig::covers)).
    pub covered: bool,
    /// For a customer who is not covered, a sentence that explains why the probability is a guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

objects! { Prediction { customer_id, churn_probability, risk_segment, covered = true, note } }

/// The predicted risk of many customers, in the order of their rows of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    pub(super) ids: Strings,
    pub(super) probabilities: Vec<f64>,
    pub(super) thresholds: Thresholds,
    pub(super) as_of: Option<Day>,
    pub(super) coverage: Option<Coverage>,
    /// For each customer, true if covered; none if all are covered.
    pub(super) covered: Option<Vec<bool>>,
    pub(super) findings: Vec<Finding>,
    /// For each cause of churn, the probabilities of the customers.
    #[cfg(feature = "subscriptions")]
    pub(super) causes: Vec<(EndReason, Vec<f64>)>,
}

impl Predictions {
    /// The number of customers.
    pub fn len(&self) -> usize {
        self.probabilities.len()
    }

    /// Returns true if there are no customers.
    pub fn is_empty(&self) -> bool {
        self.probabilities.is_empty()
    }

    /// The day at whose end the customers were scored, if they come from events.
    pub fn as_of(&self) -> Option<Day> {
        self.as_of
    }

    /// The numbers of customers that the model's definition covers on the day, and of the others. The others are not among
    /// these predictions unless they were requested. None if the customers do not come from events.
    pub fn coverage(&self) -> Option<Coverage> {
        self.coverage
    }

    /// For each customer, true if the definition covers the customer. None unless customers who are not covered were requested
    /// ([`Input::include_inactive`](crate::Input::include_inactive)): without that, all are covered.
    pub fn covered(&self) -> Option<&[bool]> {
        self.covered.as_deref()
    }

    /// The findings about the scored data.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The customer ids.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// The calibrated probabilities of churn, in the order of the customers.
    pub fn churn_probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The risk bands, in the order of the customers.
    pub fn risk_segments(&self) -> impl Iterator<Item = Segment> {
        self.probabilities.iter().map(|&p| self.thresholds.band(p))
    }

    /// For each cause that the model knows, the probability that a customer leaves for it, in the order of the customers. Those
    /// of a customer add up to the probability of churn. Empty for a model that has learned no causes.
    #[cfg(feature = "subscriptions")]
    pub fn causes(&self) -> &[(EndReason, Vec<f64>)] {
        &self.causes
    }

    /// The cause by which a customer would leave most likely, in words, with its probability; none without causes.
    #[cfg(feature = "report")]
    pub(crate) fn likeliest_cause(&self, row: usize) -> Option<(&'static str, f64)> {
        #[cfg(feature = "subscriptions")]
        {
            let causes = self.causes.iter().map(|(cause, p)| (cause.words(), p[row]));
            causes.reduce(|best, other| if other.1 > best.1 { other } else { best })
        }
        #[cfg(not(feature = "subscriptions"))]
        {
            let _ = row;
            None
        }
    }

    #[cfg(feature = "subscriptions")]
    pub(crate) fn customer_id(&self, row: usize) -> &str {
        self.ids.get(row)
    }

    /// The rows of the active customers who are more likely to leave because a payment fails than because they cancel, each with the
    /// probability that a payment fails, which falls. A reminder helps them, and an offer does not. None if the model does not tell these
    /// causes apart. Causes that were too rare to be learned are counted with the others, so without cancellations the other
    /// causes are compared.
    #[cfg(feature = "subscriptions")]
    pub fn dunning(&self) -> Option<Vec<(usize, f64)>> {
        let of = |wanted| self.causes.iter().find(|(cause, _)| *cause == wanted).map(|(_, p)| p);
        let involuntary = of(EndReason::Involuntary)?;
        let voluntary = of(EndReason::Voluntary).or_else(|| of(EndReason::Other))?;
        // Those who have already cancelled are on a list of their own, also if they are scored.
        let is_covered = |row: usize| self.covered.as_ref().is_none_or(|covered| covered[row]);
        let pairs = involuntary.iter().zip(voluntary).enumerate().filter(|(row, _)| is_covered(*row));
        let mut rows: Vec<(usize, f64)> = pairs.filter(|(_, (a, b))| a > b).map(|(row, (&a, _))| (row, a)).collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(rows)
    }

    /// Iterates over the predictions of the customers, in order.
    pub fn iter(&self) -> impl Iterator<Item = Prediction> {
        self.ids.iter().zip(&self.probabilities).enumerate().map(|(row, (id, &churn_probability))| Prediction {
            customer_id: id.to_owned(),
            churn_probability,
            risk_segment: self.thresholds.band(churn_probability),
            covered: self.covered.as_ref().is_none_or(|covered| covered[row]),
            note: None,
        })
    }

    /// Writes CSV with the columns `customer_id,churn_probability,risk_segment`, and with `covered` if customers who are not
    /// covered were requested.
    ///
    /// # Errors
    /// `io`.
    pub fn write_csv(&self, mut writer: impl Write) -> Result<()> {
        let header = if self.covered.is_some() { ",covered" } else { "" };
        writer.write_all(format!("customer_id,churn_probability,risk_segment{header}\n").as_bytes())?;
        for (row, ((id, p), segment)) in self.ids.iter().zip(&self.probabilities).zip(self.risk_segments()).enumerate()
        {
            let covered = self.covered.as_ref().map_or(String::new(), |covered| format!(",{}", covered[row]));
            writer.write_all(format!("{},{p},{}{covered}\n", quoted(id), segment.name()).as_bytes())?;
        }
        writer.flush()?;
        Ok(())
    }
}
