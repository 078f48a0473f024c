//! `auto` against each of the three learners as it comes, on the five real data sets: log-loss on rows that the whole
//! training had not seen, the paired difference to the best of the three with its standard error, seconds, and what was
//! chosen, as the table of docs/accuracy.md. What was tried goes to standard error.
//!
//! `cargo run --release --example auto -- DATA_DIR [SECONDS]`, where DATA_DIR holds the unpacked files and SECONDS is what
//! `auto` may take for a training, 60 if not given.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what an example does")]

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use churn::{
    ColumnData, Events, LearnConfig, Model, ModelKind, Observer, Table, TrainConfig, labels, train_observed,
    train_table_observed,
};
use churn_examples::data::{
    Customers, Result, Retail, active_within, deal, read_cdnow, read_online_retail, read_tables, select,
};

struct Clock(Instant);

impl Observer for Clock {
    fn elapsed(&self) -> Option<Duration> {
        Some(self.0.elapsed())
    }
}

/// Result of one way of training on the judged rows of a data set.
#[derive(Default)]
struct Outcome {
    losses: Vec<f64>,
    /// Of each training.
    seconds: Vec<f64>,
    chosen: Vec<String>,
}

impl Outcome {
    /// Trains by the clock and judges the customers by what happened.
    fn add(
        &mut self,
        train: impl Fn(&Clock) -> churn::Result<Model>,
        judge: impl Fn(&Model) -> Result<Vec<(f64, bool)>>,
    ) -> Result<()> {
        let clock = Clock(Instant::now());
        let model = train(&clock)?;
        self.seconds.push(clock.0.elapsed().as_secs_f64());
        for (p, churned) in judge(&model)? {
            let p = if churned { p } else { 1.0 - p };
            self.losses.push(-p.max(1e-15).ln());
        }
        let candidates = &model.evaluation().expect("an evaluation").candidates;
        for candidate in candidates {
            let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
            eprintln!(
                "  {} {}: {} ± {}, {} s {}",
                candidate.model.name(),
                candidate.details(),
                number(candidate.log_loss),
                number(candidate.standard_error),
                number(candidate.seconds),
                candidate.failure.as_deref().unwrap_or("")
            );
        }
        if let Some(best) = candidates.first() {
            let recipe = match best.members.len() {
                0 => format!("{} {}", best.model.name(), best.details()),
                count => format!("mean of {count} recipes"),
            };
            self.chosen.push(recipe.trim_end().to_owned());
        }
        Ok(())
    }

