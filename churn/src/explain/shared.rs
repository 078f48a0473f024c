//! The reasons of a list of customers. A reason that most of them share is stated once.

use serde::Serialize;

use super::reasons::{Reason, ReasonWriter, direction};
use super::{ExplainConfig, Explanation, position};
use crate::error::{Result, invalid_parameter};
use crate::events::quote_for_message;
use crate::features::FeatureSpec;
use crate::model::Model;
use crate::objects::objects;
use crate::segments::Segment;

/// Shorter lists have no shared reason.
const LEAST_ROWS: usize = 5;

/// The reasons of the customers of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListReasons {
    /// The reason that most of the customers share, to be stated once above the list; none if there is none.
    pub shared: Option<SharedReason>,
    /// The reasons of each customer, strongest first, without the shared one.
    pub rows: Vec<Vec<Reason>>,
}

objects! { ListReasons { shared, rows } }

/// A reason that most customers of a list share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedReason {
    /// The feature of the reason.
    pub feature: String,
    /// True if it raises the risk, false if it lowers it.
    pub raises_risk: bool,
    /// Number of customers whose strongest reason it is.
    pub customers: u64,
    /// The direction and the range of the values in words, such as `raises the risk: last event 208 to 372 days ago`. The usual
    /// value is added if all values are on one side of it, and the typical one if all customers are in one risk segment.
    pub text: String,
}

objects! { SharedReason { feature, raises_risk, customers, text } }

impl Explanation {
    /// The reasons of the customers of a list, given by their rows. If at least five customers are listed, and the same feature
    /// in the same direction is the first reason of at least 80 % of them, it is the shared reason. Each customer then has
    /// the next reasons instead.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn list_reasons(&self, rows: &[usize]) -> ListReasons {
        let most = self.writer.most;
        let listed = |&row: &usize| (self.probabilities[row], self.first_reasons(row, most + 1));
        let listed: Vec<(f64, Vec<Reason>)> = rows.iter().map(listed).collect();
        let shared = if most > 0 { self.writer.shared(&self.specs, &listed) } else { None };
        let others = |(_, mut reasons): (f64, Vec<Reason>)| {
            if let Some(shared) = &shared {
                reasons.retain(|reason| !reason.is_of(&shared.feature, shared.raises_risk));
            }
            reasons.truncate(most);
            reasons
        };
        let rows = listed.into_iter().map(others).collect();
        ListReasons { shared, rows }
    }
}

impl Model {
    /// The reason that most customers of a list share, as in [`Explanation::list_reasons`]. Each customer is given by the
    /// probability of churn and the reasons of this model, strongest first. They may be stored from an earlier scoring.
    ///
    /// # Errors
    /// `missing_column` if the model has no such feature; `invalid_parameter` for a level that a category does not have, and
    /// the errors of [`Model::explainer`].
    pub fn shared_reason(
        &self,
        customers: &[(f64, Vec<Reason>)],
        config: &ExplainConfig,
    ) -> Result<Option<SharedReason>> {
        config.check()?;
        let specs = &self.document.features;
        for reason in customers.iter().flat_map(|(_, reasons)| reasons) {
            let spec = &specs[position(specs, &reason.feature)?];
            if spec.levels.is_none() {
                continue;
            }
            if let Some(value) = reason.value.filter(|&value| !spec.has_level(value)) {
                let name = format!("the value of {}", quote_for_message(reason.feature.as_bytes()));
                return Err(invalid_parameter(&name, value, "the index of one of its levels"));
            }
        }
        Ok(ReasonWriter::new(&self.document, config).shared(specs, customers))
    }
}

impl Reason {
    /// Returns true if the reason speaks of this feature in this direction.
    fn is_of(&self, feature: &str, raises_risk: bool) -> bool {
        self.feature == feature && self.raises_risk == raises_risk
    }
}

impl ReasonWriter {
    /// The reason that is the first one of at least 80 % of at least five customers, with the values of these customers.
    fn shared(&self, specs: &[FeatureSpec], customers: &[(f64, Vec<Reason>)]) -> Option<SharedReason> {
        if customers.len() < LEAST_ROWS {
            return None;
        }
        // At most a fifth of the customers do not share it, so among any more than a fifth at least one does.
        customers[..=customers.len() / 5].iter().filter_map(|(_, reasons)| reasons.first()).find_map(|first| {
            let first_of = |(probability, reasons): &'_ (f64, Vec<Reason>)| {
                let reason = reasons.first().filter(|reason| reason.is_of(&first.feature, first.raises_risk))?;
                Some((self.segment(*probability), reason.value.unwrap_or(f64::NAN)))
            };
            let (segments, values): (Vec<Segment>, Vec<f64>) = customers.iter().filter_map(first_of).unzip();
            (5 * values.len() >= 4 * customers.len()).then(|| {
                let segment = segments.iter().all(|segment| *segment == segments[0]).then_some(segments[0]);
                let at = position(specs, &first.feature).expect("a reason is of a feature of the model");
                let fact = self.fact(at, &specs[at], &values, segment);
                SharedReason {
                    feature: first.feature.clone(),
                    raises_risk: first.raises_risk,
                    customers: values.len() as u64,
                    text: format!("{}: {fact}", direction(first.raises_risk)),
                }
            })
        })
    }
}
