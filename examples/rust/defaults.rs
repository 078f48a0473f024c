//! Accuracy of each configuration out of time on four real logs: at each of several days a model learns from what was
//! known by then and scores the customers that its definition covers; then the outcome is looked up. Nothing that is judged
//! was seen by the model that is judged.
//!
//! `cargo run --release --example defaults -- DATA_DIR OUT_DIR [LOG…]`, where DATA_DIR holds the unpacked files and a LOG is
//! one of cdnow, online_retail, rails, staged_recipes. It prints a table a log and writes the covered customers of each day
//! with their outcome and each configuration's probability, and the log, to OUT_DIR for `examples/python/bgnbd.py`.
#![allow(clippy::print_stdout, reason = "printing is what an example does")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use churn::{
    Day, EvaluationConfig, Events, FeatureConfig, FeatureSet, Input, LabelConfig, ModelKind, TableConfig, Thresholds,
    TrainConfig, evaluate, features, labels, segment_table, train, train_table,
};
use churn_examples::data::{Result, Retail, read_cdnow, read_contributors, read_online_retail, snapshots};

/// A log and the days at which it is judged.
struct Log {
    name: &'static str,
    events: Events,
    days: Vec<Day>,
}

/// The plain configurations; the first is the default.
const CONFIGURATIONS: [(&str, ModelKind, FeatureSet); 6] = [
    ("forest, behavioral", ModelKind::RandomForest, FeatureSet::Behavioral),
    ("forest, rfm", ModelKind::RandomForest, FeatureSet::Rfm),
    ("boosting, behavioral", ModelKind::GradientBoosting, FeatureSet::Behavioral),
    ("boosting, rfm", ModelKind::GradientBoosting, FeatureSet::Rfm),
    ("logistic, behavioral", ModelKind::LogisticRegression, FeatureSet::Behavioral),
    ("logistic, rfm", ModelKind::LogisticRegression, FeatureSet::Rfm),
];
const RECENCY: &str = "recency alone";

/// Probabilities and outcomes of all days of one configuration.
#[derive(Default)]
struct Judged {
    log_losses: Vec<f64>,
    aucs: Vec<f64>,
    probabilities: Vec<f64>,
    churned: Vec<bool>,
    seconds: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, out, names @ ..] = arguments.as_slice() else {
        return Err("usage: defaults DATA_DIR OUT_DIR [LOG…]".into());
    };
    let (data, out) = (PathBuf::from(data), PathBuf::from(out));
    fs::create_dir_all(&out)?;
    for name in ["cdnow", "online_retail", "rails", "staged_recipes"] {
        if names.is_empty() || names.iter().any(|asked| asked == name) {
            judge(&read(name, &data)?, &out)?;
        }
    }
    Ok(())
}

fn read(name: &'static str, data: &Path) -> Result<Log> {
    let (events, days): (Events, Vec<String>) = match name {
        "cdnow" => {
            let months =
                ["1997-08-01", "1997-09-15", "1997-11-01", "1997-12-15", "1998-02-01", "1998-03-01", "1998-04-01"];
            (read_cdnow(data)?, months.map(str::to_owned).to_vec())
        }
        "online_retail" => {
            (read_online_retail(data, Retail::Invoices)?, (4..10).map(|month| format!("2011-{month:02}-10")).collect())
        }
        "rails" => {
            (read_contributors(data, "rails")?, (2010..=2026).step_by(2).map(|y| format!("{y}-05-01")).collect())
        }
        _ => (read_contributors(data, "staged_recipes")?, (2017..=2026).map(|y| format!("{y}-05-01")).collect()),
    };
    Ok(Log { name, events, days: days.iter().map(|day| day.parse()).collect::<std::result::Result<_, _>>()? })
}

