//! The loop that takes jobs and does them: the same in the server and in `churn-server worker`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Control, Failure, Stop, handle, plan};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::{Beat, Job};

/// How often `/metrics` learns how long the line is.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Jobs at a time.
    pub slots: usize,
    /// How long a job of a worker that has died waits for the next one.
    pub lease: Duration,
    /// How often the lease is renewed, and progress shown.
    pub beat: Duration,
    /// How often the queue is looked at while nothing is due; jobs of the same process are seen at once.
    pub poll: Duration,
    /// The first pause after a failure that may pass; it doubles each time, up to a minute.
    pub backoff: Duration,
    /// How long jobs may take to stop when the process does.
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

/// Takes jobs and does them.
#[derive(Clone, Debug)]
pub struct Worker {
    state: AppState,
    name: Arc<str>,
    options: WorkerOptions,
}

impl Worker {
    /// A worker with a name that no other has, living or dead.
    pub fn new(state: AppState, options: WorkerOptions) -> Self {
        Worker { state, name: crate::extract::new_id().into(), options }
    }

    /// Works until it is told to stop; then the jobs that it has stop soon and are handed back.
    pub async fn run(self, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.options.slots.max(1)));
        let tasks = TaskTracker::new();
        tracing::info!(worker = %self.name, slots = self.options.slots, "worker started");
        let mut counted = None::<Instant>;
        while !shutdown.is_cancelled() {
            if counted.is_none_or(|last| last.elapsed() > COUNT_EVERY) {
                counted = Some(Instant::now());
                self.count().await;
            }
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot,
                () = shutdown.cancelled() => break,
            };
            let Ok(slot) = slot else { break };
            match self.state.store.claim_job(&self.name, self.options.lease).await {
                Ok(Some(job)) => {
                    let (worker, stop) = (self.clone(), shutdown.clone());
                    tasks.spawn(async move {
                        worker.work(job, stop).await;
                        drop(slot);
                    });
                    continue;
                }
                Ok(None) => (),
                Err(error) => tracing::warn!(%error, "the queue cannot be read"),
            }
            drop(slot);
            tokio::select! {
                () = self.state.wake.notified() => (),
                () = tokio::time::sleep(self.options.poll) => (),
                () = shutdown.cancelled() => (),
            }
        }
        tasks.close();
        if tokio::time::timeout(self.options.grace, tasks.wait()).await.is_err() {
            tracing::warn!("jobs are still running; their leases will run out and other workers will take them");
        }
        tracing::info!(worker = %self.name, "worker stopped");
    }

    /// Shows how long the line is.
    async fn count(&self) {
        if let Ok((queued, running)) = self.state.store.queue_depth().await {
            metrics::gauge!("churn_jobs", "status" => "queued").set(queued as f64);
            metrics::gauge!("churn_jobs", "status" => "running").set(running as f64);
        }
    }

    /// Does one job, and says how it ended.
    async fn work(&self, job: Job, shutdown: CancellationToken) {
        let started = Instant::now();
        tracing::info!(job = %job.id, kind = %job.kind, organization = %job.org_id, attempt = job.attempts, "job begins");
        let control = Arc::new(Control::new(plan(job.kind)));
        let heart = tokio::spawn(self.clone().keep(job.clone(), control.clone(), shutdown));
        let result = {
            let (state, job, control) = (self.state.clone(), job.clone(), control.clone());
            // A task of its own: a panic ends the job, not the worker.
            tokio::spawn(async move { handle(&state, &job, &control).await }).await
        };
        let result = match result {
            Ok(result) => result,
            Err(error) => Err(Failure::transient(ApiError::internal(error))),
        };
        let outcome = match result {
            // One try more: what was made should not be thrown away for one lost connection.
            Ok(made) => match self.complete(&job, &made).await {
                Ok(outcome) => Ok(outcome),
                Err(error) => {
                    tracing::warn!(job = %job.id, %error, "the end of the job could not be written, trying again");
                    tokio::time::sleep(self.options.backoff).await;
                    self.complete(&job, &made).await
                }
            },
            Err(failure) => self.settle(&job, &control, &failure).await,
        };
        heart.abort();
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

    async fn complete(&self, job: &Job, made: &super::Made) -> crate::error::Result<&'static str> {
        // A training may put its model to use, which answers from the moment that the job is seen to have ended.
        let _changing = self.state.serving.changing(&job.org_id);
        let Some(mut tx) = self.state.store.speak_for_job(job, &self.name).await? else { return Ok("lost") };
        made.write(&mut tx, &job.org_id).await?;
        tx.complete_job(job).await?;
        Ok("completed")
    }

    /// Ends or hands back a job that made nothing.
    async fn settle(&self, job: &Job, control: &Control, failure: &Failure) -> crate::error::Result<&'static str> {
        let store = &self.state.store;
        let (said, outcome) = match control.stopped() {
            Some(Stop::Lost) => return Ok("lost"),
            Some(Stop::Shutdown) if failure.is_cancelled() => {
                (store.release_job(job, &self.name).await?, "handed_back")
            }
            _ if failure.is_transient() && job.attempts < job.max_attempts => {
                let doubled = self.options.backoff * (1 << (job.attempts - 1).clamp(0, 6));
                let pause = doubled.min(Duration::from_secs(60));
                tracing::warn!(job = %job.id, error = %failure.error(), attempt = job.attempts, ?pause, "job failed, to be tried again");
                (store.retry_job(job, &self.name, failure, pause).await?, "retried")
            }
            _ => {
                let outcome = if failure.is_cancelled() { "cancelled" } else { "failed" };
                (store.fail_job(job, &self.name, failure).await?, outcome)
            }
        };
        Ok(if said { outcome } else { "lost" })
    }

    /// The heartbeat of a job: holds the lease, shows the progress, brings the wish to stop.
    async fn keep(self, job: Job, control: Arc<Control>, shutdown: CancellationToken) {
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
            match self.state.store.beat_job(&job, &self.name, self.options.lease, progress, stage).await {
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
