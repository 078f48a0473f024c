//! The job queue: one row of the table `jobs` per job, from its acceptance to its end, with its place in the queue, lease and
//! progress.
//!
//! Organizations take turns: a free worker takes the oldest job of the organization whose turn was longest ago, so that a
//! thousand jobs of one do not delay the first of another. A job may wait for another job: it can be claimed once that one is
//! completed, and fails with it.
//!
//! A job is accepted in the same transaction as the rows that refer to it, and ends in the same transaction as the rows of its
//! result. So nothing is ever half accepted or half done. A worker holds a job by a lease that its heartbeat renews. If the
//! heartbeat stops (a killed process, a lost machine), the lease expires and another worker takes the job. Every write of a
//! worker about its job is fenced by its name and the number of the attempt. So a worker that was stopped for too long cannot
//! write about a job that another worker has. All times are by the clock of the database, so the clocks of the machines do not
//! matter.

use std::time::Duration;

use churn::Finding;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::datasets::deleted;
use super::{JsonText, PageQuery, Paged, Pool, Store, Tx, on_pool, on_tx, text_enum};
use crate::error::{ApiError, Result};
use crate::jobs::JobFailure;
use crate::time::Stamp;

text_enum! {
    /// Kind of a job.
    JobKind {
        /// Makes the feature file of a data set.
        ProcessFeatures = "process_features",
        /// Trains a model on a data set.
        Train = "train",
        /// Scores rows into a file of predictions.
        PredictBulk = "predict_bulk",
        /// Judges a recipe at many cutoffs of a data set.
        Backtest = "backtest",
    }
}

text_enum! {
    /// Status of a job.
    JobStatus {
        /// The job waits for a worker.
        Queued = "queued",
        /// A worker runs the job.
        Running = "running",
        /// The job has made its result.
        Completed = "completed",
        /// The job cannot succeed.
        Failed = "failed",
        /// The job was cancelled.
        Cancelled = "cancelled",
    }
}

/// A row of `jobs`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Job {
    /// Id of the job.
    pub id: String,
    /// Organization of the job.
    pub org_id: String,
    /// Kind of the job.
    pub kind: JobKind,
    /// Id of the data set, model, batch or backtest that the job works on.
    pub subject_id: String,
    /// Input of the handler, as JSON.
    pub payload: String,
    /// Status of the job.
    pub status: JobStatus,
    /// Progress from 0 to 1.
    pub progress: f64,
    /// Current stage.
    pub stage: Option<String>,
    /// Number of attempts so far.
    pub attempts: i64,
    /// Maximum number of attempts.
    pub max_attempts: i64,
    /// Not 0 if a caller asked to stop the job.
    pub cancel_requested: i64,
    /// Id of the job that must end first.
    pub waits_for: Option<String>,
    /// Time since which the job has waited for an unreachable storage or database.
    pub away_since: Option<Stamp>,
    /// Number of attempts during that wait that found them unreachable.
    pub looks: i64,
    /// Code of the last error.
    pub error_code: Option<String>,
    /// Message of that error.
    pub error_message: Option<String>,
    /// Line of the file that caused the error.
    pub error_line: Option<i64>,
    /// Findings that stopped the job.
    pub error_findings: Option<JsonText<Vec<Finding>>>,
    /// Time at which the job was accepted.
    pub created_at: Stamp,
    /// Time at which the first attempt began.
    pub started_at: Option<Stamp>,
    /// Time at which the job ended.
    pub finished_at: Option<Stamp>,
}

/// A job to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    /// Id of the job.
    pub id: &'a str,
    /// Organization of the job.
    pub org_id: &'a str,
    /// Kind of the job.
    pub kind: JobKind,
    /// Id of the data set, model, batch or backtest that the job works on.
    pub subject_id: &'a str,
    /// Maximum number of attempts.
    pub max_attempts: u32,
}

