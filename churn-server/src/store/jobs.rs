//! The queue: one row of the table `jobs` is the acceptance, the place in the line, the lease, the progress and the end of a
//! job.
//!
//! Organizations take turns: a free worker takes the oldest job of the one whose turn was longest ago, so that a thousand jobs
//! of one do not delay the first of another. A job may wait for another: it is claimed once that one has made what it was to
//! make, and ends with it if it cannot.
//!
//! A job is accepted in the same transaction as the rows that speak of it, and it ends in the same transaction as the rows of
//! what it has made, so nothing is ever half accepted or half done. A worker that takes a job holds it by a lease, which its
//! heartbeat renews; where the heartbeat stops (a killed process, a lost machine) the lease runs out and another worker takes
//! the job. Every word of a worker about its job is fenced by its name and the number of the attempt: one that was away for
//! too long cannot speak for a job that somebody else has. The clock is that of the database, so those of the machines do not
//! matter.

use std::time::Duration;

use churn::Finding;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::datasets::deleted;
use super::{JsonText, Page, Paged, Pool, Store, Tx, on_pool, on_tx, text_enum};
use crate::error::{ApiError, Result};
use crate::jobs::Failure;
use crate::time::Stamp;

text_enum! {
    /// What a job does.
    JobKind {
        /// From the rows of a data set to its file of features.
        ProcessFeatures = "process_features",
        /// From a data set to a model.
        Train = "train",
        /// From rows to a file of predictions.
        PredictBulk = "predict_bulk",
    }
}

text_enum! {
    /// How a job stands.
    JobStatus {
        /// It waits for a worker.
        Queued = "queued",
        /// A worker has it.
        Running = "running",
        /// It has made what it was to make.
        Completed = "completed",
        /// It cannot.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
    }
}

/// A job as its row has it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub org_id: String,
    /// What is to be done.
    pub kind: JobKind,
    /// The data set, model or batch that it is about.
    pub subject_id: String,
    /// What the handler needs to know, as JSON.
    pub payload: String,
    /// How it stands.
    pub status: JobStatus,
    /// 0 to 1.
    pub progress: f64,
    /// What is being done.
    pub stage: Option<String>,
    /// How often it was begun.
    pub attempts: i64,
    /// How often it may be begun.
    pub max_attempts: i64,
    /// Not 0 if somebody asked to stop it.
    pub cancel_requested: i64,
    /// The job that it waits for.
    pub waits_for: Option<String>,
    /// Since when it waits for a storage or database that is away.
    pub away_since: Option<Stamp>,
    /// How often it has found them away.
    pub looks: i64,
    /// The code of what went wrong last.
    pub error_code: Option<String>,
    /// The same in words.
    pub error_message: Option<String>,
    /// The line of the file that is at fault.
    pub error_line: Option<i64>,
    /// The findings that stopped it.
    pub error_findings: Option<JsonText<Vec<Finding>>>,
    /// When it was accepted.
    pub created_at: Stamp,
    /// When it was first begun.
    pub started_at: Option<Stamp>,
    /// When it ended.
    pub finished_at: Option<Stamp>,
}

/// A job that is to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whose it is.
    pub org_id: &'a str,
    /// What is to be done.
    pub kind: JobKind,
    /// The data set, model or batch that it is about.
    pub subject_id: &'a str,
    /// How often it may be begun.
    pub max_attempts: u32,
}

/// How long the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct QueueDepth {
    /// Jobs that wait for a worker, for another job, or for storage or database.
    pub queued: i64,
    /// Jobs that a worker has.
    pub running: i64,
    /// Of those that wait, how many do so because storage or database are away.
    pub away: i64,
    /// Organizations with jobs that wait.
    pub organizations: i64,
    /// For how many milliseconds the job that has waited longest could have been begun.
    pub longest_wait: i64,
}

/// What a heartbeat learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The job goes on.
    GoOn,
    /// Somebody asked to stop it.
    Cancel,
    /// Another worker has it, or it has ended: stop, and say nothing more about it.
    Lost,
}

/// Jobs that a worker may take.
const DUE: &str = "(status = 'queued' AND run_at <= {now} AND waits_for IS NULL)";

