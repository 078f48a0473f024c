//! The logs of the benchmark: their descriptions, and how each becomes events.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use churn::{BacktestConfig, ErrorKind, Events, Json, ReadOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::tables::CustomerTable;
use crate::arguments::from_settings;
use crate::failure::{Failure, Result};
use crate::session::Session;

/// The logs that the program knows.
const KNOWN: &str = include_str!("logs.toml");

/// A log of the benchmark. The file `logs.toml` explains the keys.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) source: String,
    pub(super) licence: String,
    #[serde(default)]
    pub(super) sha256: Option<String>,
    #[serde(default)]
    file: String,
    #[serde(default)]
    prepare: Option<Prepare>,
    #[serde(default)]
    product: Vec<String>,
    #[serde(default)]
    read: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
    /// The folder of a repository, whose history is the log.
    #[serde(skip)]
    git: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Prepare {
    Spaces,
    Lines,
}

/// The logs and tables of the benchmark.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subjects {
    #[serde(default)]
    pub(super) log: Vec<Log>,
    #[serde(default)]
    pub(super) table: Vec<CustomerTable>,
}

/// Reads the descriptions of logs and tables: those of a file, or those that the program knows.
pub(super) fn subjects(file: Option<&Path>) -> Result<Subjects> {
    let text = match file {
        Some(path) => fs::read_to_string(path).map_err(|error| Failure::io("cannot read", path, &error))?,
        None => KNOWN.to_owned(),
    };
    let name = file.map_or("logs.toml".to_owned(), |path| path.display().to_string());
    let subjects: Subjects =
        toml::from_str(&text).map_err(|error| Failure::new(ErrorKind::InvalidParameter, format!("{name}: {error}")))?;
    if let Some(wrong) = subjects.names().find(|name| !is_file_name(name)) {
        let message = format!("{name}: the name {wrong:?}; expected letters, digits, - and _");
        return Err(Failure::new(ErrorKind::InvalidParameter, message));
    }
    Ok(subjects)
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

impl Subjects {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.log.iter().map(|log| log.name.as_str()).chain(self.table.iter().map(|table| table.name.as_str()))
    }
}

impl Log {
    /// The history of a repository as a log: an event for each commit that is no merge.
    pub(super) fn of_repository(path: &Path) -> Result<Self> {
        let whole = path.canonicalize().map_err(|error| Failure::io("cannot find", path, &error))?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Log {
            name: name.chars().map(|c| if is_file_name(&c.to_string()) { c } else { '_' }).collect(),
            title: format!("Contributors to the repository {name}"),
            source: "the history of a git repository".to_owned(),
            licence: "that of the repository; people are running numbers".to_owned(),
            sha256: None,
            file: String::new(),
            prepare: None,
            product: Vec::new(),
            read: serde_json::Map::new(),
            settings: serde_json::Map::new(),
            git: Some(whole),
        })
    }

    /// The settings of the backtest. `against` are the other recipes.
    pub(super) fn config(&self, against: &serde_json::Value) -> Result<BacktestConfig> {
        let mut settings = self.settings.clone();
        settings.insert("predictions".to_owned(), true.into());
        settings.insert("against".to_owned(), against.clone());
        let Json::Object(settings) = json_of(&settings)? else { unreachable!("an object stays one") };
        let config: BacktestConfig = from_settings(settings)?;
        config.check()?;
        Ok(config)
    }

    /// Reads the events.
    pub(super) fn read(&self, folder: &Path, session: &Session<'_>) -> Result<Events> {
        session.check_interrupted()?;
        let (csv, options) = match &self.git {
            Some(repository) => (history(repository)?, ReadOptions::default()),
            None => (self.prepared(folder)?, self.options()?),
        };
        Events::from_csv(&csv[..], &options).map_err(|error| Failure::at(Path::new(&self.name), error))
    }

    fn options(&self) -> Result<ReadOptions> {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::new(ErrorKind::InvalidParameter, format!("the log {}: read: {error}", self.name))
        };
        serde_json::from_value(serde_json::Value::Object(self.read.clone())).map_err(|error| wrong(&error))
    }

    /// The file as CSV that the reader takes.
    fn prepared(&self, folder: &Path) -> Result<Vec<u8>> {
        let bytes = unpacked_and_checked(folder, &FileSource { file: &self.file, sha256: self.sha256.as_deref() })?;
        match self.prepare {
            None => Ok(bytes),
            Some(Prepare::Spaces) => Ok(spaces_to_commas(&String::from_utf8_lossy(&bytes))),
            Some(Prepare::Lines) => self.lines(&bytes),
        }
    }

    /// Rows of an invoice: their amount is the product of two columns.
    fn lines(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let failed = |error: csv::Error| Failure::new(ErrorKind::Io, format!("{}: {error}", self.file));
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(failed)?.clone();
        let at = |name: &str| {
            let missing = || Failure::new(ErrorKind::MissingColumn, format!("{}: no column {name:?}", self.file));
            header.iter().position(|column| column == name).ok_or_else(missing)
        };
        let columns = self.read.get("columns").and_then(|columns| columns.get("customer_id"));
        let customer = at(columns.and_then(serde_json::Value::as_str).unwrap_or("customer_id"))?;
        let factors = self.product.iter().map(|name| at(name)).collect::<Result<Vec<usize>>>()?;
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(header.iter().chain(["amount"])).map_err(failed)?;
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let numbers: Vec<f64> = factors.iter().map(|&at| record[at].parse().unwrap_or(f64::NAN)).collect();
            if !record[customer].is_empty() && numbers[0] > 0.0 {
                let amount: f64 = numbers.iter().product();
                writer.write_record(record.iter().chain([amount.to_string().as_str()])).map_err(failed)?;
            }
        }
        writer.into_inner().map_err(|error| Failure::new(ErrorKind::Io, error.to_string()))
    }
}