/// Length of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct QueueDepth {
    /// Number of jobs that wait for a worker, for another job, or for storage or database.
    pub queued: i64,
    /// Number of jobs that a worker runs.
    pub running: i64,
    /// Number of waiting jobs that wait because storage or database are unreachable.
    pub away: i64,
    /// Number of organizations with waiting jobs.
    pub organizations: i64,
    /// Longest time in milliseconds that a job has waited since it could have been started.
    pub longest_wait: i64,
}

/// Result of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The job continues.
    GoOn,
    /// A caller asked to stop the job.
    Cancel,
    /// Another worker has the job, or it has ended: stop, and write nothing more about it.
    Lost,
}

/// SQL condition: a worker may take the job.
const DUE: &str = "(status = 'queued' AND run_at <= {now} AND waits_for IS NULL)";

/// Builds a statement: `{now}` becomes the clock of the database in milliseconds, `{lock}` the clause that keeps two workers
/// from waiting for the same row, and `{due}` the condition of a job that may be taken.
pub(super) fn sql(postgres: bool, text: &str) -> AssertSqlSafe<String> {
    let (now, lock) = match postgres {
        // SQLite has one writer at a time, so a statement that changes rows needs no further lock.
        false => ("CAST(unixepoch('subsec') * 1000 AS INTEGER)", ""),
        true => ("CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)", "FOR UPDATE OF jobs SKIP LOCKED"),
    };
    AssertSqlSafe(text.replace("{due}", DUE).replace("{now}", now).replace("{lock}", lock))
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

impl Tx {
    pub(super) fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        sql(matches!(self, Tx::Postgres(_)), text)
    }

    /// Inserts a job with the input of its handler.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn insert_job(&mut self, job: &NewJob<'_>, payload: &impl Serialize) -> Result<()> {
        let payload = serde_json::to_string(payload).map_err(ApiError::internal)?;
        let sql = self.sql(
            "INSERT INTO jobs (id, org_id, kind, subject_id, payload, max_attempts, run_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, {now}, {now})",
        );
        on_tx!(self, db => sqlx::query(sql)
            .bind(job.id).bind(job.org_id).bind(job.kind).bind(job.subject_id).bind(payload).bind(i64::from(job.max_attempts))
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Makes a job of this transaction wait for the job that makes the features it needs.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn wait_for_features(&mut self, id: &str, features_job: &str) -> Result<()> {
        const SQL: &str = "UPDATE jobs SET waits_for = $2, stage = 'waiting for features' WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(features_job).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Returns an error if the organization now has more open jobs than allowed, so that this transaction is rolled back.
    ///
    /// # Errors
    /// `too_many_jobs`.
    pub async fn check_open_jobs(&mut self, org_id: &str, most: u64) -> Result<()> {
        const SQL: &str = "SELECT COUNT(*) FROM jobs WHERE org_id = $1 AND status IN ('queued', 'running')";
        let open: i64 = on_tx!(self, db => sqlx::query_scalar(SQL).bind(org_id).fetch_one(db).await)?;
        if u64::try_from(open).is_ok_and(|open| open > most) {
            return Err(ApiError::too_many_jobs(most));
        }
        Ok(())
    }

    /// Marks a data set as processed by the job, or returns the id of the job that already processes it.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn mark_processing(&mut self, dataset_id: &str, job_id: &str) -> Result<Option<String>> {
        const TAKE: &str = "UPDATE datasets SET status = 'processing' WHERE id = $1 AND status <> 'processing'";
        const WHO: &str = "SELECT job_id FROM datasets WHERE id = $1";
        let taken =
            on_tx!(self, db => sqlx::query(TAKE).bind(dataset_id).execute(db).await.map(|done| done.rows_affected()))?;
        if taken > 0 {
            self.dataset_processing(dataset_id, job_id).await?;
            return Ok(None);
        }
        let who: Option<Option<String>> =
            on_tx!(self, db => sqlx::query_scalar(WHO).bind(dataset_id).fetch_optional(db).await)?;
        who.flatten().map(Some).ok_or_else(|| deleted(dataset_id))
    }

    /// Ends a job without a result, and the jobs that wait for it.
    async fn end_job(&mut self, job: &Job, failure: &JobFailure) -> Result<()> {
        const WAITING: &str = "SELECT * FROM jobs WHERE waits_for = $1 AND status = 'queued' ORDER BY id";
        self.end_one_job(job, failure).await?;
        // The row of the data set was changed before. A transaction that adds a waiting job holds that row, so its job is
        // visible here.
        let waiting: Vec<Job> = on_tx!(self, db => sqlx::query_as(WAITING).bind(&job.id).fetch_all(db).await)?;
        let reason = failure.for_dependent_job();
        for job in &waiting {
            self.end_one_job(job, &reason).await?;
        }
        Ok(())
    }

    /// Ends a job without a result, and updates its data set, model, batch or backtest.
    async fn end_one_job(&mut self, job: &Job, failure: &JobFailure) -> Result<()> {
        let status = if failure.is_cancelled() { JobStatus::Cancelled } else { JobStatus::Failed };
        let sql = self.sql(
            "UPDATE jobs SET status = $1, error_code = $2, error_message = $3, error_line = $4, error_findings = $5, \
             finished_at = {now}, lease_until = NULL, worker = NULL, waits_for = NULL, stage = NULL WHERE id = $6",
        );
        let error = failure.error();
        on_tx!(self, db => sqlx::query(sql)
            .bind(status).bind(error.code()).bind(error.message()).bind(error.line()).bind(error.findings()).bind(&job.id)
            .execute(db).await.map(drop))?;
        match (job.kind, failure.is_cancelled()) {
            (JobKind::ProcessFeatures, true) => self.dataset_cancelled(&job.subject_id).await,
            (JobKind::ProcessFeatures, false) => self.dataset_failed(&job.subject_id, error).await,
            (JobKind::Train, _) => self.training_failed(&job.subject_id, error).await,
            (JobKind::PredictBulk, cancelled) => self.batch_failed(&job.subject_id, error, cancelled).await,
            (JobKind::Backtest, cancelled) => self.backtest_failed(&job.subject_id, error, cancelled).await,
        }
    }

    /// Stops jobs that were cancelled: waiting ones at once, while running ones see it at their next heartbeat.
    async fn stop_jobs(&mut self, asked: &[Job]) -> Result<()> {
        for job in asked.iter().filter(|job| job.status == JobStatus::Queued) {
            self.end_job(job, &JobFailure::cancelled()).await?;
        }
        Ok(())
    }

    /// Deletes the jobs of a data set, its batches and its backtests, whatever their status. A worker that runs one sees at its
    /// next heartbeat that it has lost it. Stops the trainings on the data set.
    ///
    /// # Errors
    /// The errors of the database.
    pub(super) async fn delete_jobs_on_dataset(&mut self, org_id: &str, dataset_id: &str) -> Result<()> {
        const DELETE: &str = "DELETE FROM jobs WHERE org_id = $1 AND ((kind = 'process_features' AND subject_id = $2) \
             OR (kind = 'predict_bulk' AND subject_id IN (SELECT id FROM prediction_batches WHERE dataset_id = $2)) \
             OR (kind = 'backtest' AND subject_id IN (SELECT id FROM backtests WHERE dataset_id = $2)))";
        const STOP: &str = "UPDATE jobs SET cancel_requested = 1 WHERE org_id = $1 AND kind = 'train' \
             AND status IN ('queued', 'running') AND subject_id IN (SELECT id FROM models WHERE dataset_id = $2) RETURNING *";
        on_tx!(self, db => sqlx::query(DELETE).bind(org_id).bind(dataset_id).execute(db).await.map(drop))?;
        let trainings: Vec<Job> =
            on_tx!(self, db => sqlx::query_as(STOP).bind(org_id).bind(dataset_id).fetch_all(db).await)?;
        self.stop_jobs(&trainings).await
    }

    /// Ends a job with a result, in the transaction of [`Store::begin_fenced`] that also writes the result.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn complete_job(mut self, job: &Job) -> Result<()> {
        let sql = self.sql(
            "UPDATE jobs SET status = 'completed', progress = 1, stage = NULL, error_code = NULL, error_message = NULL, \
             error_line = NULL, error_findings = NULL, away_since = NULL, lease_until = NULL, worker = NULL, finished_at = {now} WHERE id = $1",
        );
        on_tx!(&mut self, db => sqlx::query(sql).bind(&job.id).execute(db).await.map(drop))?;
        let go_on = self.sql("UPDATE jobs SET waits_for = NULL, stage = NULL, run_at = {now} WHERE waits_for = $1");
        on_tx!(&mut self, db => sqlx::query(go_on).bind(&job.id).execute(db).await.map(drop))?;
        self.commit().await
    }
}

