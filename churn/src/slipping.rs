//! The customers who are slipping away: covered customers whose risk rose most since an earlier day.
//!
//! A list by risk alone starts with customers who left long ago, all for the same reason. This list has the customers whose
//! risk was lower a while ago: with the risk then and now, the facts that changed, and the value at risk.

use serde::Serialize;

use crate::day::Day;
use crate::error::{Result, invalid_parameter};
use crate::explain::ExplainConfig;
use crate::features::FeatureTable;
#[cfg(feature = "subscriptions")]
use crate::input::SubscriptionInput;
use crate::input::{Input, Source};
use crate::labels::LabelKind;
use crate::model::Model;
use crate::objects::objects;
use crate::segments::Segment;

/// Number of days over which amounts are summed to a customer's value.
const YEAR: i32 = 365;

/// Settings of the search for customers who are slipping away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlippingConfig {
    /// Number of days between the two days that are compared, 1 to 3650; none for a third of the horizon.
    pub days: Option<i32>,
    /// Largest number of customers to list, 0 to 10^6; default 20.
    pub customers: usize,
    /// Largest number of changes in words per customer; 0 to 100, default 2.
    pub changes: usize,
    /// The word for an event; default `event`.
    pub event: String,
}

objects! { @default SlippingConfig { days, customers, changes, event } }

impl Default for SlippingConfig {
    fn default() -> Self {
        SlippingConfig { days: None, customers: 20, changes: 2, event: "event".to_owned() }
    }
}

/// A customer whose risk rose.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Slipping {
    /// The customer.
    pub customer_id: String,
    /// The probability of churn at the earlier day.
    pub probability_before: f64,
    /// The probability of churn now.
    pub churn_probability: f64,
    /// The risk band of the probability now.
    pub risk_segment: Segment,
    /// The facts that raised the risk most, with their values then and now, strongest first.
    pub changes: Vec<String>,
    /// The amount of a year times the probability now; none without an amount. For a log it is the sum of the last 365 days, at
    /// least 0; for subscriptions twelve times the amount per month.
    pub value_at_risk: Option<f64>,
}

objects! { Slipping { customer_id, probability_before, churn_probability, risk_segment, changes, value_at_risk } }

/// The list of the customers who are slipping away at a day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlippingList {
    /// The day at whose end the customers are scored.
    pub as_of: Day,
    /// The earlier day that it is compared with.
    pub before: Day,
    /// The customers whose risk rose, the largest rise first; ties by value, then by id.
    pub customers: Vec<Slipping>,
}

objects! { SlippingList { as_of, before, customers } }

impl Model {
    /// Finds the customers, covered on both days, whose risk rose most up to the end of `as_of`, by default the last day of the
    /// data.
    ///
    /// # Errors
    /// `invalid_parameter`, and the errors of [`Model::features`]. If no customer is covered on the earlier day, the list is
    /// empty.
    pub fn slipping_away<'a>(
        &self,
        source: impl Into<Source<'a>>,
        as_of: Option<Day>,
        config: &SlippingConfig,
    ) -> Result<SlippingList> {
        let source = source.into().covered_only();
        let horizon = match self.labels().labels {
            LabelKind::OutcomeWindow | LabelKind::SubscriptionEnd => self.labels().horizon_days,
            LabelKind::Inactivity | LabelKind::Provided => 90,
        };
        let days = config.days.unwrap_or((horizon / 3).max(1));
        if !(1..=3650).contains(&days) {
            return Err(invalid_parameter("days", days, "1 to 3650"));
        }
        if config.customers > 1_000_000 {
            return Err(invalid_parameter("customers", config.customers, "0 to 1000000"));
        }
        let words = ExplainConfig { reasons: config.changes, event: config.event.clone(), ..ExplainConfig::default() };
        let explainer = self.explainer(&words)?;
        let as_of = as_of.unwrap_or(source.last_day());
        let before = as_of.plus(-days);
        let now = self.features(source, Some(as_of))?;
        if before < source.first_day() {
            return Ok(SlippingList { as_of, before, customers: Vec::new() });
        }
        let then = match self.features(source, Some(before)) {
            Ok(then) => then,
            Err(error) if error.kind() == crate::error::ErrorKind::NoCustomers => {
                return Ok(SlippingList { as_of, before, customers: Vec::new() });
            }
            Err(error) => return Err(error),
        };
        let values = match source {
            Source::Events(input) => values(input, as_of, &now),
            #[cfg(feature = "subscriptions")]
            Source::Subscriptions(input) => yearly_values(input, as_of, &now)?,
        };
        let (p_now, p_then) = (self.predict_features(&now)?, self.predict_features(&then)?);
        let (p_now, p_then) = (p_now.churn_probabilities(), p_then.churn_probabilities());
        // Both tables are in byte order of the ids, so `search` can be used.
        let mut rose: Vec<(f64, usize, usize)> = Vec::new();
        for (row, id) in now.ids.iter().enumerate() {
            if let Some(earlier) = then.ids.search(id) {
                rose.push((p_now[row] - p_then[earlier], row, earlier));
            }
        }
        rose.retain(|(rise, ..)| *rise > 0.0);
        let value = |row: usize| values[row].unwrap_or(0.0);
        rose.sort_by(|a, b| b.0.total_cmp(&a.0).then(value(b.1).total_cmp(&value(a.1))).then(a.1.cmp(&b.1)));
        rose.truncate(config.customers);
        let rows = |pick: fn(&(f64, usize, usize)) -> usize| rose.iter().map(pick).collect::<Vec<usize>>();
        let explain_now = explainer.explain(&now.select(&rows(|row| row.1)))?;
        let explain_then = explainer.explain(&then.select(&rows(|row| row.2)))?;
        let customer = |(at, &(_, row, earlier)): (usize, &(f64, usize, usize))| Slipping {
            customer_id: now.ids.get(row).to_owned(),
            probability_before: p_then[earlier],
            churn_probability: p_now[row],
            risk_segment: self.thresholds().band(p_now[row]),
            changes: explain_now.changes(at, &explain_then, at, days),
            value_at_risk: values[row].map(|value| value * p_now[row]),
        };
        let customers = rose.iter().enumerate().map(customer).collect();
        Ok(SlippingList { as_of, before, customers })
    }
}

/// The amount of a year of each customer of a table; none for a customer without an amount.
#[cfg(feature = "subscriptions")]
fn yearly_values(input: SubscriptionInput<'_>, as_of: Day, table: &FeatureTable) -> Result<Vec<Option<f64>>> {
    let base = input.subscriptions.customer_base(as_of)?;
    Ok(table.ids.iter().map(|id| base.amount(id).map(|amount| 12.0 * amount)).collect())
}

/// The sum of a year's amounts of each customer of a table, at least 0; none in a log without amounts.
fn values(input: Input<'_>, as_of: Day, table: &FeatureTable) -> Vec<Option<f64>> {
    let (history, _) = input.events.split_at(as_of);
    let since = as_of.plus(-YEAR).number();
    let mut has_amounts = false;
    let mut values = vec![0.0; table.rows()];
    for customer in history.customers() {
        let Some(row) = table.ids.search(input.events.ids().get(customer)) else { continue };
        let past = history.of(customer);
        let amounts = past.days().zip(past.amounts()).filter(|&(day, amount)| day > since && !amount.is_nan());
        for (_, amount) in amounts {
            values[row] += amount;
            has_amounts = true;
        }
        values[row] = f64::max(values[row], 0.0);
    }
    values.into_iter().map(|value| has_amounts.then_some(value)).collect()
}
