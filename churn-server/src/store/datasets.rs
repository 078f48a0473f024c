//! Data sets: uploaded files, and what became of them.

use churn::{Day, Finding};
use serde_json::{Map, Value};
use sqlx::FromRow;

use super::{JsonText, Page, Paged, Store, Tx, on_pool, on_tx, text_enum};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

text_enum! {
    /// How a data set stands.
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

/// A row of `datasets`.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Dataset {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub org_id: String,
    /// What the file was called by who sent it.
    pub filename: Option<String>,
    /// How it stands.
    pub status: DatasetStatus,
    /// Whether it has the column of labels.
    pub has_churn_label: bool,
    /// Rows of the file without its header.
    pub row_count: i64,
    /// Of them, how many could not be read.
    pub bad_rows: i64,
    /// Size of the file.
    pub bytes: i64,
    /// Where the file is, as [`Location`](crate::storage::Location) writes it.
    pub file_key: String,
    /// Where its features are.
    pub features_key: Option<String>,
    /// Customers in the features.
    pub customers: Option<i64>,
    /// Columns of the features.
    pub features: Option<i64>,
    /// First day of an event, `YYYY-MM-DD`.
    pub first_day: Option<String>,
    /// Last day of an event.
    pub last_day: Option<String>,
    /// The newest job that made its features, or tries to.
    pub job_id: Option<String>,
    /// Why its features could not be made.
    pub error_code: Option<String>,
    /// The same in words.
    pub error_message: Option<String>,
    /// The line of the file at fault.
    pub error_line: Option<i64>,
    /// The findings that stopped the features.
    pub error_findings: Option<JsonText<Vec<Finding>>>,
    /// The findings of the check before the features were made; none where it was not checked.
    pub findings: Option<JsonText<Vec<Finding>>>,
    /// Options of reading that differ from those of the organization.
    pub read_options: Option<JsonText<Map<String, Value>>>,
    /// When it was uploaded.
    pub created_at: Stamp,
    /// When it last changed.
    pub updated_at: Stamp,
}

/// A file that has been stored and is to become a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDataset<'a> {
    /// Its id, which its key in storage carries.
    pub id: &'a str,
    /// Whose it is.
    pub org_id: &'a str,
    /// What the file was called by who sent it.
    pub filename: Option<&'a str>,
    /// Whether it has the column of labels.
    pub has_churn_label: bool,
    /// Rows of the file without its header.
    pub row_count: i64,
    /// Of them, how many could not be read.
    pub bad_rows: i64,
    /// Size of the file.
    pub bytes: i64,
    /// Where the file is.
    pub file_key: &'a str,
}

/// What the job of features found out.
#[derive(Clone, Debug, PartialEq)]
pub struct FeaturesMade<'a> {
    /// Where the features are.
    pub features_key: &'a str,
    /// Customers in the features.
    pub customers: i64,
    /// Columns of the features.
    pub features: i64,
    /// First day of an event.
    pub first_day: Day,
    /// Last day of an event.
    pub last_day: Day,
    /// Rows that were left out.
    pub bad_rows: i64,
    /// The findings of the check; none for a log that is too large to be checked.
    pub findings: Option<&'a [Finding]>,
}

impl Store {
    /// A data set of an organization.
    ///
    /// # Errors
    /// `dataset_not_found`.
    pub async fn dataset(&self, org_id: &str, id: &str) -> Result<Dataset> {
        const SQL: &str = "SELECT * FROM datasets WHERE org_id = $1 AND id = $2";
        let found = on_pool!(self.up()?, db => sqlx::query_as::<_, Dataset>(SQL).bind(org_id).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| not_found(org_id, id))
    }

    /// The data sets of an organization, newest first.
    pub async fn datasets(&self, org_id: &str, status: Option<DatasetStatus>, page: Page) -> Result<Paged<Dataset>> {
        const COUNT: &str = "SELECT COUNT(*) FROM datasets WHERE org_id = $1 AND ($2 IS NULL OR status = $2)";
        const SQL: &str = "SELECT * FROM datasets WHERE org_id = $1 AND ($2 IS NULL OR status = $2) \
             ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4";
        let status = status.map(DatasetStatus::name);
        let (total, rows) = on_pool!(self.up()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).bind(status).fetch_one(db).await?,
            sqlx::query_as::<_, Dataset>(SQL)
                .bind(org_id).bind(status).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }
}

