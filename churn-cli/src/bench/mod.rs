//! `churn bench`: the public benchmark. Each log is judged by a backtest, each table in five folds; other libraries learn from
//! the same rows; a page says who is how good, with intervals.

mod logs;
mod page;
mod peers;
mod tables;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use churn::profit::Savings;
use churn::{Backtest, BacktestRows, Events, OverTime, Thresholds, backtest_with_rows, over_time};
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
use logs::{Log, Subjects};
use peers::{LEARNERS, LIFETIMES, PeerResult, Peers};
use tables::CustomerTable;

/// The options of `churn bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchCommand {
    /// Folder with the files of the logs
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// File that describes the logs, like churn-cli/src/bench/logs.toml [default: that file, which is part of the program]
    #[arg(long, value_name = "FILE")]
    logs: Option<PathBuf>,
    /// Name of a log or table to judge; can be given several times [default: all, or none with --git]
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

/// The result for a log or a table.
#[derive(Serialize)]
struct Judged {
    name: String,
    title: String,
    source: String,
    licence: String,
    sha256: Option<String>,
    /// Events of a log, rows of a table.
    rows: usize,
    customers: usize,
    /// None for a table, which is judged in five folds.
    backtest: Option<Backtest>,
    /// This library beside the others, over cutoffs or folds.
    over_time: OverTime,
    /// The versions of the other libraries, and the failures.
    peers: Vec<PeerResult>,
    /// The savings of each contestant at the costs of each customer, if there are some; the default first, without a name.
    savings: Vec<(String, Savings)>,
}

impl BenchCommand {
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<u8> {
        create_folder(&self.out)?;
        let peers = match self.no_peers {
            true => None,
            false => Some(Peers::install(&self.python, &self.out, session)?),
        };
        let mut judged = Vec::new();
        let mut add = |result: Judged| {
            session.say(&format!("\n{}\n{}", result.title, page::table(&result)));
            judged.push(result);
        };
        let chosen = self.chosen()?;
        for log in chosen.log {
            add(self.judge(log, peers.as_ref(), session)?);
        }
        for table in chosen.table {
            add(self.judge_table(table, peers.as_ref(), session)?);
        }
        let mut files = Files::new(session);
        for result in &judged {
            let chart = page::chart(result);
            files.write(&self.out.join(format!("{}.svg", result.name)), |writer| {
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

    fn chosen(&self) -> Result<Subjects> {
        let mut known = logs::subjects(self.logs.as_deref())?;
        if let Some(unknown) = self.log.iter().find(|asked| known.names().all(|name| name != **asked)) {
            let names: Vec<&str> = known.names().collect();
            let message = format!("--log {unknown}: expected one of {}", names.join(", "));
            return Err(Failure::new(churn::ErrorKind::InvalidParameter, message));
        }
        let asked = |name: &String| if self.log.is_empty() { self.git.is_empty() } else { self.log.contains(name) };
        known.log.retain(|log| asked(&log.name));
        known.table.retain(|table| asked(&table.name));
        for path in &self.git {
            known.log.push(Log::of_repository(path)?);
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
        files.write(&folder.join("predictions.csv"), |writer| {
            write_predictions(backtest.predictions.as_deref().unwrap_or_default(), writer)
        })?;
        files.write(&folder.join("backtest.json"), |writer| {
            Ok(serde_json::to_writer(writer, &backtest).map_err(std::io::Error::from)?)
        })?;
        files.write(&folder.join("log.csv"), |writer| write_log(&events, writer))?;
        let mut predictions = backtest.predictions.take().unwrap_or_default();
        let results = match peers {
            Some(peers) => peers.judge(&folder, &[LEARNERS, LIFETIMES], &mut predictions, session)?,
            None => Vec::new(),
        };
        fs::remove_dir_all(&rows).map_err(|error| Failure::io("cannot remove", &rows, &error))?;
        Ok(Judged {
            name: log.name,
            title: log.title,
            source: log.source,
            licence: log.licence,
            sha256: log.sha256,
            rows: events.len(),
            customers: events.customers(),
            backtest: Some(backtest),
            over_time: over_time(&predictions, &config.training.learning.thresholds)?,
            peers: results,
            savings: Vec::new(),
        })
    }

    fn judge_table(&self, table: CustomerTable, peers: Option<&Peers>, session: &Session<'_>) -> Result<Judged> {
        let rows = table.read(&self.data)?;
        let folder = self.out.join(&table.name);
        let shown = folder.join("rows");
        create_folder(&shown)?;
        let mut predictions = table.judge(&rows, &shown, session)?;
        let mut files = Files::new(session);
        files.write(&folder.join("predictions.csv"), |writer| write_predictions(&predictions, writer))?;
        let results = match peers {
            Some(peers) => peers.judge(&folder, &[LEARNERS], &mut predictions, session)?,
            None => Vec::new(),
        };
        fs::remove_dir_all(&shown).map_err(|error| Failure::io("cannot remove", &shown, &error))?;
        Ok(Judged {
            savings: rows.savings(&predictions)?,
            name: table.name,
            title: table.title,
            source: table.source,
            licence: table.licence,
            sha256: table.sha256,
            rows: rows.len(),
            customers: rows.len(),
            backtest: None,
            over_time: over_time(&predictions, &Thresholds::default())?,
            peers: results,
        })
    }
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