impl Store {
    fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        sql(matches!(self.pool(), Pool::Postgres(_)), text)
    }

    /// Takes a job of the organization whose turn was longest ago: the job that has waited longest, or one whose worker died.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn claim_job(&self, worker: &str, lease: Duration) -> Result<Option<Job>> {
        // If nothing is due, nothing is written, because SQLite would lock the whole database for it.
        let due = self.sql("SELECT id FROM jobs WHERE {due} OR (status = 'running' AND lease_until < {now}) LIMIT 1");
        let found: Option<(String,)> =
            on_pool!(self.reachable_pool()?, db => sqlx::query_as(due).fetch_optional(db).await)?;
        if found.is_none() {
            return Ok(None);
        }
        while self.reap_job().await? {}
        let turn = "INSERT INTO turns (org_id, turn) VALUES ($1, (SELECT COALESCE(MAX(turn), 0) + 1 FROM turns)) \
             ON CONFLICT (org_id) DO UPDATE SET turn = excluded.turn";
        let claim = self.sql(
            "WITH due AS (SELECT id FROM jobs LEFT JOIN turns ON turns.org_id = jobs.org_id WHERE {due} \
             OR (status = 'running' AND lease_until < {now} AND attempts < max_attempts AND cancel_requested = 0) \
             ORDER BY COALESCE(turn, 0), run_at, id LIMIT 1 {lock}) \
             UPDATE jobs SET status = 'running', worker = $1, attempts = attempts + 1, progress = 0, stage = NULL, \
             lease_until = {now} + $2, started_at = COALESCE(started_at, {now}) \
             WHERE id IN (SELECT id FROM due) RETURNING *",
        );
        let mut tx = self.begin().await?;
        let job: Option<Job> = on_tx!(&mut tx, db => sqlx::query_as(claim)
            .bind(worker).bind(millis(lease)).fetch_optional(db).await)?;
        let Some(job) = job else { return Ok(None) };
        on_tx!(&mut tx, db => sqlx::query(turn).bind(&job.org_id).execute(db).await.map(drop))?;
        tx.commit().await?;
        Ok(Some(job))
    }

    /// Ends one job whose worker died and that must not be tried again, because it has no attempt left or was cancelled.
    /// Returns false if there is none.
    async fn reap_job(&self) -> Result<bool> {
        let mut tx = self.begin().await?;
        let dead = tx.sql(
            "WITH dead AS (SELECT id FROM jobs WHERE status = 'running' AND lease_until < {now} \
             AND (attempts >= max_attempts OR cancel_requested <> 0) LIMIT 1 {lock}) \
             UPDATE jobs SET lease_until = NULL, worker = NULL WHERE id IN (SELECT id FROM dead) RETURNING *",
        );
        let dead: Option<Job> = on_tx!(&mut tx, db => sqlx::query_as(dead).fetch_optional(db).await)?;
        let Some(job) = dead else { return Ok(false) };
        let failure = match job.cancel_requested {
            0 => {
                let during = job.stage.as_deref().unwrap_or("start");
                let message = format!("the worker died in each of {} attempts, last at {during:?}", job.attempts);
                JobFailure::permanent("worker_died", message)
            }
            _ => JobFailure::cancelled(),
        };
        tx.end_job(&job, &failure).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Renews the lease and writes the progress.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn renew_lease(
        &self,
        job: &Job,
        worker: &str,
        lease: Duration,
        progress: f64,
        stage: Option<&str>,
    ) -> Result<Beat> {
        let sql = self.sql(
            "UPDATE jobs SET lease_until = {now} + $1, progress = $2, stage = $3 \
             WHERE id = $4 AND worker = $5 AND attempts = $6 AND status = 'running' RETURNING cancel_requested",
        );
        let found: Option<(i64,)> = on_pool!(self.reachable_pool()?, db => sqlx::query_as(sql)
            .bind(millis(lease)).bind(progress).bind(stage).bind(&job.id).bind(worker).bind(job.attempts)
            .fetch_optional(db).await)?;
        Ok(match found {
            None => Beat::Lost,
            Some((0,)) => Beat::GoOn,
            Some(_) => Beat::Cancel,
        })
    }

    /// Begins a transaction in which a worker writes about its job. Returns None if another worker has the job or it has ended;
    /// then nothing may be written.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn begin_fenced(&self, job: &Job, worker: &str) -> Result<Option<Tx>> {
        let mut tx = self.begin().await?;
        // An update, because it also locks the row until the end of the transaction.
        let sql =
            "UPDATE jobs SET worker = worker WHERE id = $1 AND worker = $2 AND attempts = $3 AND status = 'running'";
        let rows = on_tx!(&mut tx, db => sqlx::query(sql)
            .bind(&job.id).bind(worker).bind(job.attempts)
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok((rows > 0).then_some(tx))
    }

    /// Ends a job that cannot succeed, and updates its data set, model, batch or backtest. Returns false if the worker has lost
    /// the job.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn fail_job(&self, job: &Job, worker: &str, failure: &JobFailure) -> Result<bool> {
        let Some(mut tx) = self.begin_fenced(job, worker).await? else { return Ok(false) };
        tx.end_job(job, failure).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns a job to the queue for another attempt after some time. Returns false if the worker has lost the job.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn retry_job(&self, job: &Job, worker: &str, failure: &JobFailure, after: Duration) -> Result<bool> {
        let Some(mut tx) = self.begin_fenced(job, worker).await? else { return Ok(false) };
        let sql = tx.sql(
            "UPDATE jobs SET status = 'queued', run_at = {now} + $1, error_code = $2, error_message = $3, \
             error_line = $4, lease_until = NULL, worker = NULL WHERE id = $5",
        );
        let error = failure.error();
        on_tx!(&mut tx, db => sqlx::query(sql)
            .bind(millis(after)).bind(error.code()).bind(error.message()).bind(error.line()).bind(&job.id)
            .execute(db).await.map(drop))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns a job to the queue that found storage or database unreachable, for another attempt after some time. The attempt
    /// does not count. `anew` is true if the job had worked for a while, so that the outage begins now. Returns false if the
    /// worker has lost the job.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn defer_job(
        &self,
        job: &Job,
        worker: &str,
        failure: &JobFailure,
        anew: bool,
        after: Duration,
    ) -> Result<bool> {
        let Some(mut tx) = self.begin_fenced(job, worker).await? else { return Ok(false) };
        let sql = tx.sql(
            "UPDATE jobs SET status = 'queued', attempts = attempts - 1, run_at = {now} + $1, error_code = $2, \
             error_message = $3, stage = $4, lease_until = NULL, worker = NULL, \
             away_since = CASE WHEN $5 THEN {now} ELSE COALESCE(away_since, {now}) END, \
             looks = CASE WHEN $5 THEN 1 ELSE looks + 1 END WHERE id = $6",
        );
        let error = failure.error();
        on_tx!(&mut tx, db => sqlx::query(sql)
            .bind(millis(after)).bind(error.code()).bind(error.message()).bind(failure.waits_for()).bind(anew).bind(&job.id)
            .execute(db).await.map(drop))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns a job to the queue because this process stops; the attempt does not count. Returns false if the worker has lost
    /// the job.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn release_job(&self, job: &Job, worker: &str) -> Result<bool> {
        let Some(mut tx) = self.begin_fenced(job, worker).await? else { return Ok(false) };
        let sql = "UPDATE jobs SET status = 'queued', attempts = attempts - 1, progress = 0, stage = NULL, \
                   lease_until = NULL, worker = NULL WHERE id = $1";
        on_tx!(&mut tx, db => sqlx::query(sql).bind(&job.id).execute(db).await.map(drop))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Cancels a job: at once if it waits, at the next heartbeat if it runs.
    ///
    /// # Errors
    /// `job_not_found`; `job_finished`.
    pub async fn cancel_job(&self, org_id: &str, id: &str) -> Result<Job> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE jobs SET cancel_requested = 1 WHERE org_id = $1 AND id = $2 \
                   AND status IN ('queued', 'running') RETURNING *";
        let job: Option<Job> =
            on_tx!(&mut tx, db => sqlx::query_as(sql).bind(org_id).bind(id).fetch_optional(db).await)?;
        let asked = job.is_some();
        tx.stop_jobs(job.as_slice()).await?;
        tx.commit().await?;
        let job = self.job(org_id, id).await?;
        match asked {
            true => Ok(job),
            false => {
                let message = format!("the job {id} has ended already: it is {}", job.status);
                Err(ApiError::conflict("job_finished", message))
            }
        }
    }

    /// Returns a job of an organization.
    ///
    /// # Errors
    /// `job_not_found`.
    pub async fn job(&self, org_id: &str, id: &str) -> Result<Job> {
        let sql = "SELECT * FROM jobs WHERE org_id = $1 AND id = $2";
        let job: Option<Job> =
            on_pool!(self.reachable_pool()?, db => sqlx::query_as(sql).bind(org_id).bind(id).fetch_optional(db).await)?;
        job.ok_or_else(|| ApiError::not_found("job_not_found", format!("there is no job {id:?} of this organization")))
    }

    /// Returns the jobs of an organization, newest first.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn jobs(
        &self,
        org_id: &str,
        kind: Option<JobKind>,
        status: Option<JobStatus>,
        page: PageQuery,
    ) -> Result<Paged<Job>> {
        const COUNT: &str =
            "SELECT COUNT(*) FROM jobs WHERE org_id = $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR status = $3)";
        const SQL: &str = "SELECT * FROM jobs WHERE org_id = $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR status = $3) \
             ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5";
        let (kind, status) = (kind.map(JobKind::name), status.map(JobStatus::name));
        let (total, rows) = on_pool!(self.reachable_pool()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).bind(kind).bind(status).fetch_one(db).await?,
            sqlx::query_as::<_, Job>(SQL)
                .bind(org_id).bind(kind).bind(status).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }

    /// Returns the length of the queue over all organizations, for `/metrics`.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn queue_depth(&self) -> Result<QueueDepth> {
        let sql = self.sql(
            "SELECT COALESCE(SUM(CASE WHEN status = 'queued' THEN 1 ELSE 0 END), 0) AS queued, \
             COALESCE(SUM(CASE WHEN status = 'running' THEN 1 ELSE 0 END), 0) AS running, \
             COALESCE(SUM(CASE WHEN status = 'queued' AND away_since IS NOT NULL THEN 1 ELSE 0 END), 0) AS away, \
             COUNT(DISTINCT CASE WHEN status = 'queued' THEN org_id END) AS organizations, \
             COALESCE(MAX(CASE WHEN {due} THEN {now} - run_at END), 0) AS longest_wait \
             FROM jobs WHERE status IN ('queued', 'running')",
        );
        Ok(on_pool!(self.reachable_pool()?, db => sqlx::query_as(sql).fetch_one(db).await)?)
    }
}
