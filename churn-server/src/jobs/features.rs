//! Feature engineering: from the rows of a data set to its file of features.

use std::io::{Read, Write};
use std::sync::Arc;

use churn::{
    CheckedCsv, Day, Events, FeatureConfig, FeatureStream, FeatureTable, Finding, IngestReport, LabelConfig, Observer,
    ReadOptions, check_csv, check_for_features,
};
use serde::{Deserialize, Serialize};

use super::{Control, JobFailure, JobResult, Result, blocking, payload};
use crate::data::{Data, DataForm};
use crate::state::AppState;
use crate::storage::{Location, put_written};
use crate::store::Job;

/// Payload of a feature job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeaturesPayload {
    /// Location of the rows in the storage.
    pub file_key: String,
    /// Kind of the data, with the options for reading the rows.
    pub read: DataForm,
    /// Definition of churn for the check of the rows. None if there are too many rows to hold in memory, and for a job of an
    /// older version that did not check.
    #[serde(default)]
    pub definition: Option<LabelConfig>,
    /// Codes of findings that do not stop the job.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// Facts about the data set, collected while the features were made.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) customers: i64,
    pub(crate) features: i64,
    pub(crate) first_day: Day,
    pub(crate) last_day: Day,
    pub(crate) bad_rows: i64,
    pub(crate) findings: Option<Vec<Finding>>,
}

impl Facts {
    fn of(
        table: &FeatureTable,
        first_day: Day,
        last_day: Day,
        report: &IngestReport,
        findings: Option<Vec<Finding>>,
    ) -> Self {
        Facts {
            customers: table.rows() as i64,
            features: table.specs().len() as i64,
            first_day,
            last_day,
            bad_rows: report.bad as i64,
            findings,
        }
    }
}

/// Reads the data of a file in storage, and the usage events of subscriptions.
pub(super) async fn read_data(
    state: &AppState,
    file_key: &str,
    form: DataForm,
    usage: Option<(String, ReadOptions)>,
    control: &Arc<Control>,
) -> Result<Data> {
    let at: Location = file_key.parse()?;
    let content = state.storage.get(&at).await?;
    control.reads(content.size);
    let (reader, observer) = (content.reader(), control.clone());
    let mut data = blocking(move || Ok(form.read(reader, &*observer)?)).await?;
    if let (Data::Subscriptions { usage: events, .. }, Some((key, options))) = (&mut data, usage) {
        let found = read(state, &key, options, control).await;
        *events = Some(Box::new(found.map_err(|failure| match failure.error().code() {
            "object_not_found" => {
                JobFailure::permanent("dataset_not_found", "the data set of the usage events was deleted meanwhile")
            }
            _ => failure,
        })?));
    }
    Ok(data)
}

/// Reads the log of a file in storage.
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

/// Writes the features of the customers at the last day of the rows as CSV: `rfm` of every customer of a log, and those of the
/// customers with a running subscription.
pub(super) async fn run(state: &AppState, job: &Job, control: &Arc<Control>) -> Result<JobResult> {
    let FeaturesPayload { file_key, read: options, definition, allow } = payload(job)?;
    let at: Location = file_key.parse()?;
    let file = state.storage.get(&at).await?;
    control.reads(file.size);
    let (reader, observer) = (file.reader(), control.clone());
    let (table, facts) = match (options, definition) {
        (DataForm::Events(options), None) => {
            let again = state.storage.get(&at).await?.reader();
            blocking(move || streamed(reader, again, &options, &*observer)).await?
        }
        (form, definition) => {
            let definition = definition.unwrap_or_default();
            blocking(move || checked(reader, &form, &definition, &allow, &*observer)).await?
        }
    };
    if control.cancelled() {
        return Err(JobFailure::cancelled());
    }
    control.progress("write", 0, 1);
    let at = Location::features(&job.org_id, &job.subject_id)?;
    let write = move |writer: &mut dyn Write| -> Result<()> { Ok(table.write_csv(writer)?) };
    put_written(&*state.storage, &at, "text/csv", u64::MAX, write).await?;
    Ok(JobResult::Features { dataset_id: job.subject_id.clone(), features_key: at.to_string(), facts })
}

/// Returns the features and the findings of data that are held in memory.
fn checked(
    reader: impl Read + Send,
    form: &DataForm,
    definition: &LabelConfig,
    allow: &[String],
    observer: &dyn Observer,
) -> Result<(FeatureTable, Facts)> {
    let data = form.read(reader, observer)?;
    let findings = check_for_features(data.source(&[], false), definition, allow)?;
    observer.progress("features", 0, 1);
    let table = data.features(definition.allowed_gap_days)?;
    let facts = Facts::of(&table, data.first_day(), data.last_day(), data.report(), Some(findings));
    Ok((table, facts))
}

/// Returns the features of a log of any length. The log is read twice: once to find its last day, and once for the features. So
/// memory grows with the number of customers and not with the rows.
fn streamed(
    first: impl Read,
    again: impl Read,
    options: &ReadOptions,
    observer: &dyn Observer,
) -> Result<(FeatureTable, Facts)> {
    observer.progress("check", 0, 1);
    let CheckedCsv { report, first_day, last_day } = check_csv(first, options)?;
    let mut stream = FeatureStream::new(last_day, &FeatureConfig::default())?;
    stream.read_csv_observed(again, options, observer)?;
    observer.progress("features", 0, 1);
    let table = stream.finish()?;
    let facts = Facts::of(&table, first_day, last_day, &report, None);
    Ok((table, facts))
}
