//! The loop that takes jobs from the queue and runs them, both in the server and in `churn-server worker`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Control, JobFailure, Stop, handle, plan};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::{Beat, Job};
use crate::time::Stamp;

/// Maximum pause between two attempts while storage or database are unreachable.
const LONGEST_LOOK: Duration = Duration::from_secs(300);

/// An attempt that ran this long had reached all services it needs, so the outage has begun since.
const WORKED: Duration = Duration::from_secs(60);

/// Returns a pause that doubles with every failure, up to a maximum.
fn backoff(first: Duration, failures: i64, longest: Duration) -> Duration {
    (first * (1 << failures.clamp(0, 16))).min(longest)
}

/// Options of a worker.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Maximum number of simultaneous jobs.
    pub slots: usize,
    /// Time after which the job of a dead worker is given to another one.
    pub lease: Duration,
    /// Interval at which the lease is renewed and the progress is written.
    pub beat: Duration,
    /// Interval between two reads of the queue while no job is due. Jobs accepted in the same process are seen at once.
    pub poll: Duration,
    /// First pause after a transient failure. It doubles each time, up to a minute, or up to five minutes if storage or
    /// database are unreachable.
    pub backoff: Duration,
    /// Time that jobs get to stop at shutdown.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            slots: 2,
            lease: Duration::from_secs(15),
            beat: Duration::from_secs(1),
            poll: Duration::from_millis(500),
            backoff: Duration::from_secs(1),
            grace: Duration::from_secs(20),
        }
    }
}

/// Takes jobs from the queue and runs them.
#[derive(Clone, Debug)]
pub struct Worker {
    state: AppState,
    name: Arc<str>,
    options: WorkerOptions,
}

impl Worker {
    /// Creates a worker with a name that is unique for all time.
    pub fn new(state: AppState, options: WorkerOptions) -> Self {
        Worker { state, name: crate::extract::new_id().into(), options }
    }

