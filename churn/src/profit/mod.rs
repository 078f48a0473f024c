//! The profit of retention campaigns: contact lists within a budget, profit measures of a model, and campaign outcomes.
//!
//! Contacting a customer costs f. A contacted churner accepts the incentive with the success rate γ; then the incentive costs
//! d, and the customer stays and is worth V. A contacted customer who would have stayed anyway takes the incentive too, which
//! costs d. So the expected profit of contacting a customer who churns with probability p is
//!
//! ```text
//! p · γ · (V − d) − (1 − p) · d − f        (Neslin et al. 2006)
//! ```
//!
//! which is above 0 for p above (d + f) / (γ · (V − d) + d). [`mpc`] is the maximum profit per customer of a model at one
//! threshold (Verbeke et al. 2012, EJOR 218). [`empc`] is the same if γ is only known as a distribution (Verbraken, Verbeke
//! and Baesens 2013, IEEE TKDE 25(5)). [`curve`] and [`expected_curve`] are the profit by the share of customers contacted.
//! [`contact_list`] spends a budget and holds out a control group. [`campaign_outcome`] compares the two groups afterwards.
//!
//! Where a table has the costs of each customer, [`cost_thresholds`] gives the probability above which contacting pays for each
//! of them, and [`savings`](savings()) the share of the cost that deciding by these thresholds saves (Bahnsen et al. 2014;
//! Höppner et al. 2022).
//!
//! For subscriptions, `subscription_value` is the amount that a customer is expected to pay in the next months.
//!
//! Worked by hand, with V = 200, d = 10, f = 1, γ = 0.3: a contacted churner earns 0.3 · 190 − 1 = 56, any other customer −11.
//! Of four customers by falling probability the first and the third churned. Contacting one, two, three or all of them earns
//! 56, 45, 101 or 90. The best is to contact three, 101/4 = 25.25 per customer.
//!
//! ```
//! use churn::profit::{Campaign, ContactConfig, ContactGroup, contact_list, mpc};
//! let campaign = Campaign::default();
//! assert_eq!(campaign.expected_profit(0.5, 200.0)?, 22.5); // 0.5 · 57 − 0.5 · 10 − 1
//! assert_eq!(campaign.threshold()?, Some(11.0 / 67.0));
//!
//! let best = mpc(&[true, false, true, false], &[0.9, 0.8, 0.7, 0.1], &campaign)?;
//! assert_eq!((best.mpc, best.fraction, best.threshold), (25.25, 0.75, Some(0.7)));
//!
//! // A contact reserves 10 + 1, so 25 is enough for two; a customer more is chosen, and one of the three held out.
//! let config = ContactConfig { budget: Some(25.0), control_share: 0.3, ..ContactConfig::default() };
//! let list = contact_list(["a", "b", "c", "d"], &[0.9, 0.8, 0.7, 0.6], None, &config)?;
//! assert_eq!((list.contacts, list.controls, list.reserved_budget), (2, 1, 22.0));
//! assert_eq!(list.entries.iter().map(|entry| entry.customer_id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
//! # Ok::<(), churn::Error>(())
//! ```

mod contacts;
mod curve;
mod empc;
#[cfg(feature = "subscriptions")]
mod lifetime;
mod outcome;
mod savings;

use serde::Serialize;

pub use contacts::{Contact, ContactConfig, ContactGroup, ContactList, RankBy, contact_list, mail_field};
pub use curve::{Mpc, ProfitCurve, ProfitPoint, curve, expected_curve, mpc};
pub use empc::{Empc, EmpcConfig, empc};
#[cfg(feature = "subscriptions")]
pub use lifetime::{DunningRow, subscription_value, write_dunning};
pub use outcome::{CampaignOutcome, Group, OutcomeConfig, campaign_outcome};
pub use savings::{Costs, CustomerCosts, Savings, SavingsConfig, cost_thresholds, savings};

use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::objects::objects;
use crate::segments::check_probability;