fn judge(log: &Log, out: &Path) -> Result<()> {
    let names: Vec<&str> = CONFIGURATIONS.iter().map(|c| c.0).chain([RECENCY]).collect();
    let mut judged: Vec<Judged> = names.iter().map(|_| Judged::default()).collect();
    // The first commits to staged-recipes lie a year before the others.
    let allow = vec!["isolated_first_day".to_owned()];
    let mut csv = format!("day,customer_id,churned,{}\n", names.join(";").replace(", ", " ").replace(';', ","));
    for &day in &log.days {
        let past = log.events.truncated(day)?;
        let (history, outcome) = log.events.split_at(day);
        let truth = labels(&history, &outcome, &LabelConfig::default())?;
        let y: Vec<bool> = truth.iter().map(|(_, churned)| churned).collect();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut cutoffs = Vec::new();
        for (&(_, model, feature_set), judged) in CONFIGURATIONS.iter().zip(&mut judged) {
            let mut config = TrainConfig::default();
            (config.learning.model, config.features.feature_set) = (model, feature_set);
            config.allow = allow.clone();
            let started = Instant::now();
            let model = train(&past, &config)?;
            judged.seconds += started.elapsed().as_secs_f64();
            let predictions = model.predict(Input::from(&past).allow(&allow), Some(day))?;
            // Both have the covered customers in byte order of their ids.
            assert!(predictions.customer_ids().eq(truth.iter().map(|(id, _)| id)), "other customers than labelled");
            columns.push(predictions.churn_probabilities().to_vec());
            cutoffs = model.cutoffs().to_vec();
        }
        columns.push(by_recency(&past, &cutoffs, day)?);
        for (judged, p) in judged.iter_mut().zip(&columns) {
            let metrics = evaluate(&y, p, &EvaluationConfig::default())?;
            judged.log_losses.push(metrics.log_loss);
            judged.aucs.push(metrics.roc_auc);
            judged.probabilities.extend(p);
            judged.churned.extend(&y);
        }
        for (row, (id, churned)) in truth.iter().enumerate() {
            write!(csv, "{day},{id},{}", u8::from(churned))?;
            columns.iter().try_for_each(|p| write!(csv, ",{}", p[row]))?;
            csv.push('\n');
        }
        let losses: Vec<String> =
            judged.iter().map(|j| format!("{:.3}", j.log_losses[j.log_losses.len() - 1])).collect();
        println!(
            "{} {day}: {} customers, {} churned; {} cutoffs; log-losses {}",
            log.name,
            y.len(),
            truth.churned(),
            cutoffs.len(),
            losses.join(" ")
        );
    }
    fs::write(out.join(format!("{}.csv", log.name)), csv)?;
    write_log(log, out)?;
    print_table(&names, &judged, log.days.len())
}

/// Probabilities of a calibrated logistic regression on days since the last event and nothing else.
fn by_recency(past: &Events, cutoffs: &[Day], day: Day) -> Result<Vec<f64>> {
    let days: Vec<String> = cutoffs.iter().map(Day::to_string).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let (rows, _) = snapshots("recency", past, &days, &LabelConfig::default())?;
    let leave_out: Vec<String> = rows.table.columns().iter().map(|column| column.name.clone()).collect();
    let kept = ["customer_id", "churned", "recency_score"];
    let mut config = TableConfig {
        customer_id: Some("customer_id".to_owned()),
        leave_out: leave_out.into_iter().filter(|name| !kept.contains(&name.as_str())).collect(),
        ..TableConfig::default()
    };
    config.learning.model = ModelKind::LogisticRegression;
    let model = train_table(&rows.table, &config)?;
    let (history, _) = past.split_at(day);
    let table = features(&history, &FeatureConfig::default())?;
    let recency = table.names().position(|name| name == "recency_score").ok_or("no recency_score")?;
    let covered = table.customer_ids().zip(table.values().rows()).filter(|(_, row)| row[recency] > 0.0);
    covered.map(|(_, row)| Ok(model.probability_of(&[row[recency]])?)).collect()
}

fn write_log(log: &Log, out: &Path) -> Result<()> {
    let mut csv = String::from("customer_id,event_date,amount\n");
    for (id, day, amount, _) in log.events.iter() {
        writeln!(csv, "{id},{day},{}", amount.map_or(String::new(), |amount| amount.to_string()))?;
    }
    Ok(fs::write(out.join(format!("{}_log.csv", log.name)), csv)?)
}

fn print_table(names: &[&str], judged: &[Judged], days: usize) -> Result<()> {
    println!("\n| configuration | log-loss | AUC | seconds to train |\n|---|---|---|---|");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for (name, judged) in names.iter().zip(judged) {
        let seconds = judged.seconds / days as f64;
        println!("| {name} | {:.4} | {:.4} | {seconds:.2} |", mean(&judged.log_losses), mean(&judged.aucs));
    }
    println!("\n| band of the default | customers | predicted | observed | standard error |\n|---|---|---|---|---|");
    for row in segment_table(&judged[0].churned, &judged[0].probabilities, &Thresholds::default())? {
        let (Some(predicted), Some(observed)) = (row.mean_probability, row.observed_rate) else { continue };
        let error = (observed * (1.0 - observed) / row.customers as f64).sqrt();
        let band = row.segment.name();
        println!("| {band} | {} | {predicted:.3} | {observed:.3} | {error:.3} |", row.customers);
    }
    println!();
    Ok(())
}
