//! Batches of predictions: their input, their model and their results.

use std::collections::BTreeMap;

use churn::{Coverage, Finding, Segment, SlippingList};
use sqlx::FromRow;

use super::{JsonText, PageQuery, Paged, Store, Tx, on_pool, on_tx, text_enum};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

text_enum! {
    /// Status of a batch.
    BatchStatus {
        /// The job is waiting or running.
        Processing = "processing",
        /// The file is in storage.
        Completed = "completed",
        /// The batch could not be scored; the error says why.
        Failed = "failed",
        /// The batch was cancelled.
        Cancelled = "cancelled",
    }
}

/// Number of customers per segment.
pub type SegmentCounts = BTreeMap<Segment, u64>;

/// A row of `prediction_batches`.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Batch {
    /// Id of the batch.
    pub id: String,
    /// Organization of the batch.
    pub org_id: String,
    /// The job that scores the batch.
    pub job_id: String,
    /// The data set that is scored; None for an uploaded file.
    pub dataset_id: Option<String>,
    /// Location of the input rows in the storage.
    pub input_key: String,
    /// The model that was active when the batch was accepted.
    pub model_id: String,
    /// Version of that model.
    pub model_version: i64,
    /// The challenger, if there was one.
    pub challenger_id: Option<String>,
    /// The as-of day; known once the batch is completed.
    pub as_of: Option<String>,
    /// Status of the batch.
    pub status: BatchStatus,
    /// Location of the predictions in the storage.
    pub file_key: Option<String>,
    /// Number of customers scored.
    pub customers: Option<i64>,
    /// Number of customers inactive for longer than any customer that the model has learned from.
    pub inactive_customers: Option<i64>,
    /// Numbers of customers scored and left out, by reason.
    pub coverage: Option<JsonText<Coverage>>,
    /// Warnings of a version that had no findings yet.
    pub warnings: Option<JsonText<Vec<String>>>,
    /// Findings of the scoring, worst first.
    pub findings: Option<JsonText<Vec<Finding>>>,
    /// The customers whose risk rose most.
    pub slipping: Option<JsonText<SlippingList>>,
    /// Number of scored customers per segment.
    pub segments: Option<JsonText<SegmentCounts>>,
    /// Mean of the probabilities.
    pub mean_probability: Option<f64>,
    /// Byte offset of every hundredth row of the file.
    pub page_index: Option<JsonText<Vec<u64>>>,
    /// Code of the error that stopped the scoring.
    pub error_code: Option<String>,
    /// Message of that error.
    pub error_message: Option<String>,
    /// Line of the file that caused the error.
    pub error_line: Option<i64>,
    /// Findings that stopped the scoring.
    pub error_findings: Option<JsonText<Vec<Finding>>>,
    /// Time at which the batch was accepted.
    pub created_at: Stamp,
    /// Time at which the batch ended.
    pub finished_at: Option<Stamp>,
}

/// A batch to be scored.
#[derive(Clone, Debug)]
pub struct NewBatch<'a> {
    /// Id of the batch.
    pub id: &'a str,
    /// Organization of the batch.
    pub org_id: &'a str,
    /// The job that scores the batch.
    pub job_id: &'a str,
    /// The data set that is scored; None for an uploaded file.
    pub dataset_id: Option<&'a str>,
    /// Location of the input rows in the storage.
    pub input_key: &'a str,
    /// The active model.
    pub model_id: &'a str,
    /// Version of the active model.
    pub model_version: i64,
    /// The challenger.
    pub challenger_id: Option<&'a str>,
}

/// Result of scoring a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchMade {
    /// Location of the predictions in the storage.
    pub file_key: String,
    /// The as-of day of the scoring.
    pub as_of: churn::Day,
    /// Number of customers scored.
    pub customers: u64,
    /// Numbers of customers that the model covers, and does not, by reason.
    pub coverage: Coverage,
    /// Findings of the scoring, worst first.
    pub findings: Vec<Finding>,
    /// The customers whose risk rose most.
    pub slipping: SlippingList,
    /// Number of scored customers per segment.
    pub segments: SegmentCounts,
    /// Mean of the probabilities.
    pub mean_probability: f64,
    /// Byte offset of every hundredth row of the file.
    pub page_index: Vec<u64>,
}

impl Store {
    /// Returns a batch of an organization.
    ///
    /// # Errors
    /// `batch_not_found`.
    pub async fn batch(&self, org_id: &str, id: &str) -> Result<Batch> {
        const SQL: &str = "SELECT * FROM prediction_batches WHERE org_id = $1 AND id = $2";
        let found: Option<Batch> =
            on_pool!(self.reachable_pool()?, db => sqlx::query_as(SQL).bind(org_id).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| not_found(org_id, id))
    }