/// The costs and the success rate of a retention campaign. All amounts are in the same currency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Campaign {
    /// V, the lifetime value of a customer who stays, 0 to 10^12; default 200. It may be below the cost of the incentive;
    /// then contacting never pays.
    pub clv: f64,
    /// d, the cost of the incentive for each customer who takes it, 0 to 10^12; default 10.
    pub incentive_cost: f64,
    /// f, the cost of contacting a customer, 0 to 10^12; default 1.
    pub contact_cost: f64,
    /// γ, the share of the contacted churners who accept and stay, 0 to 1; default 0.3.
    pub success_rate: f64,
}

objects! { @default Campaign { clv, incentive_cost, contact_cost, success_rate } }

impl Default for Campaign {
    fn default() -> Self {
        Campaign { clv: 200.0, incentive_cost: 10.0, contact_cost: 1.0, success_rate: 0.3 }
    }
}

impl Campaign {
    /// Computes the expected profit of contacting a customer, p · γ · (V − d) − (1 − p) · d − f, in the currency of the costs.
    /// `value` is this customer's V, 0 to 10^12, instead of `clv`.
    ///
    /// # Errors
    /// `invalid_probability`, `invalid_parameter`.
    pub fn expected_profit(&self, probability: f64, value: f64) -> Result<f64> {
        self.check()?;
        check_probability(probability)?;
        check_money("value", value)?;
        Ok(self.profit(probability, value))
    }

    /// The probability above which the expected profit of contacting a customer of value `clv` is above 0,
    /// (d + f) / (γ · (V − d) + d). None if contacting does not even pay for a certain churner, γ · (V − d) ≤ f.
    ///
    /// With the default settings it is 11 / (0.3 · 190 + 10) = 0.164.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn threshold(&self) -> Result<Option<f64>> {
        self.check()?;
        let Campaign { clv, incentive_cost, contact_cost, success_rate } = *self;
        let kept = success_rate * (clv - incentive_cost);
        Ok((kept > contact_cost).then(|| (incentive_cost + contact_cost) / (kept + incentive_cost)))
    }

    fn check(&self) -> Result<()> {
        check_costs(self.clv, self.incentive_cost, self.contact_cost)?;
        if !(0.0..=1.0).contains(&self.success_rate) {
            return Err(invalid_parameter("success_rate", self.success_rate, "0 to 1"));
        }
        Ok(())
    }

    fn profit(&self, probability: f64, value: f64) -> f64 {
        let Campaign { incentive_cost, contact_cost, success_rate, .. } = *self;
        probability * success_rate * (value - incentive_cost) - (1.0 - probability) * incentive_cost - contact_cost
    }

    /// The value and the expected profit of each customer. Without `values`, `clv` is the value of all.
    fn profits(&self, probabilities: &[f64], values: Option<&[f64]>) -> Result<Vec<(f64, f64)>> {
        self.check()?;
        if let Some(values) = values
            && values.len() != probabilities.len()
        {
            let message = format!(
                "{} probabilities and {} values; expected one of each a customer",
                probabilities.len(),
                values.len()
            );
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        let profit_of = |row: usize| {
            let value = values.map_or(self.clv, |values| values[row]);
            check_probability(probabilities[row])?;
            check_money(&format!("the value of row {}", row + 1), value)?;
            Ok((value, self.profit(probabilities[row], value)))
        };
        (0..probabilities.len())
            .map(|row| profit_of(row).map_err(|error: Error| error.at_line(row as u64 + 1)))
            .collect()
    }
}

fn check_costs(clv: f64, incentive_cost: f64, contact_cost: f64) -> Result<()> {
    check_money("clv", clv)?;
    check_money("incentive_cost", incentive_cost)?;
    check_money("contact_cost", contact_cost)
}

fn check_money(name: &str, given: f64) -> Result<()> {
    if (0.0..=1e12).contains(&given) {
        return Ok(());
    }
    Err(invalid_parameter(name, given, "0 to 10^12"))
}
