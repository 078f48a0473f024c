//! Backtests: what was asked for, and what came of it. The whole result is a file in storage.

use churn::{Backtest, Estimate, Finding};
use sqlx::FromRow;

use super::{JsonText, PageQuery, Paged, Store, Tx, on_pool, on_tx, text_enum};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

text_enum! {
    /// Status of a backtest.
    BacktestStatus {
        /// The job is waiting or running.
        Processing = "processing",
        /// The result is in storage.
        Completed = "completed",
        /// No result could be made; the error says why.
        Failed = "failed",
        /// The backtest was cancelled.
        Cancelled = "cancelled",
    }
}

/// A row of `backtests`.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct BacktestRow {
    /// Id of the backtest.
    pub id: String,
    /// Organization of the backtest.
    pub org_id: String,
    /// The job that runs the backtest.
    pub job_id: String,
    /// The data set whose past is judged.
    pub dataset_id: String,
    /// Requested model type.
    pub model_type: String,
    /// Status of the backtest.
    pub status: BacktestStatus,
    /// Location of the result in the storage.
    pub result_key: Option<String>,
    /// Number of cutoffs that were judged.
    pub judged_cutoffs: Option<i64>,
    /// The mean AUC over these cutoffs, with its interval.
    pub roc_auc: Option<JsonText<Estimate>>,
    /// Findings of the backtest, worst first.
    pub findings: Option<JsonText<Vec<Finding>>>,
    /// Code of the error that stopped the backtest.
    pub error_code: Option<String>,
    /// Message of that error.
    pub error_message: Option<String>,
    /// Line of the file that caused the error.
    pub error_line: Option<i64>,
    /// Findings that stopped the backtest.
    pub error_findings: Option<JsonText<Vec<Finding>>>,
    /// Time at which the backtest was accepted.
    pub created_at: Stamp,
    /// Time at which the backtest ended.
    pub finished_at: Option<Stamp>,
}

/// A backtest to be run.
#[derive(Clone, Debug)]
pub struct NewBacktest<'a> {
    /// Id of the backtest.
    pub id: &'a str,
    /// Organization of the backtest.
    pub org_id: &'a str,
    /// The job that runs the backtest.
    pub job_id: &'a str,
    /// The data set whose past is judged.
    pub dataset_id: &'a str,
    /// Requested model type.
    pub model_type: &'a str,
}

/// Result of a backtest, whose file is in storage.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestMade {
    /// Location of the result in the storage.
    pub result_key: String,
    /// Number of cutoffs that were judged.
    pub judged_cutoffs: u64,
    /// The mean AUC over these cutoffs, with its interval.
    pub roc_auc: Estimate,
    /// Findings of the backtest, worst first.
    pub findings: Vec<Finding>,
}

impl BacktestMade {
    /// Returns the columns of a result that is stored at this location.
    pub fn new(found: Backtest, result_key: String) -> Self {
        BacktestMade {
            result_key,
            judged_cutoffs: found.over_time.cutoffs.len() as u64,
            roc_auc: found.over_time.roc_auc,
            findings: found.findings,
        }
    }
}

impl Store {
    /// Returns a backtest of an organization.
    ///
    /// # Errors
    /// `backtest_not_found`.
    pub async fn backtest(&self, org_id: &str, id: &str) -> Result<BacktestRow> {
        const SQL: &str = "SELECT * FROM backtests WHERE org_id = $1 AND id = $2";
        let found: Option<BacktestRow> =
            on_pool!(self.reachable_pool()?, db => sqlx::query_as(SQL).bind(org_id).bind(id).fetch_optional(db).await)?;
        found.ok_or_else(|| not_found(org_id, id))
    }

    /// Returns the backtests of an organization, newest first.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn backtests(
        &self,
        org_id: &str,
        status: Option<BacktestStatus>,
        page: PageQuery,
    ) -> Result<Paged<BacktestRow>> {
        const COUNT: &str = "SELECT COUNT(*) FROM backtests WHERE org_id = $1 AND ($2 IS NULL OR status = $2)";
        const SQL: &str = "SELECT * FROM backtests WHERE org_id = $1 AND ($2 IS NULL OR status = $2) \
             ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4";
        let status = status.map(BacktestStatus::name);
        let (total, rows) = on_pool!(self.reachable_pool()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).bind(status).fetch_one(db).await?,
            sqlx::query_as::<_, BacktestRow>(SQL)
                .bind(org_id).bind(status).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }
}

impl Tx {
    /// Inserts a new backtest that a job will run.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn insert_backtest(&mut self, new: &NewBacktest<'_>) -> Result<()> {
        const SQL: &str = "INSERT INTO backtests (id, org_id, job_id, dataset_id, model_type, status, created_at) \
             VALUES ($1, $2, $3, $4, $5, 'processing', $6)";
        on_tx!(self, db => sqlx::query(SQL)
            .bind(new.id).bind(new.org_id).bind(new.job_id).bind(new.dataset_id).bind(new.model_type).bind(Stamp::now())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a backtest as completed; its result is in storage.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn backtest_completed(&mut self, id: &str, made: &BacktestMade) -> Result<()> {
        const SQL: &str = "UPDATE backtests SET status = 'completed', result_key = $2, judged_cutoffs = $3, roc_auc = $4, \
             findings = $5, finished_at = $6, error_code = NULL, error_message = NULL, error_line = NULL, \
             error_findings = NULL WHERE id = $1";
        self.confirm_file(&made.result_key).await?;
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(&made.result_key).bind(made.judged_cutoffs as i64).bind(JsonText(&made.roc_auc))
            .bind(JsonText(&made.findings)).bind(Stamp::now())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a backtest as failed or cancelled.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn backtest_failed(&mut self, id: &str, error: &ApiError, cancelled: bool) -> Result<()> {
        const SQL: &str = "UPDATE backtests SET status = $2, finished_at = $3, error_code = $4, error_message = $5, \
             error_line = $6, error_findings = $7 WHERE id = $1";
        let status = if cancelled { BacktestStatus::Cancelled } else { BacktestStatus::Failed };
        on_tx!(self, db => sqlx::query(SQL)
            .bind(id).bind(status).bind(Stamp::now()).bind(error.code()).bind(error.message()).bind(error.line())
            .bind(error.findings())
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Deletes a backtest and its job. Records the file of its result, and returns the key of this file.
    ///
    /// # Errors
    /// `backtest_not_found`.
    pub async fn delete_backtest(&mut self, org_id: &str, id: &str) -> Result<Vec<String>> {
        const JOB: &str = "DELETE FROM jobs WHERE org_id = $1 AND kind = 'backtest' AND subject_id = $2";
        const BACKTEST: &str = "DELETE FROM backtests WHERE org_id = $1 AND id = $2 RETURNING result_key";
        // The job is deleted first, because a worker that ends it takes its locks in the same order.
        on_tx!(self, db => sqlx::query(JOB).bind(org_id).bind(id).execute(db).await.map(drop))?;
        let gone: Option<Option<String>> =
            on_tx!(self, db => sqlx::query_scalar(BACKTEST).bind(org_id).bind(id).fetch_optional(db).await)?;
        let files: Vec<String> = gone.ok_or_else(|| not_found(org_id, id))?.into_iter().collect();
        self.release_files(&files).await?;
        Ok(files)
    }
}

fn not_found(org_id: &str, id: &str) -> ApiError {
    ApiError::not_found("backtest_not_found", format!("the organization {org_id:?} has no backtest {id:?}"))
}