fn json_of(value: &impl Serialize) -> Result<Json> {
    let text = serde_json::to_string(value).map_err(|error| Failure::new(ErrorKind::Io, error.to_string()))?;
    Json::parse(&text).map_err(|error| Failure::new(ErrorKind::Io, error.to_string()))
}

/// A file in the folder of the data, with its checksum.
pub(super) struct FileSource<'a> {
    pub(super) file: &'a str,
    pub(super) sha256: Option<&'a str>,
}

/// The bytes of a file, whose checksum must be the one that is known.
pub(super) fn unpacked_and_checked(folder: &Path, source: &FileSource<'_>) -> Result<Vec<u8>> {
    let bytes = unpacked(&folder.join(source.file))?;
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    match source.sha256.filter(|expected| *expected != sum) {
        None => Ok(bytes),
        Some(expected) => {
            let message =
                format!("{}: the checksum is {sum}; expected {expected}, as the results are of that file", source.file);
            Err(Failure::new(ErrorKind::Io, message))
        }
    }
}

/// The bytes of a file, or of FILE.xz.
fn unpacked(path: &Path) -> Result<Vec<u8>> {
    if path.exists() {
        return fs::read(path).map_err(|error| Failure::io("cannot read", path, &error));
    }
    let packed = PathBuf::from(format!("{}.xz", path.display()));
    if !packed.exists() {
        let message = format!("there is neither {} nor {}; --data names the folder", path.display(), packed.display());
        return Err(Failure::new(ErrorKind::Io, message));
    }
    output(Command::new("xz").arg("-dc").arg(&packed), "xz")
}

/// Runs a program and returns its output.
fn output(command: &mut Command, name: &str) -> Result<Vec<u8>> {
    let output =
        command.output().map_err(|error| Failure::new(ErrorKind::Io, format!("cannot run {name}: {error}")))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            let message = format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            Err(Failure::new(ErrorKind::Io, message))
        }
    }
}

fn spaces_to_commas(text: &str) -> Vec<u8> {
    // The header of CDNOW lies on the first line; its names are those of `read`.
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(","));
    lines.collect::<Vec<String>>().join("\n").into_bytes()
}

/// A line per commit that is no merge: a running number of its author and its day in UTC. Names and addresses are not kept.
fn history(repository: &Path) -> Result<Vec<u8>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(repository).args(["log", "--no-merges", "--use-mailmap", "--format=%at %aE"]);
    let text = output(&mut git, "git")?;
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut csv = String::from("customer_id,event_date\n");
    // From the oldest commit on, so that a person keeps the number when the history grows.
    for line in String::from_utf8_lossy(&text).lines().rev() {
        let Some((seconds, author)) = line.split_once(' ') else { continue };
        let Some(day) = seconds
            .parse::<i64>()
            .ok()
            .and_then(|seconds| i32::try_from(seconds.div_euclid(86_400)).ok().and_then(churn::Day::new))
        else {
            continue;
        };
        let next = numbers.len();
        let number = *numbers.entry(author.to_lowercase()).or_insert(next);
        csv.push_str(&format!("P{number:05},{day}\n"));
    }
    Ok(csv.into_bytes())
}
