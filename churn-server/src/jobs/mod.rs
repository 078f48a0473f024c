//! Background jobs: a durable queue, the workers that take jobs from it, and the handlers.
//!
//! The queue is the table `jobs` ([`crate::store::Job`] and its statements). The queues on crates.io that support both SQLite
//! and PostgreSQL were reviewed. The best of them, apalis 1.0.0, does not fit. On SQLite its migrations create a table `Jobs`,
//! which is the name of our table. Updates of a worker are fenced by the worker (`lock_by`) and not by the attempt. A failed
//! job is taken again at once, without a pause. A job whose worker died is queued again, however many attempts it had.
//! Heartbeats stop while all slots are busy, so that long jobs run twice. And a job cannot be accepted in one transaction with
//! the rows that refer to it.
//!
//! Guarantees: an accepted job runs at least once, and as far as anybody can see by one worker at a time. A handler may be
//! killed at any moment and start again. Its file names depend on the job alone, and everything that others can see changes in
//! the transaction that ends the job.

mod backtest;
mod bulk;
mod control;
mod features;
mod train;
mod worker;

pub use backtest::BacktestPayload;
pub(crate) use backtest::{MOST_CUTOFFS, check_backtest_size};
pub use bulk::{BulkPayload, PAGE_ROWS, PredictionRow};
pub use control::{Control, Stop};
pub use features::FeaturesPayload;
pub use train::TrainPayload;
pub(crate) use train::check_size;
pub use worker::{Worker, WorkerOptions};

use axum::http::StatusCode;
use churn::ErrorKind;

use crate::error::{ApiError, Result as ApiResult};
use crate::state::AppState;
use crate::storage::{StorageError, StorageErrorKind};
use crate::store::{BacktestMade, BatchMade, FeaturesMade, Job, JobKind, Tx};

/// Reason why a job has no result.
#[derive(Debug)]
pub struct JobFailure {
    error: ApiError,
    kind: FailureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureKind {
    /// Another attempt would fail too.
    Permanent,
    /// Another attempt may succeed.
    Transient,
    /// Another attempt succeeds once the named service is reachable again.
    Away(&'static str),
    /// The job was cancelled.
    Cancelled,
}

/// Result of a handler.
pub type Result<T, E = JobFailure> = std::result::Result<T, E>;

impl JobFailure {
    /// Creates a failure that another attempt would not fix.
    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
        JobFailure { error, kind: FailureKind::Permanent }
    }

    /// Creates a failure that another attempt may fix.
    pub fn transient(error: ApiError) -> Self {
        JobFailure { error, kind: FailureKind::Transient }
    }

    /// Creates the failure of a cancelled job.
    pub fn cancelled() -> Self {
        let error = ApiError::conflict("cancelled", "the job was cancelled");
        JobFailure { error, kind: FailureKind::Cancelled }
    }

    /// Returns the failure of a job that waited for features which could not be made. It has the same reason.
    pub(crate) fn for_dependent_job(&self) -> Self {
        let message = format!("the features that it waited for could not be made: {}", self.error.message());
        let error = ApiError::new(self.error.status(), self.error.code(), message);
        JobFailure { error: error.with_details(self.error.details().clone()), kind: self.kind }
    }

    /// Returns the error.
    pub fn error(&self) -> &ApiError {
        &self.error
    }

    /// Returns true if the job was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.kind == FailureKind::Cancelled
    }

    /// Returns true if another attempt may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, FailureKind::Transient | FailureKind::Away(_))
    }

    /// Returns the stage name of the wait if the job must wait for an unreachable service.
    pub fn waits_for(&self) -> Option<&'static str> {
        match self.kind {
            FailureKind::Away(stage) => Some(stage),
            _ => None,
        }
    }

    /// Returns the permanent failure after waiting too long for an unreachable service.
    pub(crate) fn to_timed_out(&self, waited: std::time::Duration) -> Self {
        let message = format!("{}; it was waited for during {} seconds", self.error.message(), waited.as_secs());
        JobFailure {
            error: ApiError::new(self.error.status(), self.error.code(), message),
            kind: FailureKind::Permanent,
        }
    }
}

impl From<churn::Error> for JobFailure {
    fn from(error: churn::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Cancelled => return JobFailure::cancelled(),
            // The file could not be read to its end.
            ErrorKind::Io => FailureKind::Transient,
            _ => FailureKind::Permanent,
        };
        JobFailure { error: error.into(), kind }
    }
}