    /// Returns the batches of an organization, newest first.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn batches(&self, org_id: &str, status: Option<BatchStatus>, page: PageQuery) -> Result<Paged<Batch>> {
        const COUNT: &str = "SELECT COUNT(*) FROM prediction_batches WHERE org_id = $1 AND ($2 IS NULL OR status = $2)";
        const SQL: &str = "SELECT * FROM prediction_batches WHERE org_id = $1 AND ($2 IS NULL OR status = $2) \
             ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4";
        let status = status.map(BatchStatus::name);
        let (total, rows) = on_pool!(self.reachable_pool()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).bind(status).fetch_one(db).await?,
            sqlx::query_as::<_, Batch>(SQL)
                .bind(org_id).bind(status).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }
}

impl Tx {
    /// Inserts a new batch that a job will score.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn insert_batch(&mut self, new: &NewBatch<'_>) -> Result<()> {
        const SQL: &str = "INSERT INTO prediction_batches (id, org_id, job_id, dataset_id, input_key, model_id, \
             model_version, challenger_id, status, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'processing', $9)";
        // The file of a data set belongs to the data set.
        if new.dataset_id.is_none() {
            self.confirm_file(new.input_key).await?;
        }
        on_tx!(self, db => sqlx::query(SQL)
            .bind(new.id).bind(new.org_id).bind(new.job_id).bind(new.dataset_id).bind(new.input_key).bind(new.model_id)
            .bind(new.model_version).bind(new.challenger_id).bind(Stamp::now())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a batch as completed; its predictions are in storage.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn batch_completed(&mut self, id: &str, made: &BatchMade) -> Result<()> {
        const SQL: &str = "UPDATE prediction_batches SET status = 'completed', file_key = $2, as_of = $3, customers = $4, \
             segments = $5, mean_probability = $6, page_index = $7, finished_at = $8, inactive_customers = $9, findings = $10, \
             slipping = $11, coverage = $12, error_code = NULL, error_message = NULL, error_line = NULL, error_findings = NULL WHERE id = $1";
        self.confirm_file(&made.file_key).await?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(&made.file_key).bind(made.as_of.to_string()).bind(made.customers as i64)
            .bind(JsonText(&made.segments)).bind(made.mean_probability).bind(JsonText(&made.page_index))
            .bind(Stamp::now()).bind(made.coverage.inactive as i64).bind(JsonText(&made.findings))
            .bind(JsonText(&made.slipping)).bind(JsonText(&made.coverage))
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a batch as failed or cancelled.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn batch_failed(&mut self, id: &str, error: &ApiError, cancelled: bool) -> Result<()> {
        const SQL: &str = "UPDATE prediction_batches SET status = $2, finished_at = $3, error_code = $4, \
             error_message = $5, error_line = $6, error_findings = $7 WHERE id = $1";
        let status = if cancelled { BatchStatus::Cancelled } else { BatchStatus::Failed };
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(status).bind(Stamp::now()).bind(error.code()).bind(error.message()).bind(error.line())
            .bind(error.findings())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Deletes a batch and its job. Records the files that no row refers to any more: the predictions, and the input unless it
    /// is a data set. Returns the keys of these files.
    ///
    /// # Errors
    /// `batch_not_found`.
    pub async fn delete_batch(&mut self, org_id: &str, id: &str) -> Result<Vec<String>> {
        const JOB: &str = "DELETE FROM jobs WHERE org_id = $1 AND kind = 'predict_bulk' AND subject_id = $2";
        const BATCH: &str = "DELETE FROM prediction_batches WHERE org_id = $1 AND id = $2 RETURNING *";
        // The job is deleted first, because a worker that ends it takes its locks in the same order.
        on_tx!(self, db => sqlx::query(JOB).bind(org_id).bind(id).execute(db).await.map(drop))?;
        let gone: Option<Batch> =
            on_tx!(self, db => sqlx::query_as(BATCH).bind(org_id).bind(id).fetch_optional(db).await)?;
        let batch = gone.ok_or_else(|| not_found(org_id, id))?;
        let input = batch.dataset_id.is_none().then_some(batch.input_key);
        let files: Vec<String> = batch.file_key.into_iter().chain(input).collect();
        self.release_files(&files).await?;
        Ok(files)
    }
}

fn not_found(org_id: &str, id: &str) -> ApiError {
    ApiError::not_found("batch_not_found", format!("the organization {org_id:?} has no batch {id:?}"))
}
