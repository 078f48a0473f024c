//! `churn backtest`: a recipe judged at every cutoff that a log allows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use churn::{Backtest, BacktestConfig, CutoffPredictions, ErrorKind, Estimate, Json, PairedResult, backtest_observed};
use clap::Args;
use serde_json::json;

use crate::arguments::{FileArgs, ReadArgs, TrainArgs, from_settings, number, setting};
use crate::failure::{Failure, Result};
use crate::files::Files;
use crate::reading::{Log, read_log};
use crate::session::Session;
use crate::{documents, exit, summary};

/// The options of `churn backtest`.
#[derive(Args, Debug)]
pub(crate) struct BacktestCommand {
    #[command(flatten)]
    file: FileArgs,
    /// File for the result, in JSON
    #[arg(long, value_name = "FILE", default_value = "backtest.json")]
    out: PathBuf,
    /// File for the predictions of every customer at every cutoff, in CSV [default: none is written]
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Days from one cutoff to the next, 1 to 3650 [default: the horizon]
    #[arg(long, value_name = "DAYS")]
    step_days: Option<i32>,
    /// Largest number of cutoffs, 1 to 1000; the latest are judged [default: all]
    #[arg(long, value_name = "N")]
    most_cutoffs: Option<usize>,
    /// Another recipe, judged on the same customers: its name and a setting that differs, such as boosting:model=gradient_boosting;
    /// can be given several times
    #[arg(long, value_name = "NAME:SETTING=VALUE", value_parser = other)]
    against: Vec<(String, (String, Json))>,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    training: TrainArgs,
}

impl BacktestCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        let config = self.config()?;
        self.check_files()?;
        let path = &self.file.file;
        let Log { events, found: form } = read_log(path, &self.reading, session)?;
        let found = backtest_observed(&events, &config, &session.progress("Judging"))?;
        session.say(&summary(&found));
        let mut files = Files::new(session);
        files.write(&self.out, |writer| Ok(serde_json::to_writer(writer, &found).map_err(std::io::Error::from)?))?;
        if let Some(path) = &self.predictions {
            files.write(path, |writer| write_predictions(found.predictions.as_deref().unwrap_or_default(), writer))?;
        }
        session.say(&summary::files(files.written(), session.elapsed()));
        session.document(&json!({
            "input": documents::input(path, &events, &form),
            "backtest": found,
            "files": documents::files(files.written()),
        }))?;
        Ok(exit::OK)
    }

    /// Refuses files that could not be written, or would replace each other, before the work is done.
    fn check_files(&self) -> Result<()> {
        let invalid = |message: String| Err(Failure::new(ErrorKind::InvalidParameter, message));
        if let Some(predictions) = self.predictions.as_ref().filter(|path| **path == self.out) {
            return invalid(format!("--predictions is {}; expected another file than --out", predictions.display()));
        }
        for (option, path) in [("--out", Some(&self.out)), ("--predictions", self.predictions.as_ref())] {
            let folder = path.and_then(|path| path.parent()).filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return invalid(format!("{option}: there is no folder {}", folder.display()));
            }
        }
        const COLUMNS: [&str; 4] = ["cutoff", "customer_id", "churned", "churn_probability"];
        match self.against.iter().find(|(name, _)| COLUMNS.contains(&name.as_str())) {
            Some((name, _)) => invalid(format!(
                "--against names a recipe {name:?}; expected a name that is no column of --predictions"
            )),
            None => Ok(()),
        }
    }

    fn config(&self) -> Result<BacktestConfig> {
        let mut settings = self.training.settings();
        let mut add = |name: &str, value: Option<Json>| settings.extend(value.map(|value| (name.to_owned(), value)));
        add("step_days", self.step_days.map(number));
        add("most_cutoffs", self.most_cutoffs.map(|most| Json::Unsigned(most as u64)));
        add("predictions", Some(Json::Boolean(self.predictions.is_some())));
        let mut others: BTreeMap<&str, Vec<(String, Json)>> = BTreeMap::new();
        for (name, setting) in &self.against {
            others.entry(name).or_default().push(setting.clone());
        }
        let others = others.into_iter().map(|(name, settings)| (name.to_owned(), Json::Object(settings)));
        add("against", (!self.against.is_empty()).then(|| Json::Object(others.collect())));
        let config: BacktestConfig = from_settings(settings).map_err(|failure| {
            let message = failure.message.replacen("--set: against.", "--against: ", 1);
            Failure { message, ..failure }
        })?;
        config.check()?;
        Ok(config)
    }
}