impl Tx {
    /// A new data set; its file is in storage already.
    pub async fn insert_dataset(&mut self, new: &NewDataset<'_>) -> Result<()> {
        const SQL: &str = "INSERT INTO datasets (id, org_id, filename, status, has_churn_label, row_count, bad_rows, bytes, \
             file_key, created_at, updated_at) VALUES ($1, $2, $3, 'uploaded', $4, $5, $6, $7, $8, $9, $9)";
        self.keep_file(new.file_key).await?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(new.id).bind(new.org_id).bind(new.filename).bind(new.has_churn_label)
            .bind(new.row_count).bind(new.bad_rows).bind(new.bytes).bind(new.file_key).bind(Stamp::now())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Keeps options of reading that differ for this data set from those of the organization.
    pub async fn dataset_read_options(&mut self, id: &str, options: &Map<String, Value>) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET read_options = $2 WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(JsonText(options)).execute(db).await.map(drop))?;
        Ok(())
    }

    /// A job has been accepted that makes its features.
    pub async fn dataset_processing(&mut self, id: &str, job_id: &str) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET status = 'processing', job_id = $2, updated_at = $3, \
             error_code = NULL, error_message = NULL, error_line = NULL, error_findings = NULL WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(job_id).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Its features are in storage.
    pub async fn dataset_ready(&mut self, id: &str, made: &FeaturesMade<'_>) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET status = 'features_ready', features_key = $2, customers = $3, features = $4, \
             first_day = $5, last_day = $6, bad_rows = $7, updated_at = $8, findings = $9, \
             error_code = NULL, error_message = NULL, error_line = NULL, error_findings = NULL WHERE id = $1";
        self.keep_file(made.features_key).await?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(made.features_key).bind(made.customers).bind(made.features)
            .bind(made.first_day.to_string()).bind(made.last_day.to_string()).bind(made.bad_rows).bind(Stamp::now())
            .bind(made.findings.map(JsonText))
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Its features could not be made, for a reason that lies in the data or in the settings.
    pub async fn dataset_failed(&mut self, id: &str, error: &ApiError) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET status = 'error', updated_at = $2, error_code = $3, error_message = $4, \
             error_line = $5, error_findings = $6 WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(Stamp::now()).bind(error.code()).bind(error.message()).bind(error.line()).bind(error.findings())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// The job that made its features was called off: it stands as if none had been asked for.
    pub async fn dataset_cancelled(&mut self, id: &str) -> Result<()> {
        const SQL: &str = "UPDATE datasets SET updated_at = $2, \
             status = CASE WHEN features_key IS NULL THEN 'uploaded' ELSE 'features_ready' END \
             WHERE id = $1 AND status = 'processing'";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Keeps a data set as it stands until the end of the transaction, so that what is accepted speaks of one that is there.
    ///
    /// # Errors
    /// `dataset_not_found` if it was deleted meanwhile.
    pub async fn hold_dataset(&mut self, id: &str) -> Result<Dataset> {
        const SQL: &str = "UPDATE datasets SET id = id WHERE id = $1 RETURNING *";
        let held: Option<Dataset> = on_tx!(self, db => sqlx::query_as(SQL).bind(id).fetch_optional(db).await)?;
        held.ok_or_else(|| deleted(id))
    }

    /// Forgets a data set, its batches, and the jobs of these; trainings on it are stopped, their models stay. Records the
    /// files that no row refers to any more, and returns their keys.
    ///
    /// # Errors
    /// `dataset_not_found`.
    pub async fn delete_dataset(&mut self, org_id: &str, id: &str) -> Result<Vec<String>> {
        const DATASET: &str = "DELETE FROM datasets WHERE org_id = $1 AND id = $2 RETURNING file_key, features_key";
        const BATCHES: &str = "DELETE FROM prediction_batches WHERE org_id = $1 AND dataset_id = $2 RETURNING file_key";
        // Jobs before what they are about: a worker that ends one takes its locks in this order too.
        self.delete_jobs_on_dataset(org_id, id).await?;
        let gone: Option<(String, Option<String>)> =
            on_tx!(self, db => sqlx::query_as(DATASET).bind(org_id).bind(id).fetch_optional(db).await)?;
        let (file_key, features_key) = gone.ok_or_else(|| not_found(org_id, id))?;
        // Nothing more is accepted from here on; this takes what was accepted since the first time.
        self.delete_jobs_on_dataset(org_id, id).await?;
        let batches: Vec<Option<String>> =
            on_tx!(self, db => sqlx::query_scalar(BATCHES).bind(org_id).bind(id).fetch_all(db).await)?;
        let files: Vec<String> = [Some(file_key), features_key].into_iter().chain(batches).flatten().collect();
        self.release_files(&files).await?;
        Ok(files)
    }
}

fn not_found(org_id: &str, id: &str) -> ApiError {
    ApiError::not_found("dataset_not_found", format!("the organization {org_id:?} has no data set {id:?}"))
}

/// What is said where it was there a moment ago.
pub(super) fn deleted(id: &str) -> ApiError {
    ApiError::not_found("dataset_not_found", format!("the data set {id:?} was deleted just now"))
}
