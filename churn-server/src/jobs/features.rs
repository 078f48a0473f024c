//! From the rows of a data set to its file of features.

use std::io::Write;
use std::sync::Arc;

use churn::{
    CheckedCsv, Day, Events, FeatureConfig, FeatureStream, Finding, LabelConfig, Observer, ReadOptions, check_csv,
    check_for_features,
};
use serde::{Deserialize, Serialize};

use super::{Control, Failure, Made, Result, blocking, payload};
use crate::state::AppState;
use crate::storage::{Location, put_written};
use crate::store::Job;

/// What the handler is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeaturesPayload {
    /// Where the rows are.
    pub file_key: String,
    /// How they are read.
    pub read: ReadOptions,
    /// What churn means, for the check of the rows; none where they are too many to be held in memory for it, and for a job
    /// of a version that did not check.
    #[serde(default)]
    pub definition: Option<LabelConfig>,
    /// Codes of findings that may not stop the job.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// What was found out on the way.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) customers: i64,
    pub(crate) features: i64,
    pub(crate) first_day: Day,
    pub(crate) last_day: Day,
    pub(crate) bad_rows: i64,
    pub(crate) findings: Option<Vec<Finding>>,
}

/// The log of a file in storage.
pub(super) async fn read(
    state: &AppState,
    file_key: &str,
    options: ReadOptions,
    control: &Arc<Control>,
) -> Result<Events> {
    let at: Location = file_key.parse()?;
    let content = state.storage.get(&at).await?;
    control.reads(content.size);
    let (reader, observer) = (content.reader(), control.clone());
    blocking(move || Ok(Events::from_csv_observed(reader, &options, &*observer)?)).await
}

/// The `rfm` features of every customer at the last day of the rows, as CSV. The file is read twice: once to check it and to know
/// that day, and once for the features. Rows are held in memory only while they are checked.
pub(super) async fn run(state: &AppState, job: &Job, control: &Arc<Control>) -> Result<Made> {
    let FeaturesPayload { file_key, read: options, definition, allow } = payload(job)?;
    let at: Location = file_key.parse()?;
    let (first, second) = (state.storage.get(&at).await?, state.storage.get(&at).await?);
    let bytes = first.size;
    control.reads(bytes);
    let (first, second, observer) = (first.reader(), second.reader(), control.clone());
    let (table, facts) = blocking(move || {
        observer.progress("check", 0, 1);
        let (CheckedCsv { report, first_day, last_day }, findings) = match definition {
            None => (check_csv(first, &options)?, None),
            Some(definition) => {
                let events = Events::from_csv_observed(first, &options, &Checking(&*observer, bytes))?;
                let findings = check_for_features(&events, &definition, &allow)?;
                let (first_day, last_day) = (events.first_day(), events.last_day());
                (CheckedCsv { report: events.report().clone(), first_day, last_day }, Some(findings))
            }
        };
        let mut stream = FeatureStream::new(last_day, &FeatureConfig::default())?;
        stream.read_csv_observed(second, &options, &*observer)?;
        observer.progress("features", 0, 1);
        let table = stream.finish()?;
        let facts = Facts {
            customers: table.rows() as i64,
            features: table.specs().len() as i64,
            first_day,
            last_day,
            bad_rows: report.bad as i64,
            findings,
        };
        Ok((table, facts))
    })
    .await?;
    if control.cancelled() {
        return Err(Failure::cancelled());
    }
    control.progress("write", 0, 1);
    let at = Location::features(&job.org_id, &job.subject_id)?;
    let write = move |writer: &mut dyn Write| -> Result<()> { Ok(table.write_csv(writer)?) };
    put_written(&*state.storage, &at, "text/csv", u64::MAX, write).await?;
    Ok(Made::Features { dataset_id: job.subject_id.clone(), features_key: at.to_string(), facts })
}

/// The reading of the check, of so many bytes, as a stage of its own.
struct Checking<'a>(&'a dyn Observer, u64);

impl Observer for Checking<'_> {
    fn progress(&self, _: &'static str, done: u64, _: u64) {
        self.0.progress("check", done, self.1);
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
