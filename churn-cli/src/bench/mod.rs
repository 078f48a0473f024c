//! `churn bench`: the public benchmark. Each log is judged by a backtest; other libraries learn from the same rows at the same
//! cutoffs; a page says who is how good, with intervals.

mod logs;
mod page;
mod peers;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use churn::{Backtest, BacktestRows, CutoffPredictions, Events, OverTime, Thresholds, backtest_with_rows, over_time};
use clap::Args;
use ndarray::ArrayView2;
use serde::Serialize;
use serde_json::json;

use crate::backtest::write_predictions;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::files::{Files, create_folder};
use crate::session::Session;
use crate::summary;
use logs::Log;
use peers::{PeerResult, Peers};

/// The options of `churn bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchCommand {
    /// Folder with the files of the logs
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// File that describes the logs, like churn-cli/src/bench/logs.toml [default: that file, which is part of the program]
    #[arg(long, value_name = "FILE")]
    logs: Option<PathBuf>,
    /// Name of a log to judge; can be given several times [default: all, or none with --git]
    #[arg(long, value_name = "NAME")]
    log: Vec<String>,
    /// Folder of a git repository, whose history is judged as a log; can be given several times
    #[arg(long, value_name = "DIR")]
    git: Vec<PathBuf>,
    /// Folder for the page and the results
    #[arg(long, value_name = "DIR", default_value = "churn-bench")]
    out: PathBuf,
    /// Python 3, with which the other libraries are installed and run
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Judge this library alone: nothing is installed
    #[arg(long)]
    no_peers: bool,
}

/// The result for a log.
#[derive(Serialize)]
struct Judged {
    log: Log,
    events: usize,
    customers: usize,
    backtest: Backtest,
    /// This library beside the others.
    over_time: OverTime,
    /// The versions of the other libraries, and the failures.
    peers: Vec<PeerResult>,
}

impl BenchCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        create_folder(&self.out)?;
        let peers = match self.no_peers {
            true => None,
            false => Some(Peers::install(&self.python, &self.out, session)?),
        };
        let mut judged = Vec::new();
        for log in self.chosen()? {
            session.say(&format!("\n{}\n", log.title));
            let result = self.judge(log, peers.as_ref(), session)?;
            session.say(&page::table(&result));
            judged.push(result);
        }
        let mut files = Files::new(session);
        for result in &judged {
            let chart = page::chart(&result.over_time);
            files.write(&self.out.join(format!("{}.svg", result.log.name)), |writer| {
                Ok(writer.write_all(chart.as_bytes())?)
            })?;
        }
        let page = page::page(&judged);
        files.write(&self.out.join("README.md"), |writer| Ok(writer.write_all(page.as_bytes())?))?;
        files.write(&self.out.join("results.json"), |writer| {
            Ok(serde_json::to_writer_pretty(writer, &judged).map_err(std::io::Error::from)?)
        })?;
        session.say(&summary::files(files.written(), session.elapsed()));
        session.document(&json!({ "logs": judged, "files": crate::documents::files(files.written()) }))?;
        Ok(exit::OK)
    }

    fn chosen(&self) -> Result<Vec<Log>> {
        let mut known = logs::logs(self.logs.as_deref())?;
        if let Some(unknown) = self.log.iter().find(|name| known.iter().all(|log| log.name != **name)) {
            let names: Vec<&str> = known.iter().map(|log| log.name.as_str()).collect();
            let message = format!("--log {unknown}: expected one of {}", names.join(", "));
            return Err(Failure::new(churn::ErrorKind::InvalidParameter, message));
        }
        known.retain(|log| if self.log.is_empty() { self.git.is_empty() } else { self.log.contains(&log.name) });
        for path in &self.git {
            known.push(Log::of_repository(path)?);
        }
        Ok(known)
    }

    fn judge(&self, log: Log, peers: Option<&Peers>, session: &Session<'_>) -> Result<Judged> {
        let events = log.read(&self.data, session)?;
        let config = log.config(&json!({
            "churn, gradient boosting": { "model": "gradient_boosting" },
            "churn, logistic regression, rfm": { "model": "logistic_regression", "feature_set": "rfm" },
        }))?;
        let folder = self.out.join(&log.name);
        let rows = folder.join("rows");
        create_folder(&rows)?;
        let mut visit = |shown: &BacktestRows<'_>| match peers {
            Some(_) => write_rows(&rows, shown),
            None => Ok(()),
        };
        let mut backtest = backtest_with_rows(&events, &config, &session.progress("Judging"), &mut visit)
            .map_err(|error| Failure::at(Path::new(&log.name), error))?;
        let mut files = Files::new(session);
        files.write(&folder.join("predictions.csv"), |writer| write_predictions(&backtest, writer))?;
        files.write(&folder.join("backtest.json"), |writer| {
            Ok(serde_json::to_writer(writer, &backtest).map_err(std::io::Error::from)?)
        })?;
        files.write(&folder.join("log.csv"), |writer| write_log(&events, writer))?;
        let mut predictions = backtest.predictions.take().unwrap_or_default();
        let results = match peers {
            Some(peers) => peers.judge(&folder, &mut predictions, session)?,
            None => Vec::new(),
        };
        fs::remove_dir_all(&rows).map_err(|error| Failure::io("cannot remove", &rows, &error))?;
        let over_time = judged_together(&predictions, config.training.learning.thresholds)?;
        let (events, customers) = (events.len(), events.customers());
        Ok(Judged { log, events, customers, backtest, over_time, peers: results })
    }
}

fn judged_together(predictions: &[CutoffPredictions], thresholds: Thresholds) -> Result<OverTime> {
    Ok(over_time(predictions, &thresholds)?)
}

/// The rows of a cutoff, as arrays that numpy reads.
fn write_rows(folder: &Path, rows: &BacktestRows<'_>) -> churn::Result<()> {
    let churned: Vec<f64> = rows.learn_churned.iter().map(|&churned| f64::from(u8::from(churned))).collect();
    let churned = ArrayView2::from_shape((churned.len(), 1), &churned).expect("a column");
    for (name, array) in [("learn", rows.learn), ("learn_churned", churned), ("test", rows.test)] {
        write_array(&folder.join(format!("{}.{name}.npy", rows.cutoff)), array)?;
    }
    Ok(())
}

/// Writes a matrix in numpy's format, version 1: a header of a multiple of 64 bytes, then the doubles row by row.
fn write_array(path: &Path, array: ArrayView2<'_, f64>) -> churn::Result<()> {
    let (rows, columns) = array.dim();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // Six bytes of magic, two of version, two of length; a line feed ends the header.
    let padded = (10 + header.len() + 1).div_ceil(64) * 64 - 10;
    let mut writer = std::io::BufWriter::new(fs::File::create(path)?);
    writer.write_all(b"\x93NUMPY\x01\x00")?;
    writer.write_all(&(padded as u16).to_le_bytes())?;
    writer.write_all(format!("{header:<width$}\n", width = padded - 1).as_bytes())?;
    for value in array {
        writer.write_all(&value.to_le_bytes())?;
    }
    Ok(writer.flush()?)
}

/// The customers and days of the events.
fn write_log(events: &Events, writer: &mut dyn Write) -> churn::Result<()> {
    let mut table = csv::Writer::from_writer(writer);
    table.write_record(["customer_id", "event_date"]).map_err(std::io::Error::from)?;
    for (id, day, ..) in events.iter() {
        table.write_record([id, &day.to_string()]).map_err(std::io::Error::from)?;
    }
    Ok(table.flush()?)
}