/// A statement with the clock of the database, in milliseconds, in place of `{now}`, in place of `{lock}` what keeps two
/// workers from waiting for the same row, and in place of `{due}` what may be taken.
pub(super) fn sql(postgres: bool, text: &str) -> AssertSqlSafe<String> {
    let (now, lock) = match postgres {
        // SQLite has one writer at a time: a statement that changes rows has chosen them alone.
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

    /// Accepts a job, with what its handler needs to know.
    ///
    /// # Errors
    /// Those of the database.
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

    /// Lets a job that was accepted in this transaction wait for the one that makes the features it needs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn wait_for_features(&mut self, id: &str, features_job: &str) -> Result<()> {
        const SQL: &str = "UPDATE jobs SET waits_for = $2, stage = 'waiting for features' WHERE id = $1";
        on_tx!(self, db => sqlx::query(SQL).bind(id).bind(features_job).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Refuses what was accepted in this transaction if the organization then has more open jobs than it may.
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

    /// Marks a data set as one whose features the job is to make; or returns the job that is at it already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take_for_features(&mut self, dataset_id: &str, job_id: &str) -> Result<Option<String>> {
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

    /// Ends a job without what it was to make, and those that wait for that.
    async fn end_job(&mut self, job: &Job, failure: &Failure) -> Result<()> {
        const WAITING: &str = "SELECT * FROM jobs WHERE waits_for = $1 AND status = 'queued' ORDER BY id";
        self.end_one_job(job, failure).await?;
        // After the row of the data set, which whoever begins to wait holds until it is seen here.
        let waiting: Vec<Job> = on_tx!(self, db => sqlx::query_as(WAITING).bind(&job.id).fetch_all(db).await)?;
        let reason = failure.of_features();
        for job in &waiting {
            self.end_one_job(job, &reason).await?;
        }
        Ok(())
    }

    /// Ends a job without what it was to make, and says so of its subject.
    async fn end_one_job(&mut self, job: &Job, failure: &Failure) -> Result<()> {
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
        }
    }

    /// Stops jobs that have been asked to: at once if they wait; one that runs learns it from its next heartbeat.
    async fn stop_jobs(&mut self, asked: &[Job]) -> Result<()> {
        for job in asked.iter().filter(|job| job.status == JobStatus::Queued) {
            self.end_job(job, &Failure::cancelled()).await?;
        }
        Ok(())
    }

    /// Forgets the jobs of a data set and of its batches, wherever they stand: a worker that has one learns from its next
    /// heartbeat that it has it no more. Stops the trainings on it.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn delete_jobs_on_dataset(&mut self, org_id: &str, dataset_id: &str) -> Result<()> {
        const DELETE: &str = "DELETE FROM jobs WHERE org_id = $1 AND ((kind = 'process_features' AND subject_id = $2) \
             OR (kind = 'predict_bulk' AND subject_id IN (SELECT id FROM prediction_batches WHERE dataset_id = $2)))";
        const STOP: &str = "UPDATE jobs SET cancel_requested = 1 WHERE org_id = $1 AND kind = 'train' \
             AND status IN ('queued', 'running') AND subject_id IN (SELECT id FROM models WHERE dataset_id = $2) RETURNING *";
        on_tx!(self, db => sqlx::query(DELETE).bind(org_id).bind(dataset_id).execute(db).await.map(drop))?;
        let trainings: Vec<Job> =
            on_tx!(self, db => sqlx::query_as(STOP).bind(org_id).bind(dataset_id).fetch_all(db).await)?;
        self.stop_jobs(&trainings).await
    }

    /// Ends a job that has made what it was to make, in the transaction of [`Store::speak_for_job`] that also says what.
    ///
    /// # Errors
    /// Those of the database.
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

    /// Takes a job of the organization whose turn was longest ago: the one that has waited longest, or whose worker has died.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_job(&self, worker: &str, lease: Duration) -> Result<Option<Job>> {
        // Where nothing is due nothing is written: SQLite would lock the whole database for it.
        let due = self.sql("SELECT id FROM jobs WHERE {due} OR (status = 'running' AND lease_until < {now}) LIMIT 1");
        let found: Option<(String,)> = on_pool!(self.up()?, db => sqlx::query_as(due).fetch_optional(db).await)?;
        if found.is_none() {
            return Ok(None);
        }
        while self.bury_job().await? {}
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

    /// Ends one job whose worker died and that is not to be tried again: every attempt killed its process, or somebody had
    /// asked to stop it. False if there is none.
    async fn bury_job(&self) -> Result<bool> {
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
                Failure::permanent("worker_died", message)
            }
            _ => Failure::cancelled(),
        };
        tx.end_job(&job, &failure).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Renews the lease and shows the progress.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn beat_job(
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
        let found: Option<(i64,)> = on_pool!(self.up()?, db => sqlx::query_as(sql)
            .bind(millis(lease)).bind(progress).bind(stage).bind(&job.id).bind(worker).bind(job.attempts)
            .fetch_optional(db).await)?;
        Ok(match found {
            None => Beat::Lost,
            Some((0,)) => Beat::GoOn,
            Some(_) => Beat::Cancel,
        })
    }

    /// Begins what a worker says of its job. None if another has it by now, or it has ended: nothing may be said.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn speak_for_job(&self, job: &Job, worker: &str) -> Result<Option<Tx>> {
        let mut tx = self.begin().await?;
        // An update, because it also keeps the row until the end of the transaction.
        let sql =
            "UPDATE jobs SET worker = worker WHERE id = $1 AND worker = $2 AND attempts = $3 AND status = 'running'";
        let rows = on_tx!(&mut tx, db => sqlx::query(sql)
            .bind(&job.id).bind(worker).bind(job.attempts)
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok((rows > 0).then_some(tx))
    }

    /// Ends a job that cannot succeed, and says so of what it was about. False if the worker has lost it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fail_job(&self, job: &Job, worker: &str, failure: &Failure) -> Result<bool> {
        let Some(mut tx) = self.speak_for_job(job, worker).await? else { return Ok(false) };
        tx.end_job(job, failure).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives a job back to be tried again after some time. False if the worker has lost it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn retry_job(&self, job: &Job, worker: &str, failure: &Failure, after: Duration) -> Result<bool> {
        let Some(mut tx) = self.speak_for_job(job, worker).await? else { return Ok(false) };
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

    /// Gives a job back that found storage or database away, to look again after some time. The attempt does not count.
    /// `anew` says that it had worked for a while, so that the time away begins now. False if the worker has lost it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_off_job(
        &self,
        job: &Job,
        worker: &str,
        failure: &Failure,
        anew: bool,
        after: Duration,
    ) -> Result<bool> {
        let Some(mut tx) = self.speak_for_job(job, worker).await? else { return Ok(false) };
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

    /// Hands a job back that this process will not finish, because it stops: the attempt does not count. False if the worker
    /// has lost it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn release_job(&self, job: &Job, worker: &str) -> Result<bool> {
        let Some(mut tx) = self.speak_for_job(job, worker).await? else { return Ok(false) };
        let sql = "UPDATE jobs SET status = 'queued', attempts = attempts - 1, progress = 0, stage = NULL, \
                   lease_until = NULL, worker = NULL WHERE id = $1";
        on_tx!(&mut tx, db => sqlx::query(sql).bind(&job.id).execute(db).await.map(drop))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Stops a job: at once if it waits, at the next heartbeat if it runs.
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

    /// A job of an organization.
    ///
    /// # Errors
    /// `job_not_found`.
    pub async fn job(&self, org_id: &str, id: &str) -> Result<Job> {
        let sql = "SELECT * FROM jobs WHERE org_id = $1 AND id = $2";
        let job: Option<Job> =
            on_pool!(self.up()?, db => sqlx::query_as(sql).bind(org_id).bind(id).fetch_optional(db).await)?;
        job.ok_or_else(|| ApiError::not_found("job_not_found", format!("there is no job {id:?} of this organization")))
    }

    /// The jobs of an organization, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn jobs(
        &self,
        org_id: &str,
        kind: Option<JobKind>,
        status: Option<JobStatus>,
        page: Page,
    ) -> Result<Paged<Job>> {
        const COUNT: &str =
            "SELECT COUNT(*) FROM jobs WHERE org_id = $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR status = $3)";
        const SQL: &str = "SELECT * FROM jobs WHERE org_id = $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR status = $3) \
             ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5";
        let (kind, status) = (kind.map(JobKind::name), status.map(JobStatus::name));
        let (total, rows) = on_pool!(self.up()?, db => (
            sqlx::query_scalar::<_, i64>(COUNT).bind(org_id).bind(kind).bind(status).fetch_one(db).await?,
            sqlx::query_as::<_, Job>(SQL)
                .bind(org_id).bind(kind).bind(status).bind(page.limit).bind(page.offset).fetch_all(db).await?,
        ));
        Ok(Paged { total, rows })
    }

    /// How long the line is, over all organizations: for `/metrics`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn queue_depth(&self) -> Result<QueueDepth> {
        let sql = self.sql(
            "SELECT COALESCE(SUM(CASE WHEN status = 'queued' THEN 1 ELSE 0 END), 0) AS queued, \
             COALESCE(SUM(CASE WHEN status = 'running' THEN 1 ELSE 0 END), 0) AS running, \
             COALESCE(SUM(CASE WHEN status = 'queued' AND away_since IS NOT NULL THEN 1 ELSE 0 END), 0) AS away, \
             COUNT(DISTINCT CASE WHEN status = 'queued' THEN org_id END) AS organizations, \
             COALESCE(MAX(CASE WHEN {due} THEN {now} - run_at END), 0) AS longest_wait \
             FROM jobs WHERE status IN ('queued', 'running')",
        );
        Ok(on_pool!(self.up()?, db => sqlx::query_as(sql).fetch_one(db).await)?)
    }
}