    /// Works until it is told to stop. Then its jobs stop soon and return to the queue.
    pub async fn run(self, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.options.slots.max(1)));
        let tasks = TaskTracker::new();
        tracing::info!(worker = %self.name, slots = self.options.slots, "worker started");
        let mut failed = 0;
        while !shutdown.is_cancelled() {
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot,
                () = shutdown.cancelled() => break,
            };
            let Ok(slot) = slot else { break };
            match self.state.store.claim_job(&self.name, self.options.lease).await {
                Ok(Some(job)) => {
                    failed = 0;
                    let (worker, stop) = (self.clone(), shutdown.clone());
                    tasks.spawn(async move {
                        worker.work(job, stop).await;
                        drop(slot);
                    });
                    continue;
                }
                Ok(None) => failed = 0,
                Err(error) => {
                    // Logged only once, because it may last for hours.
                    if failed == 0 {
                        tracing::warn!(%error, "the queue cannot be read; it is tried again");
                    }
                    failed += 1;
                }
            }
            drop(slot);
            let pause = backoff(self.options.poll, failed, Duration::from_secs(5));
            tokio::select! {
                () = self.state.wake.notified(), if failed == 0 => (),
                () = tokio::time::sleep(pause) => (),
                () = shutdown.cancelled() => (),
            }
        }
        tasks.close();
        if tokio::time::timeout(self.options.grace, tasks.wait()).await.is_err() {
            tracing::warn!("jobs are still running; their leases will run out and other workers will take them");
        }
        tracing::info!(worker = %self.name, "worker stopped");
    }

    /// Runs one job and writes its end.
    async fn work(&self, job: Job, shutdown: CancellationToken) {
        let started = Instant::now();
        tracing::info!(job = %job.id, kind = %job.kind, organization = %job.org_id, attempt = job.attempts, "job begins");
        let control = Arc::new(Control::new(plan(job.kind)));
        let heart = tokio::spawn(self.clone().heartbeat(job.clone(), control.clone(), shutdown.clone()));
        let result = {
            let (state, job, control) = (self.state.clone(), job.clone(), control.clone());
            // A task of its own, so that a panic ends the job but not the worker.
            tokio::spawn(async move { handle(&state, &job, &control).await }).await
        };
        let result = match result {
            Ok(result) => result,
            Err(error) => Err(JobFailure::transient(ApiError::internal(error))),
        };
        let outcome = self.end(&job, &result, &control, started, &shutdown).await;
        heart.abort();
        // Another job, and requests, may have waited for this one.
        self.state.wake.notify_one();
        self.state.waiting.wake();
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(outcome) => {
                metrics::counter!("churn_jobs_total", "kind" => job.kind.name(), "outcome" => outcome).increment(1);
                metrics::histogram!("churn_job_seconds", "kind" => job.kind.name()).record(seconds);
                tracing::info!(job = %job.id, kind = %job.kind, outcome, seconds, "job ends");
            }
            Err(error) => {
                tracing::error!(job = %job.id, %error, "the end of the job could not be written; its lease will run out")
            }
        }
    }

    /// Writes the end of a job. A lost connection should not discard its result. While the database is unreachable, the write
    /// is retried with growing pauses; after any other failure it is retried once.
    async fn end(
        &self,
        job: &Job,
        result: &Result<super::JobResult, JobFailure>,
        control: &Control,
        started: Instant,
        shutdown: &CancellationToken,
    ) -> crate::error::Result<&'static str> {
        let began = Instant::now();
        let mut failed = 0;
        loop {
            let written = match result {
                Ok(result) => self.complete(job, result).await,
                Err(failure) => self.finish_failed(job, control, failure, started).await,
            };
            let error = match written {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            let is_away = error.status() == StatusCode::SERVICE_UNAVAILABLE;
            if (!is_away && failed > 0) || began.elapsed() > self.state.config.job_patience || shutdown.is_cancelled() {
                return Err(error);
            }
            if failed == 0 {
                tracing::warn!(job = %job.id, %error, "the end of the job could not be written; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(backoff(self.options.backoff, failed, Duration::from_secs(30))) => (),
                () = shutdown.cancelled() => (),
            }
            failed += 1;
        }
    }

    async fn complete(&self, job: &Job, result: &super::JobResult) -> crate::error::Result<&'static str> {
        // A training may activate its model, which answers requests from the moment the end of the job is visible.
        let _changing = self.state.serving.begin_change(&job.org_id);
        let Some(mut tx) = self.state.store.begin_fenced(job, &self.name).await? else { return Ok("lost") };
        result.write(&mut tx, &job.org_id).await?;
        tx.complete_job(job).await?;
        Ok("completed")
    }

    /// Ends a job without a result, or returns it to the queue.
    async fn finish_failed(
        &self,
        job: &Job,
        control: &Control,
        failure: &JobFailure,
        started: Instant,
    ) -> crate::error::Result<&'static str> {
        let store = &self.state.store;
        let patience = self.state.config.job_patience;
        let anew = started.elapsed() > WORKED;
        let waited = job.away_since.filter(|_| !anew).map_or(0, |since| Stamp::now().0.saturating_sub(since.0));
        let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
        let (written, outcome) = match control.stopped() {
            Some(Stop::Lost) => return Ok("lost"),
            Some(Stop::Shutdown) if failure.is_cancelled() => {
                (store.release_job(job, &self.name).await?, "handed_back")
            }
            _ if failure.waits_for().is_some() && waited < patience => {
                let pause = backoff(self.options.backoff, if anew { 0 } else { job.looks }, LONGEST_LOOK);
                if job.looks == 0 || anew {
                    tracing::warn!(job = %job.id, error = %failure.error(), ?pause, "job waits for what is away");
                }
                (store.defer_job(job, &self.name, failure, anew, pause).await?, "put_off")
            }
            _ if failure.waits_for().is_some() => {
                (store.fail_job(job, &self.name, &failure.to_timed_out(waited)).await?, "failed")
            }
            _ if failure.is_transient() && job.attempts < job.max_attempts => {
                let pause = backoff(self.options.backoff, job.attempts - 1, Duration::from_secs(60));
                tracing::warn!(job = %job.id, error = %failure.error(), attempt = job.attempts, ?pause, "job failed, to be tried again");
                (store.retry_job(job, &self.name, failure, pause).await?, "retried")
            }
            _ => {
                let outcome = if failure.is_cancelled() { "cancelled" } else { "failed" };
                (store.fail_job(job, &self.name, failure).await?, outcome)
            }
        };
        Ok(if written { outcome } else { "lost" })
    }

    /// Heartbeat of a job: renews the lease, writes the progress, and reads requests to stop.
    async fn heartbeat(self, job: Job, control: Arc<Control>, shutdown: CancellationToken) {
        let mut pulse = tokio::time::interval(self.options.beat);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stopping = false;
        loop {
            tokio::select! {
                _ = pulse.tick() => (),
                () = shutdown.cancelled(), if !stopping => {
                    stopping = true;
                    control.stop(Stop::Shutdown);
                }
            }
            let (progress, stage) = control.state();
            match self.state.store.renew_lease(&job, &self.name, self.options.lease, progress, stage).await {
                Ok(Beat::GoOn) => (),
                Ok(Beat::Cancel) => control.stop(Stop::Cancelled),
                Ok(Beat::Lost) => {
                    control.stop(Stop::Lost);
                    return;
                }
                Err(error) => tracing::warn!(job = %job.id, %error, "the heartbeat could not be written"),
            }
        }
    }
}
