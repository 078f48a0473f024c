//! Data sets: uploaded files and their features.

use churn::{Day, Finding};
use serde_json::{Map, Value};
use sqlx::FromRow;

use super::{JsonText, PageQuery, Paged, Store, Tx, on_pool, on_tx, text_enum};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

text_enum! {
    /// Status of a data set.
    DatasetStatus {
        /// The file is in storage.
        Uploaded = "uploaded",
        /// Its features are being made.
        Processing = "processing",
        /// Its features are in storage.
        FeaturesReady = "features_ready",
        /// Its features could not be made; the error says why.
        Error = "error",
    }
}

text_enum! {
    /// Kind of the data of a data set.
    DataKind {
        /// A log of events, one per row.
        Events = "events",
        /// The periods of subscriptions, one per row, or the export of a known system.
        Subscriptions = "subscriptions",
    }
}

/// A row of `datasets`.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct DatasetRow {
    /// Id of the data set.
    pub id: String,
    /// Organization of the data set.
    pub org_id: String,
    /// File name that the sender gave the file.
    pub filename: Option<String>,
    /// Kind of its data.
    pub kind: DataKind,
    /// Status of the data set.
    pub status: DatasetStatus,
    /// True if the file has the label column.
    pub has_churn_label: bool,
    /// Number of rows of the file, without the header.
    pub row_count: i64,
    /// Number of rows that could not be read.
    pub bad_rows: i64,
    /// Size of the file in bytes.
    pub bytes: i64,
    /// Location of the file, in the text form of [`Location`](crate::storage::Location).
    pub file_key: String,
    /// Location of the features.
    pub features_key: Option<String>,
    /// Number of customers in the features.
    pub customers: Option<i64>,
    /// Number of feature columns.
    pub features: Option<i64>,
    /// First day of the data, `YYYY-MM-DD`.
    pub first_day: Option<String>,
    /// Last day of the data, `YYYY-MM-DD`.
    pub last_day: Option<String>,
    /// The newest job that made, or tries to make, its features.
    pub job_id: Option<String>,
    /// Code of the error that stopped the features.
    pub error_code: Option<String>,
    /// Message of that error.
    pub error_message: Option<String>,
    /// Line of the file that caused the error.
    pub error_line: Option<i64>,
    /// Findings that stopped the features.
    pub error_findings: Option<JsonText<Vec<Finding>>>,
    /// Findings of the check before the features were made; None if it was not checked.
    pub findings: Option<JsonText<Vec<Finding>>>,
    /// Reading options that differ from those of the organization.
    pub read_options: Option<JsonText<Map<String, Value>>>,
    /// Time of the upload.
    pub created_at: Stamp,
    /// Time of the last change.
    pub updated_at: Stamp,
}

/// A stored file that becomes a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDataset<'a> {
    /// Id of the data set; its key in the storage contains it.
    pub id: &'a str,
    /// Organization of the data set.
    pub org_id: &'a str,
    /// File name that the sender gave the file.
    pub filename: Option<&'a str>,
    /// Kind of its data.
    pub kind: DataKind,
    /// True if the file has the label column.
    pub has_churn_label: bool,
    /// Number of rows of the file, without the header.
    pub row_count: i64,
    /// Number of rows that could not be read.
    pub bad_rows: i64,
    /// Size of the file in bytes.
    pub bytes: i64,
    /// Location of the file.
    pub file_key: &'a str,
}

/// Result of the job that makes features.
#[derive(Clone, Debug, PartialEq)]
pub struct FeaturesMade<'a> {
    /// Location of the features.
    pub features_key: &'a str,
    /// Number of customers in the features.
    pub customers: i64,
    /// Number of feature columns.
    pub features: i64,
    /// First day of the data.
    pub first_day: Day,
    /// Last day of the data.
    pub last_day: Day,
    /// Number of rows that were left out.
    pub bad_rows: i64,
    /// Findings of the check; None for a log that is too large to be checked.
    pub findings: Option<&'a [Finding]>,
}

impl Store {
    /// Returns a data set of an organization.
    ///
    /// # Errors
    /// `dataset_not_found`.
    pub async fn dataset(&self, org_id: &str, id: &str) -> Result<DatasetRow> {
        const SQL: &str = "SELECT * FROM datasets WHERE org_id = $1 AND id = $2";
        let found = on_pool!(self.reachable_pool()?, db => sqlx::query_as::<_, DatasetRow>(SQL).bind(org_id).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| not_found(org_id, id))
    }

    /// Returns the data sets of an organization, newest first.
    pub async fn datasets(
        &self,
        org_id: &str,
        status: Option<DatasetStatus>,
        page: PageQuery,
    ) -> Result<Paged<DatasetRow>> {
        const COUNT: &str = "SELECT COUNT(*) FROM datasets WHERE org_id = $1 AND ($2 IS NULL OR status = $2)";
        const SQL: &str = "SELECT * FROM datasets WHERE org_id = $1 AND ($2 IS NULL OR status = $2) \
             ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4";
        let status = status.map(DatasetStatus::name);
        let (total, rows) = on_pool!(self.reachable_pool()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).bind(status).fetch_one(db).await?,
            sqlx::query_as::<_, DatasetRow>(SQL)
                .bind(org_id).bind(status).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }
}

