//! The risk of customers: one, or many in the order of the features they were computed from.

use std::io::Write;

use serde::Serialize;

use crate::coverage::Coverage;
use crate::day::Day;
use crate::error::Result;
use crate::events::{Strings, quoted};
use crate::findings::Finding;
use crate::objects::objects;
use crate::segments::{Segment, Thresholds};

/// The risk of one customer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The customer.
    pub customer_id: String,
    /// The calibrated probability of churn, 0..1.
    pub churn_probability: f64,
    /// The band it falls into.
    pub risk_segment: Segment,
    /// True if the model's definition of churn covers the customer ([`LabelConfig::covers`](crate::LabelConfig::covers)).
    pub covered: bool,
    /// For a customer who is not covered, the sentence that says why the probability is a guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

objects! { Prediction { customer_id, churn_probability, risk_segment, covered = true, note } }

/// The risk of many customers, in the order of the features they were computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    pub(super) ids: Strings,
    pub(super) probabilities: Vec<f64>,
    pub(super) thresholds: Thresholds,
    pub(super) as_of: Option<Day>,
    pub(super) coverage: Option<Coverage>,
    /// With customers who are not covered: which of them are.
    pub(super) covered: Option<Vec<bool>>,
    pub(super) findings: Vec<Finding>,
}

impl Predictions {
    /// The number of customers.
    pub fn len(&self) -> usize {
        self.probabilities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.probabilities.is_empty()
    }

    /// The day that the customers were looked at, if they came from events.
    pub fn as_of(&self) -> Option<Day> {
        self.as_of
    }

    /// The customers of the day that the model's definition covers, and the others, who are not among these predictions
    /// unless they were asked for; none where the customers did not come from events.
    pub fn coverage(&self) -> Option<Coverage> {
        self.coverage
    }

    /// True for each customer whom the definition covers; none unless customers that it does not cover were asked for
    /// ([`Input::include_inactive`](crate::Input::include_inactive)), as all are covered then.
    pub fn covered(&self) -> Option<&[bool]> {
        self.covered.as_deref()
    }

    /// The findings about the data that was scored.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The customers.
    pub fn customer_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter()
    }

    /// Their calibrated probabilities of churn.
    pub fn churn_probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Their bands.
    pub fn risk_segments(&self) -> impl Iterator<Item = Segment> {
        self.probabilities.iter().map(|&p| self.thresholds.band(p))
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Prediction> {
        self.ids.iter().zip(&self.probabilities).enumerate().map(|(row, (id, &churn_probability))| Prediction {
            customer_id: id.to_owned(),
            churn_probability,
            risk_segment: self.thresholds.band(churn_probability),
            covered: self.covered.as_ref().is_none_or(|covered| covered[row]),
            note: None,
        })
    }

    /// Writes `customer_id,churn_probability,risk_segment`, and `covered` where customers that the definition does not
    /// cover were asked for.
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
