//! The customers on the day of scoring: their status, their amounts, and the risk of the active ones.

use std::collections::{BTreeMap, HashMap};

use churn::profit::subscription_value;
use churn::{
    Day, EndReason, ErrorKind, ExplainConfig, FeatureTable, ListReasons, Model, Predictions, Segment,
    SubscriptionStatus, Subscriptions, subscription_features,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Result;

/// Months over which the value of a customer is counted.
const MONTHS: f64 = 36.0;

/// The status of the customers on a day, with what they pay.
#[derive(Serialize)]
pub(super) struct Standing {
    /// The day.
    pub(super) as_of: Day,
    /// Number of active customers.
    pub(super) active: usize,
    /// Number of customers whose periods are all cancelled but still run.
    pub(super) already_cancelled: usize,
    /// Number of the other customers.
    pub(super) not_active: usize,
    /// Amount per month of the active customers.
    pub(super) active_amount: f64,
    /// Amount per month of those who have already cancelled.
    pub(super) already_cancelled_amount: f64,
    /// The customers who have already cancelled, in byte order of their ids.
    #[serde(skip)]
    pub(super) cancelled: Vec<Cancelled>,
    /// Amounts per month by customer, of those with a running period that has one.
    #[serde(skip)]
    amounts: HashMap<String, f64>,
}

/// A customer who has already cancelled.
pub(super) struct Cancelled {
    pub(super) customer_id: String,
    /// The first day without a period.
    pub(super) end_date: Day,
    pub(super) amount: Option<f64>,
}

impl Standing {
    pub(super) fn of(subscriptions: &Subscriptions, as_of: Day, allowed_gap_days: i32) -> Result<Self> {
        let history = subscriptions.known_at(as_of);
        let mut amounts = HashMap::new();
        match subscription_features(&history, allowed_gap_days) {
            Ok(table) => {
                let column = table.names().position(|name| name == "amount").expect("amount is a feature");
                let values = table.values().column(column);
                let priced = table.customer_ids().zip(values).filter(|(_, amount)| !amount.is_nan());
                amounts.extend(priced.map(|(id, amount)| (id.to_owned(), *amount)));
            }
            // No paid period runs.
            Err(error) if error.kind() == ErrorKind::NoCustomers => (),
            Err(error) => return Err(error.into()),
        }
        let mut ends: BTreeMap<&str, Day> = BTreeMap::new();
        for (id, period) in history.periods().filter(|(_, period)| !period.trial) {
            if let Some(end) = period.end_date.filter(|end| *end > as_of) {
                let last = ends.entry(id).or_insert(end);
                *last = (*last).max(end);
            }
        }
        let mut standing = Standing {
            as_of,
            active: 0,
            already_cancelled: 0,
            not_active: 0,
            active_amount: 0.0,
            already_cancelled_amount: 0.0,
            cancelled: Vec::new(),
            amounts,
        };
        for (id, status) in history.statuses() {
            let amount = standing.amount(id);
            match status {
                SubscriptionStatus::Active => {
                    standing.active += 1;
                    standing.active_amount += amount.unwrap_or(0.0);
                }
                SubscriptionStatus::AlreadyCancelled => {
                    standing.already_cancelled += 1;
                    standing.already_cancelled_amount += amount.unwrap_or(0.0);
                    let end_date = ends[id];
                    standing.cancelled.push(Cancelled { customer_id: id.to_owned(), end_date, amount });
                }
                SubscriptionStatus::NotActive => standing.not_active += 1,
            }
        }
        Ok(standing)
    }

    /// The amount per month of a customer.
    fn amount(&self, customer_id: &str) -> Option<f64> {
        self.amounts.get(customer_id).copied()
    }
}

/// The risk of an active customer.
pub(super) struct Risk {
    pub(super) customer_id: String,
    pub(super) churn_probability: f64,
    pub(super) risk_segment: Segment,
    /// The probability to leave for each cause that the model knows.
    pub(super) causes: Vec<(EndReason, f64)>,
    /// The amount per month now.
    pub(super) amount: Option<f64>,
    /// The amount that the customer is expected to pay in the next 36 months.
    pub(super) expected_value: Option<f64>,
}

/// The risk of each scored customer.
pub(super) fn risks(model: &Model, predictions: &Predictions, standing: &Standing) -> Result<Vec<Risk>> {
    let horizon_days = model.labels().horizon_days;
    let rows = predictions.iter().enumerate().map(|(row, prediction)| {
        let amount = standing.amount(&prediction.customer_id);
        let p = prediction.churn_probability;
        let expected_value = amount.map(|amount| subscription_value(amount, p, horizon_days, MONTHS)).transpose()?;
        Ok(Risk {
            customer_id: prediction.customer_id,
            churn_probability: p,
            risk_segment: prediction.risk_segment,
            causes: predictions.causes().iter().map(|(cause, p)| (*cause, p[row])).collect(),
            amount,
            expected_value,
        })
    });
    rows.collect()
}

/// The customers who are more likely to leave because a payment fails than because they cancel, by falling probability that a payment
/// fails. None if the model does not tell these causes apart. Causes that are too rare to be learned are counted with the others, so
/// without cancellations the other causes are compared.
pub(super) fn dunning(risks: &[Risk]) -> Option<Vec<(&Risk, f64)>> {
    let of = |risk: &Risk, wanted| risk.causes.iter().find(|(cause, _)| *cause == wanted).map(|(_, p)| *p);
    let mut found = Vec::new();
    for risk in risks {
        let involuntary = of(risk, EndReason::Involuntary)?;
        let voluntary = of(risk, EndReason::Voluntary).or_else(|| of(risk, EndReason::Other))?;
        if involuntary > voluntary {
            found.push((risk, involuntary));
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    Some(found)
}

/// The ten customers at the greatest risk.
pub(super) struct Riskiest {
    /// The reason that most of them share, in words.
    pub(super) shared: Option<String>,
    /// The number of each among the risks, with the reasons that raise the risk in words, strongest first.
    pub(super) rows: Vec<(usize, Vec<String>)>,
}

impl Riskiest {
    /// `features` has the rows of the risks.
    pub(super) fn of(model: &Model, features: &FeatureTable, risks: &[Risk]) -> Result<Self> {
        const MOST: usize = 10;
        let mut rows: Vec<usize> = (0..risks.len()).collect();
        let amount = |row: usize| risks[row].amount.unwrap_or(0.0);
        // Of equals those who pay most.
        rows.sort_by(|&a, &b| {
            let by_risk = risks[b].churn_probability.total_cmp(&risks[a].churn_probability);
            by_risk.then(amount(b).total_cmp(&amount(a)))
        });
        rows.truncate(MOST);
        let explanation = model.explain_with(&features.select(&rows), &ExplainConfig::default())?;
        let all: Vec<usize> = (0..rows.len()).collect();
        let ListReasons { shared, rows: reasons } = explanation.list_reasons(&all);
        let raising = reasons.into_iter().map(|reasons| {
            reasons.into_iter().filter(|reason| reason.raises_risk).map(|reason| reason.text).collect::<Vec<_>>()
        });
        Ok(Riskiest { shared: shared.map(|reason| reason.text), rows: rows.iter().copied().zip(raising).collect() })
    }

    /// The part of the JSON document.
    pub(super) fn document(&self, risks: &[Risk]) -> Value {
        let row = |(row, reasons): &(usize, Vec<String>)| {
            let risk = &risks[*row];
            let causes: BTreeMap<&str, f64> = risk.causes.iter().map(|(cause, p)| (cause.name(), *p)).collect();
            json!({
                "customer_id": risk.customer_id,
                "churn_probability": risk.churn_probability,
                "risk_segment": risk.risk_segment,
                "causes": causes,
                "amount": risk.amount,
                "expected_value": risk.expected_value,
                "reasons": reasons,
            })
        };
        json!({ "shared_reason": self.shared, "customers": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}
