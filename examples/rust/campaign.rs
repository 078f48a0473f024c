//! Profit of a budgeted list on outcomes that were held out: chosen by expected profit, by probability alone, and by what
//! the customers spent.
//!
//! `cargo run --release --example campaign -- DATA_DIR`, where DATA_DIR holds `cdnow_master.txt` and `online_retail.csv`.
//!
//! A model learns from what was known at a cutoff, scores the customers of that day, and lists spend the same budget on them. Then the future is looked at: a contacted churner earns γ(V − d) − f, anybody else −(d + f), with each customer's
//! spending in the year before as V and the costs of Verbeke et al. 2012 (d = 10, f = 1, γ = 0.3).
#![allow(clippy::print_stdout, reason = "printing is what an example does")]

use std::collections::HashMap;
use std::path::PathBuf;

use churn::profit::{Campaign, ContactConfig, RankBy, contact_list};
use churn::{Day, Events, LearnConfig, ModelKind, TrainConfig, labels, train};
use churn_examples::data::{Result, Retail, active_within, read_cdnow, read_online_retail};

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [data] = arguments.as_slice() else { return Err("usage: campaign DATA_DIR".into()) };
    println!("| log | learner | budget | contacts | by expected profit | by probability | by spending | everybody |");
    println!("|---|---|---|---|---|---|---|---|");
    let cdnow = read_cdnow(data)?;
    judge("CDNOW", &cdnow, "1998-04-01", 365)?;
    let retail = read_online_retail(data, Retail::Lines)?;
    judge("Online Retail", &retail, "2011-09-10", 180)
}

fn judge(name: &str, events: &Events, cutoff: &str, active: i32) -> Result<()> {
    let cutoff: Day = cutoff.parse()?;
    let config = active_within(active);
    let (history, outcome) = events.split_at(cutoff);
    let churned: HashMap<String, bool> =
        labels(&history, &outcome, &config)?.iter().map(|(id, churned)| (id.to_owned(), churned)).collect();
    let past = events.truncated(cutoff)?;
    let spent = spent_in_the_year_before(&past, cutoff);

    for kind in ModelKind::LEARNERS {
        let learning = LearnConfig { model: kind, ..LearnConfig::default() };
        let model = train(&past, &TrainConfig { labels: config.clone(), learning, ..TrainConfig::default() })?;
        let predictions = model.predict(&past, Some(cutoff))?;
        // Whom the definition covers: the others left long ago.
        let (mut ids, mut probabilities, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for prediction in predictions.iter().filter(|prediction| churned.contains_key(&prediction.customer_id)) {
            values.push(spent.get(&prediction.customer_id).copied().unwrap_or(0.0));
            probabilities.push(prediction.churn_probability);
            ids.push(prediction.customer_id);
        }
        let worth: HashMap<&str, f64> = ids.iter().map(String::as_str).zip(values.iter().copied()).collect();
        let earned = |budget: Option<f64>, rank_by: RankBy| -> Result<(u64, f64)> {
            let config = ContactConfig { budget, rank_by, control_share: 0.0, ..ContactConfig::default() };
            let list = contact_list(ids.iter().map(String::as_str), &probabilities, Some(&values), &config)?;
            let earns = |id: &str| realised(&config.campaign, churned[id], worth[id]);
            Ok((list.contacts, list.entries.iter().map(|entry| earns(&entry.customer_id)).sum()))
        };
        let (_, everybody) = earned(None, RankBy::Probability)?;
        let cost = Campaign::default().contact_cost + Campaign::default().incentive_cost;
        for share in [0.05, 0.1, 0.2, 0.4] {
            let budget = (share * ids.len() as f64).ceil() * cost;
            let (contacts, by_profit) = earned(Some(budget), RankBy::ExpectedProfit)?;
            let (_, by_probability) = earned(Some(budget), RankBy::Probability)?;
            // As many customers without any model: those who spent most.
            let mut order: Vec<&String> = ids.iter().collect();
            order.sort_by(|a, b| worth[b.as_str()].total_cmp(&worth[a.as_str()]).then(a.cmp(b)));
            order.truncate(contacts as usize);
            let earns = |id: &&String| realised(&Campaign::default(), churned[*id], worth[id.as_str()]);
            let by_spending: f64 = order.iter().map(earns).sum();
            println!(
                "| {name} | {} | {budget:.0} | {contacts} | {by_profit:.0} | {by_probability:.0} | {by_spending:.0} | {everybody:.0} |",
                kind.name()
            );
        }
    }
    Ok(())
}

/// Profit of contacting a customer, once it is known whether they would have churned.
fn realised(campaign: &Campaign, churned: bool, value: f64) -> f64 {
    let Campaign { incentive_cost, contact_cost, success_rate, .. } = *campaign;
    if churned { success_rate * (value - incentive_cost) - contact_cost } else { -incentive_cost - contact_cost }
}

fn spent_in_the_year_before(events: &Events, day: Day) -> HashMap<String, f64> {
    let mut spent: HashMap<String, f64> = HashMap::new();
    for (id, _, amount, _) in events.iter().filter(|event| event.1 > day.plus(-365)) {
        *spent.entry(id.to_owned()).or_insert(0.0) += amount.unwrap_or(0.0);
    }
    spent.values_mut().for_each(|spent| *spent = spent.max(0.0));
    spent
}
