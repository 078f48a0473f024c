//! The risk of the active customers on the day of scoring.

use std::collections::BTreeMap;

use churn::{CustomerBase, EndReason, ExplainConfig, FeatureTable, ListReasons, Model, Predictions, Segment};
use serde_json::{Value, json};

use crate::failure::Result;

/// Months over which the value of a customer is counted.
const MONTHS: f64 = 36.0;

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
pub(super) fn risks(model: &Model, predictions: &Predictions, base: &CustomerBase) -> Result<Vec<Risk>> {
    let values = model.subscription_values(predictions, base, MONTHS)?;
    let rows = predictions.iter().zip(values).enumerate().map(|(row, (prediction, expected_value))| Risk {
        amount: base.amount(&prediction.customer_id),
        customer_id: prediction.customer_id,
        churn_probability: prediction.churn_probability,
        risk_segment: prediction.risk_segment,
        causes: predictions.causes().iter().map(|(cause, p)| (*cause, p[row])).collect(),
        expected_value,
    });
    Ok(rows.collect())
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