    fn log_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }

    fn longest(&self) -> f64 {
        self.seconds.iter().copied().fold(0.0, f64::max)
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (data, seconds) = match arguments.as_slice() {
        [data] => (Path::new(data), 60.0),
        [data, seconds] => (Path::new(data), seconds.parse()?),
        _ => return Err("usage: auto DATA_DIR [SECONDS]".into()),
    };
    println!(
        "| data | rows judged | logistic | forest | boosting | auto | auto − best of the three | ± | seconds: the three, auto | chosen |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    report("cdnow_out_of_time", seconds, |learning| log(&read_cdnow(data)?, "1998-04-01", 365, learning))?;
    report("online_retail_out_of_time", seconds, |learning| {
        log(&read_online_retail(data, Retail::Lines)?, "2011-09-10", 180, learning)
    })?;
    for customers in read_tables(data)? {
        report(customers.name, seconds, |learning| table(&customers, learning))?;
    }
    Ok(())
}

/// Trained on what was known at a day, judged by what became of that day's customers.
fn log(events: &Events, day: &str, active: i32, learning: &LearnConfig) -> Result<Outcome> {
    let day = day.parse()?;
    let label_config = active_within(active);
    let config = TrainConfig { labels: label_config.clone(), learning: learning.clone(), ..TrainConfig::default() };
    let past = events.truncated(day)?;
    let (history, outcome) = events.split_at(day);
    let labels = labels(&history, &outcome, &label_config)?;
    let mut result = Outcome::default();
    result.add(
        |clock| train_observed(&past, &config, clock),
        |model| {
            let predictions = model.predict(&past, Some(day))?;
            let p: HashMap<&str, f64> =
                predictions.customer_ids().zip(predictions.churn_probabilities().iter().copied()).collect();
            Ok(labels.iter().map(|(id, churned)| (p[id], churned)).collect())
        },
    )?;
    Ok(result)
}

/// Five folds, each judged by a model of the other four.
fn table(customers: &Customers, learning: &LearnConfig) -> Result<Outcome> {
    let table = &customers.table;
    let parts = deal(table.rows());
    let churned = outcomes(table, customers.label)?;
    let mut outcome = Outcome::default();
    for part in 0..5 {
        let (learn, test) = (select(table, |i| parts[i] != part)?, select(table, |i| parts[i] == part)?);
        let truth = (0..table.rows()).filter(|&i| parts[i] == part).map(|i| churned[i]);
        outcome.add(
            |clock| train_table_observed(&learn, &customers.config(learning.clone()), clock),
            |model| {
                let predictions = model.predict_table(&test, None)?;
                Ok(predictions.churn_probabilities().iter().copied().zip(truth.clone()).collect())
            },
        )?;
    }
    Ok(outcome)
}

/// The label column as it was read: numbers, or words for yes and no.
fn outcomes(table: &Table, label: &str) -> Result<Vec<bool>> {
    Ok(match table.column(label)? {
        ColumnData::Numeric(values) => values.iter().map(|&value| value == 1.0).collect(),
        ColumnData::Boolean(values) => values.iter().map(|&value| value == Some(true)).collect(),
        ColumnData::Categorical(values) => values.iter().map(|value| value.as_deref() == Some("Yes")).collect(),
    })
}

/// A row of the table.
fn report(name: &str, budget: f64, outcome: impl Fn(&LearnConfig) -> Result<Outcome>) -> Result<()> {
    let single = |model| outcome(&LearnConfig { model, ..LearnConfig::default() });
    let three = ModelKind::LEARNERS.map(single).into_iter().collect::<Result<Vec<Outcome>>>()?;
    eprintln!("{name}");
    let auto = outcome(&LearnConfig { model: ModelKind::Auto, time_budget: Some(budget), ..LearnConfig::default() })?;
    let best = three.iter().min_by(|a, b| a.log_loss().total_cmp(&b.log_loss())).ok_or("three learners")?;
    let n = auto.losses.len() as f64;
    let mean = auto.log_loss() - best.log_loss();
    let deviation = |(a, b): (&f64, &f64)| (a - b - mean) * (a - b - mean);
    let error = (auto.losses.iter().zip(&best.losses).map(deviation).sum::<f64>()).sqrt() / n;
    let losses: Vec<String> = three.iter().map(|outcome| format!("{:.4}", outcome.log_loss())).collect();
    let seconds: Vec<String> = three.iter().map(|outcome| format!("{:.1}", outcome.longest())).collect();
    let mut chosen: Vec<(String, usize)> = Vec::new();
    for recipe in &auto.chosen {
        match chosen.iter_mut().find(|(other, _)| other == recipe) {
            Some((_, times)) => *times += 1,
            None => chosen.push((recipe.clone(), 1)),
        }
    }
    let chosen: Vec<String> = chosen
        .into_iter()
        .map(|(recipe, times)| if auto.chosen.len() > 1 { format!("{times} × {recipe}") } else { recipe })
        .collect();
    println!(
        "| {name} | {n} | {} | {:.4} | {mean:+.4} | {error:.4} | {}, {:.1} | {} |",
        losses.join(" | "),
        auto.log_loss(),
        seconds.join(", "),
        auto.longest(),
        chosen.join("; ")
    );
    Ok(())
}