impl From<StorageError> for JobFailure {
    fn from(error: StorageError) -> Self {
        let kind = match error.kind() {
            StorageErrorKind::NotFound
            | StorageErrorKind::TooLarge
            | StorageErrorKind::InvalidKey
            | StorageErrorKind::InvalidRange => FailureKind::Permanent,
            StorageErrorKind::Body | StorageErrorKind::Other => FailureKind::Transient,
            // The storage does not respond, or its key or permissions must be fixed.
            _ => FailureKind::Away("waiting for storage"),
        };
        JobFailure { error: error.into(), kind }
    }
}

/// A server error may pass, so another attempt may succeed. An error of the request stays.
impl From<ApiError> for JobFailure {
    fn from(error: ApiError) -> Self {
        let kind = match error.status() {
            StatusCode::SERVICE_UNAVAILABLE => FailureKind::Away("waiting for storage or database"),
            status if status.is_server_error() => FailureKind::Transient,
            _ => FailureKind::Permanent,
        };
        JobFailure { error, kind }
    }
}

/// Result of a job: its files are in storage, but its rows are not written yet.
pub(crate) enum JobResult {
    Features { dataset_id: String, features_key: String, facts: features::Facts },
    Model { id: String, document_key: String, model: Box<churn::Model>, activate: Option<bool> },
    Batch { id: String, made: BatchMade },
    Backtest { id: String, made: BacktestMade },
}

impl JobResult {
    /// Writes the rows of the result, in the transaction that ends the job.
    async fn write(&self, tx: &mut Tx, org_id: &str) -> ApiResult<()> {
        match self {
            JobResult::Features { dataset_id, features_key, facts } => {
                let made = FeaturesMade {
                    features_key,
                    customers: facts.customers,
                    features: facts.features,
                    first_day: facts.first_day,
                    last_day: facts.last_day,
                    bad_rows: facts.bad_rows,
                    findings: facts.findings.as_deref(),
                };
                tx.dataset_ready(dataset_id, &made).await
            }
            JobResult::Model { id, document_key, model, activate } => {
                tx.training_completed(id, document_key, model).await?;
                match activate {
                    Some(false) => Ok(()),
                    wish => tx.activate_model(org_id, id, wish.is_none()).await,
                }
            }
            JobResult::Batch { id, made } => tx.batch_completed(id, made).await,
            JobResult::Backtest { id, made } => tx.backtest_completed(id, made).await,
        }
    }
}

/// Stages of a kind of job with their ranges between 0 and 1, roughly by their share of the time.
fn plan(kind: JobKind) -> &'static [(&'static str, f64, f64)] {
    match kind {
        JobKind::ProcessFeatures => {
            &[("check", 0.0, 0.4), ("read", 0.4, 0.8), ("features", 0.8, 0.9), ("write", 0.9, 1.0)]
        }
        JobKind::Train => &[
            ("read", 0.0, 0.2),
            ("labels", 0.2, 0.25),
            ("features", 0.25, 0.3),
            ("search", 0.3, 0.5),
            ("audit", 0.3, 0.4),
            ("cross-fit", 0.4, 0.8),
            ("trees", 0.5, 0.9),
            ("fit", 0.5, 0.9),
            ("evaluate", 0.9, 0.95),
            ("write", 0.95, 1.0),
        ],
        JobKind::PredictBulk => &[("read", 0.0, 0.3), ("score", 0.3, 0.4), ("explain", 0.4, 0.7), ("write", 0.7, 1.0)],
        JobKind::Backtest => &[
            ("read", 0.0, 0.2),
            ("labels", 0.2, 0.25),
            ("backtest", 0.25, 0.9),
            ("audit", 0.9, 0.98),
            ("write", 0.98, 1.0),
        ],
    }
}

/// Runs the handler of the job.
async fn handle(state: &AppState, job: &Job, control: &std::sync::Arc<Control>) -> Result<JobResult> {
    match job.kind {
        JobKind::ProcessFeatures => features::run(state, job, control).await,
        JobKind::Train => train::run(state, job, control).await,
        JobKind::PredictBulk => bulk::run(state, job, control).await,
        JobKind::Backtest => backtest::run(state, job, control).await,
    }
}

/// Parses the payload that was stored when the job was accepted.
fn payload<T: serde::de::DeserializeOwned>(job: &Job) -> Result<T> {
    serde_json::from_str(&job.payload).map_err(|error| {
        let message = format!("what the job {} was told cannot be read by this version: {error}", job.id);
        JobFailure::permanent("invalid_payload", message)
    })
}

/// Runs work of a job on a thread for blocking work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(JobFailure::transient(ApiError::internal(error))),
    }
}
