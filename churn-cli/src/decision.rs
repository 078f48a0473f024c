//! From risk to a decision: who is at the greatest risk and why, and whom to contact.

use std::collections::HashMap;
use std::fmt::Write as _;

use churn::profit::{ContactConfig, ContactGroup, ContactList, ProfitCurve, contact_list, expected_curve};
use churn::{Day, Events, ExplainConfig, FeatureTable, ListReasons, Model, Predictions, SlippingList};

use crate::failure::Result;
use crate::summary::{amount, count, percent};

/// The value of the scored customers.
pub(crate) struct Scope {
    /// Amount that each customer spent in the year before, taken as the value of keeping the customer. None in a log without
    /// amounts.
    values: Option<Vec<f64>>,
}

const YEAR: i32 = 365;

impl Scope {
    pub(crate) fn new(events: &Events, predictions: &Predictions, as_of: Day) -> Self {
        let mut spent: HashMap<&str, f64> = HashMap::new();
        let year = events.iter().filter(|(_, day, ..)| *day <= as_of && *day > as_of.plus(-YEAR));
        for (id, _, paid, _) in year {
            if let Some(paid) = paid {
                *spent.entry(id).or_default() += paid;
            }
        }
        // More refunds than purchases are worth nothing.
        let value = |id: &str| spent.get(id).map_or(0.0, |spent| spent.max(0.0));
        Scope { values: (!spent.is_empty()).then(|| predictions.customer_ids().map(value).collect()) }
    }

    /// The assumption behind the values.
    pub(crate) fn worth(&self) -> &'static str {
        match self.values {
            Some(_) => "A customer who is kept is taken to be worth what they spent in the last 365 days.",
            None => "The log has no amounts, so every customer who is kept is taken to be worth 200.",
        }
    }

    pub(crate) fn campaign(
        &self,
        predictions: &Predictions,
        config: &ContactConfig,
    ) -> Result<(ProfitCurve, ContactList)> {
        let (probabilities, values) = (predictions.churn_probabilities(), self.values.as_deref());
        let curve = expected_curve(probabilities, values, &config.campaign)?;
        let contacts = contact_list(predictions.customer_ids(), probabilities, values, config)?;
        Ok((curve, contacts))
    }

    /// The ten at the greatest risk, each with what raises it most.
    pub(crate) fn riskiest(
        &self,
        model: &Model,
        features: &FeatureTable,
        predictions: &Predictions,
        words: &ExplainConfig,
    ) -> Result<String> {
        const MOST: usize = 10;
        let p = predictions.churn_probabilities();
        let value = |at: usize| self.values.as_ref().map_or(0.0, |values| values[at]);
        let mut rows: Vec<usize> = (0..p.len()).collect();
        // Of equals those who are worth most.
        rows.sort_by(|&a, &b| p[b].total_cmp(&p[a]).then(value(b).total_cmp(&value(a))));
        rows.truncate(MOST);
        let explanation = model.explain_with(&features.select(&rows), words)?;
        let all: Vec<usize> = (0..rows.len()).collect();
        let ListReasons { shared, rows: reasons } = explanation.list_reasons(&all);
        let mut text = String::from("\nAt the greatest risk, and why\n");
        if let Some(shared) = shared {
            let _ = writeln!(text, "  Most of them have one reason in common: {}", shared.text);
        }
        for ((i, id), reasons) in explanation.customer_ids().enumerate().zip(reasons) {
            let mut raising = reasons.iter().filter(|reason| reason.raises_risk);
            let mut line = |name: &str, risk: &str, why: &str| {
                let _ = writeln!(text, "  {name:<16} {risk:>8}   {why}");
            };
            let first = raising.next().map_or("nothing else that raises it", |r| r.text.as_str());
            line(id, &percent(p[rows[i]]), first);
            raising.take(1).for_each(|reason| line("", "", &reason.text));
        }
        Ok(text)
    }
}

/// The customers whose risk rose most, and what changed.
pub(crate) fn slipping(list: &SlippingList) -> String {
    const MOST: usize = 10;
    if list.customers.is_empty() {
        return String::new();
    }
    let mut text = format!("\nSlipping away: the risk that rose most from {} to {}\n", list.before, list.as_of);
    for customer in list.customers.iter().take(MOST) {
        let risk = format!("{} -> {}", percent(customer.probability_before), percent(customer.churn_probability));
        let value = customer.value_at_risk.map_or(String::new(), |value| format!("   {} at risk", amount(value)));
        let _ = writeln!(text, "  {:<16} {risk:>18}{value}", customer.customer_id);
        for change in &customer.changes {
            let _ = writeln!(text, "  {:<16} {:>18}   {change}", "", "");
        }
    }
    text
}

/// The expected profit of the campaign and the head of its list.
pub(crate) fn campaign(curve: &ProfitCurve, contacts: &ContactList, config: &ContactConfig, worth: &str) -> String {
    let mut text = format!(
        "\nA campaign: contact {}, incentive {}, accepted by {} of those who would leave\n",
        amount(config.campaign.contact_cost),
        amount(config.campaign.incentive_cost),
        percent(config.campaign.success_rate)
    );
    let _ = writeln!(text, "  {worth}");
    let _ = writeln!(text, "  {:<10} {:>16}", "contacted", "expected profit");
    let everybody = curve.points.last().copied();
    let at = |share: f64| curve.points.iter().rfind(|point| point.share <= share).copied();
    let mut points: Vec<_> = [0.05, 0.1, 0.25, 0.5, 0.75].into_iter().filter_map(at).chain(everybody).collect();
    points.push(curve.best);
    points.sort_by(|a, b| a.share.total_cmp(&b.share));
    points.dedup();
    for point in points {
        let mark = if point == curve.best { "  <- best" } else { "" };
        let _ = writeln!(text, "  {:<10} {:>16}{mark}", percent(point.share), amount(point.profit));
    }
    let budget = config.budget.map_or(String::new(), |budget| format!(" for a budget of {}", amount(budget)));
    let _ = writeln!(
        text,
        "  The list{budget}: {} to contact, {} held out to compare with, expected profit {}.",
        count(contacts.contacts),
        count(contacts.controls),
        amount(contacts.expected_profit)
    );
    for entry in contacts.entries.iter().filter(|entry| entry.group == ContactGroup::Contact).take(5) {
        let _ = writeln!(
            text,
            "  {:<16} {:>8} churn   worth {:>12}   expected profit {:>10}",
            entry.customer_id,
            percent(entry.churn_probability),
            amount(entry.value),
            amount(entry.expected_profit)
        );
    }
    text
}