/// Reads `NAME:SETTING=VALUE`.
fn other(text: &str) -> std::result::Result<(String, (String, Json)), &'static str> {
    let (name, rest) =
        text.split_once(':').ok_or("expected NAME:SETTING=VALUE, such as boosting:model=gradient_boosting")?;
    Ok((name.trim().to_owned(), setting(rest)?))
}

/// The rows, the means and the differences in text.
fn summary(found: &Backtest) -> String {
    let over_time = &found.over_time;
    let mut text = summary::findings(&found.findings);
    let _ = writeln!(text, "\nChurn: {}", found.definition);
    let _ = writeln!(
        text,
        "\n  {:<11} {:>9} {:>8} {:>9} {:>9} {:>7} {:>8} {:>7}",
        "cutoff", "customers", "churned", "expected", "snapshots", "AUC", "recency", "logloss"
    );
    for row in &over_time.cutoffs {
        let recency = row.recency_auc.map_or("–".to_owned(), |auc| format!("{auc:.3}"));
        let _ = writeln!(
            text,
            "  {:<11} {:>9} {:>8} {:>9.0} {:>9} {:>7.3} {recency:>8} {:>7.4}",
            row.cutoff.to_string(),
            summary::count(row.customers),
            summary::count(row.churned),
            row.expected,
            row.learned_from.len(),
            row.roc_auc,
            row.log_loss
        );
    }
    let cutoffs = over_time.cutoffs.len();
    let plural = if cutoffs == 1 { "" } else { "s" };
    let caution = match cutoffs {
        1 => "; of one cutoff they say nothing about other times",
        2 | 3 => "; from so few cutoffs, how much results change over time is known badly",
        _ => "",
    };
    let _ = writeln!(text, "\nMeans over {cutoffs} cutoff{plural}, with 95 % intervals{caution}");
    let mut line = |name: &str, of: &Estimate| {
        let _ = writeln!(text, "  {name:<36} {:>8.4}   {:.4} to {:.4}", of.mean, of.low, of.high);
    };
    line("AUC", &over_time.roc_auc);
    if let Some(recency) = &over_time.recency_auc {
        line("AUC of recency alone", recency);
    }
    line("log-loss", &over_time.log_loss);
    line("Brier score", &over_time.brier);
    line("lift in the riskiest tenth", &over_time.lift_10);
    line("churn rate", &over_time.base_rate);
    line("predicted minus observed churn rate", &over_time.predicted_minus_observed);
    text.push_str("\nThe recipe minus another one, on the same customers\n");
    for PairedResult { name, roc_auc, log_loss, cutoffs_won, .. } in &over_time.against {
        let loss = log_loss
            .map_or(String::new(), |of| format!(", log-loss {:+.4} ({:+.4} to {:+.4})", of.mean, of.low, of.high));
        let _ = writeln!(
            text,
            "  {name:<28} AUC {:+.4} ({:+.4} to {:+.4}), higher at {cutoffs_won} of {cutoffs}{loss}",
            roc_auc.mean, roc_auc.low, roc_auc.high
        );
    }
    if !found.skipped.is_empty() {
        text.push('\n');
    }
    for skipped in &found.skipped {
        let _ = writeln!(text, "  Not judged at {}: {}", skipped.cutoff, skipped.reason);
    }
    text
}

/// A line per customer and cutoff: `cutoff, customer_id, churned, churn_probability` and a column per other recipe.
pub(crate) fn write_predictions(predictions: &[CutoffPredictions], writer: &mut dyn Write) -> churn::Result<()> {
    let names = predictions.first().map_or_else(Vec::new, |of| of.against.keys().map(String::as_str).collect());
    let mut table = csv::Writer::from_writer(writer);
    let head = ["cutoff", "customer_id", "churned", "churn_probability"];
    table.write_record(head.into_iter().chain(names)).map_err(std::io::Error::from)?;
    for of in predictions {
        for (row, id) in of.customer_ids.iter().enumerate() {
            let fields = [of.cutoff.to_string(), id.clone(), u8::from(of.churned[row]).to_string()];
            let probabilities = std::iter::once(&of.churn_probability).chain(of.against.values());
            let probabilities = probabilities.map(|p| p[row].to_string());
            table.write_record(fields.into_iter().chain(probabilities)).map_err(std::io::Error::from)?;
        }
    }
    Ok(table.flush()?)
}