impl Tx {
    /// Inserts a new data set, whose file is already in storage.
    pub async fn insert_dataset(&mut self, new: &NewDataset<'_>) -> Result<()> {
        const SQL: &str = "INSERT INTO datasets (id, org_id, filename, status, has_churn_label, row_count, bad_rows, bytes, \
             file_key, created_at, updated_at, kind) VALUES ($1, $2, $3, 'uploaded', $4, $5, $6, $7, $8, $9, $9, $10)";
        self.confirm_file(new.file_key).await?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(new.id).bind(new.org_id).bind(new.filename).bind(new.has_churn_label)
            .bind(new.row_count).bind(new.bad_rows).bind(new.bytes).bind(new.file_key).bind(Stamp::now()).bind(new.kind)
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Stores reading options of a data set that differ from those of the organization.
    pub async fn dataset_read_options(&mut self, id: &str, options: &Map<String, Value>) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET read_options = $2 WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(JsonText(options)).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a data set as being processed by the accepted job.
    pub async fn dataset_processing(&mut self, id: &str, job_id: &str) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET status = 'processing', job_id = $2, updated_at = $3, \
             error_code = NULL, error_message = NULL, error_line = NULL, error_findings = NULL WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(job_id).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks the features of a data set as ready; they are in storage.
    pub async fn dataset_ready(&mut self, id: &str, made: &FeaturesMade<'_>) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET status = 'features_ready', features_key = $2, customers = $3, features = $4, \
             first_day = $5, last_day = $6, bad_rows = $7, updated_at = $8, findings = $9, \
             error_code = NULL, error_message = NULL, error_line = NULL, error_findings = NULL WHERE id = $1";
        self.confirm_file(made.features_key).await?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(made.features_key).bind(made.customers).bind(made.features)
            .bind(made.first_day.to_string()).bind(made.last_day.to_string()).bind(made.bad_rows).bind(Stamp::now())
            .bind(made.findings.map(JsonText))
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a data set as failed, for a reason in the data or in the settings.
    pub async fn dataset_failed(&mut self, id: &str, error: &ApiError) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET status = 'error', updated_at = $2, error_code = $3, error_message = $4, \
             error_line = $5, error_findings = $6 WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(Stamp::now()).bind(error.code()).bind(error.message()).bind(error.line()).bind(error.findings())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Resets the status of a data set after its job was cancelled, as if no features had been requested.
    pub async fn dataset_cancelled(&mut self, id: &str) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET updated_at = $2, \
             status = CASE WHEN features_key IS NULL THEN 'uploaded' ELSE 'features_ready' END \
             WHERE id = $1 AND status = 'processing'";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Locks a data set until the end of the transaction, so that an accepted job refers to an existing one.
    ///
    /// # Errors
    /// `dataset_not_found` if it was deleted meanwhile.
    pub async fn lock_dataset(&mut self, id: &str) -> Result<DatasetRow> {
        const SQL: &str = "UPDATE datasets SET id = id WHERE id = $1 RETURNING *";
        let held: Option<DatasetRow> = on_tx!(self, db => sqlx::query_as(SQL).bind(id).fetch_optional(db).await)?;
        held.ok_or_else(|| deleted(id))
    }

    /// Deletes a data set, its batches and backtests, and their jobs. Stops trainings on it; models stay. Records the files that
    /// no row refers to any more, and returns their keys.
    ///
    /// # Errors
    /// `dataset_not_found`.
    pub async fn delete_dataset(&mut self, org_id: &str, id: &str) -> Result<Vec<String>> {
        const DATASET: &str = "DELETE FROM datasets WHERE org_id = $1 AND id = $2 RETURNING file_key, features_key";
        const BATCHES: &str = "DELETE FROM prediction_batches WHERE org_id = $1 AND dataset_id = $2 RETURNING file_key";
        const BACKTESTS: &str = "DELETE FROM backtests WHERE org_id = $1 AND dataset_id = $2 RETURNING result_key";
        // Jobs are deleted before their subjects, because a worker that ends a job takes its locks in the same order.
        self.delete_jobs_on_dataset(org_id, id).await?;
        let gone: Option<(String, Option<String>)> =
            on_tx!(self, db => sqlx::query_as(DATASET).bind(org_id).bind(id).fetch_optional(db).await)?;
        let (file_key, features_key) = gone.ok_or_else(|| not_found(org_id, id))?;
        // No more jobs are accepted from here on. This deletes those accepted since the first call.
        self.delete_jobs_on_dataset(org_id, id).await?;
        let mut made: Vec<Option<String>> = Vec::new();
        for sql in [BATCHES, BACKTESTS] {
            made.extend(on_tx!(self, db => sqlx::query_scalar(sql).bind(org_id).bind(id).fetch_all(db).await)?);
        }
        let files: Vec<String> = [Some(file_key), features_key].into_iter().chain(made).flatten().collect();
        self.release_files(&files).await?;
        Ok(files)
    }
}

fn not_found(org_id: &str, id: &str) -> ApiError {
    ApiError::not_found("dataset_not_found", format!("the organization {org_id:?} has no data set {id:?}"))
}

/// Returns the error for a data set that was deleted meanwhile.
pub(super) fn deleted(id: &str) -> ApiError {
    ApiError::not_found("dataset_not_found", format!("the data set {id:?} was deleted just now"))
}
