//! The other libraries: two virtual environments of Python, because lifetimes needs versions from before those of the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use churn::{CutoffPredictions, ErrorKind};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::session::Session;

const SCRIPT: &str = include_str!("peers.py");

/// The environment of the learners.
pub(super) const LEARNERS: &str = "learners";
/// The environment of BG/NBD, which needs the log of a customer.
pub(super) const LIFETIMES: &str = "lifetimes";

/// Name of an environment, and what is installed in it.
const ENVIRONMENTS: [(&str, &[&str]); 2] = [
    (LEARNERS, &["lightgbm==4.7.0", "xgboost==3.2.0", "scikit-learn==1.9.1", "pandas"]),
    (LIFETIMES, &["lifetimes==0.11.3", "numpy<2", "pandas<2.2", "scipy<1.12"]),
];

/// The result of the libraries of an environment on a log.
#[derive(Serialize)]
pub(super) struct PeerResult {
    name: &'static str,
    /// The versions of the libraries.
    pub(super) versions: serde_json::Map<String, serde_json::Value>,
    /// The message of the error, if the libraries failed.
    pub(super) failure: Option<String>,
}

impl PeerResult {
    /// The name of the environment.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

/// The environments, ready to run.
pub(super) struct Peers {
    folder: PathBuf,
    script: PathBuf,
}

impl Peers {
    /// Installs the libraries into environments in a folder, unless they are there.
    pub(super) fn install(python: &Path, out: &Path, session: &Session<'_>) -> Result<Self> {
        let folder = out.join("environments");
        let script = folder.join("peers.py");
        crate::files::create_folder(&folder)?;
        fs::write(&script, SCRIPT).map_err(|error| Failure::io("cannot write", &script, &error))?;
        let peers = Peers { folder, script };
        for (name, packages) in ENVIRONMENTS {
            let done = peers.folder.join(name).join("installed");
            if fs::read_to_string(&done).is_ok_and(|installed| installed == packages.join(" ")) {
                continue;
            }
            session.say(&format!("Installing {}\n", packages.join(", ")));
            run(Command::new(python).args(["-m", "venv"]).arg(peers.folder.join(name)), session)?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            run(Command::new(peers.python(name)).args(pip).args(packages), session)?;
            fs::write(&done, packages.join(" ")).map_err(|error| Failure::io("cannot write", &done, &error))?;
        }
        Ok(peers)
    }

    fn python(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") }
    }

    /// Runs the libraries of some environments on the rows of a log or table and adds their probabilities. A library that fails is left out and named.
    pub(super) fn judge(
        &self,
        folder: &Path,
        environments: &[&'static str],
        predictions: &mut [CutoffPredictions],
        session: &Session<'_>,
    ) -> Result<Vec<PeerResult>> {
        let mut results = Vec::new();
        for &name in environments {
            let mut command = Command::new(self.python(name));
            command.arg(&self.script).arg(name).arg(folder);
            let found = run(&mut command, session).and_then(|()| read(folder, name, predictions));
            session.check_interrupted()?;
            let (versions, failure) = match found {
                Ok(versions) => (versions, None),
                Err(failure) => (serde_json::Map::new(), Some(failure.message)),
            };
            results.push(PeerResult { name, versions, failure });
        }
        Ok(results)
    }
}

/// Adds the columns of FOLDER/NAME.csv to the predictions, and returns the versions in FOLDER/NAME.json.
fn read(
    folder: &Path,
    name: &str,
    predictions: &mut [CutoffPredictions],
) -> Result<serde_json::Map<String, serde_json::Value>> {
    let path = folder.join(format!("{name}.csv"));
    let failed = |what: String| Failure::new(ErrorKind::Io, format!("{}: {what}", path.display()));
    let mut reader = csv::Reader::from_path(&path).map_err(|error| failed(error.to_string()))?;
    let names = reader.headers().map_err(|error| failed(error.to_string()))?.clone();
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for record in reader.records() {
        let record = record.map_err(|error| failed(error.to_string()))?;
        for (column, field) in columns.iter_mut().zip(&record) {
            let p = field.parse().ok().filter(|p| (0.0..=1.0).contains(p));
            column.push(p.ok_or_else(|| failed(format!("{field:?} is no probability")))?);
        }
    }
    let rows: usize = predictions.iter().map(|of| of.churned.len()).sum();
    if columns.iter().any(|column| column.len() != rows) {
        return Err(failed(format!("expected {rows} rows")));
    }
    let mut from = 0;
    for of in predictions {
        let to = from + of.churned.len();
        for (name, column) in names.iter().zip(&columns) {
            of.against.insert(name.to_owned(), column[from..to].to_vec());
        }
        from = to;
    }
    let path = folder.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).map_err(|error| Failure::io("cannot read", &path, &error))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// Runs a program to its end. It is killed if the user ends the work.
fn run(command: &mut Command, session: &Session<'_>) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |what: &str| Failure::new(ErrorKind::Io, format!("{name}: {what}"));
    let log = std::env::temp_dir().join(format!("churn-bench-{}.log", std::process::id()));
    let stderr = fs::File::create(&log).map_err(|error| Failure::io("cannot write", &log, &error))?;
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().map_err(|error| failed(&format!("cannot be run: {error}")))?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| failed(&error.to_string()))? {
            break status;
        }
        if let Err(interrupted) = session.check_interrupted() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted);
        }
        thread::sleep(Duration::from_millis(50));
    };
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    if status.success() { Ok(()) } else { Err(failed(&format!("failed: {last}"))) }
}
