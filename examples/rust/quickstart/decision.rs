//! From risk to a decision: who is at the greatest risk and why, and whom to contact.

use std::collections::HashMap;
use std::fmt::Write as _;

use churn::profit::{ContactConfig, ContactGroup, ContactList, ProfitCurve, contact_list, expected_curve};
use churn::{Day, Events, ExplainConfig, FeatureTable, LabelConfig, Model, Predictions};

use crate::Result;
use crate::summary::{amount, count, percent};

/// The customers that the definition of churn covers today. The others have been silent for longer than it looks back: they
/// left long ago.
pub(crate) struct Scope {
    /// Their places among the predictions.
    pub(crate) rows: Vec<usize>,
    /// What each spent in the year before: what one who is kept is taken to be worth. None in a log without amounts.
    values: Option<Vec<f64>>,
    pub(crate) silent: u64,
}

const YEAR: i32 = 365;

impl Scope {
    pub(crate) fn new(events: &Events, labels: &LabelConfig, predictions: &Predictions, as_of: Day) -> Self {
        let mut pasts: HashMap<&str, (Day, f64)> = HashMap::new();
        let mut has_amounts = false;
        for (id, day, paid, _) in events.iter().filter(|event| event.1 <= as_of) {
            let (last, spent) = pasts.entry(id).or_insert((day, 0.0));
            *last = day.max(*last);
            if let Some(paid) = paid.filter(|_| day > as_of.plus(-YEAR)) {
                *spent += paid;
                has_amounts = true;
            }
        }
        let since = labels.active_since(as_of);
        let covered = |id: &str| since.is_none_or(|since| pasts.get(id).is_none_or(|past| past.0 > since));
        let ids: Vec<&str> = predictions.customer_ids().collect();
        let rows: Vec<usize> = (0..ids.len()).filter(|&row| covered(ids[row])).collect();
        // More refunds than purchases are worth nothing.
        let value = |&row: &usize| pasts.get(ids[row]).map_or(0.0, |past| past.1.max(0.0));
        let values = has_amounts.then(|| rows.iter().map(value).collect());
        Scope { silent: (ids.len() - rows.len()) as u64, rows, values }
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
        let ids: Vec<&str> = predictions.customer_ids().collect();
        let probabilities: Vec<f64> = self.rows.iter().map(|&row| predictions.churn_probabilities()[row]).collect();
        let values = self.values.as_deref();
        let curve = expected_curve(&probabilities, values, &config.campaign)?;
        let contacts = contact_list(self.rows.iter().map(|&row| ids[row]), &probabilities, values, config)?;
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
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        // Of equals those who are worth most.
        order.sort_by(|&a, &b| p[self.rows[b]].total_cmp(&p[self.rows[a]]).then(value(b).total_cmp(&value(a))));
        order.truncate(MOST);
        let rows: Vec<usize> = order.into_iter().map(|at| self.rows[at]).collect();
        let explanation = model.explain_with(&features.select(&rows), words)?;
        let mut text = String::from("\nAt the greatest risk, and why\n");
        for (i, id) in explanation.customer_ids().enumerate() {
            let reasons = explanation.reasons(i);
            let mut raising = reasons.iter().filter(|reason| reason.raises_risk);
            let mut line = |name: &str, risk: &str, why: &str| {
                let _ = writeln!(text, "  {name:<16} {risk:>8}   {why}");
            };
            let first = raising.next().map_or("nothing that raises it: it is near the base rate", |r| r.text.as_str());
            line(id, &percent(p[rows[i]]), first);
            raising.take(1).for_each(|reason| line("", "", &reason.text));
        }
        Ok(text)
    }
}

/// What the campaign is expected to earn, and the head of its list.
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
