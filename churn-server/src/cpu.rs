//! Limits computations and keeps them off the threads that answer requests.

use std::sync::Arc;

use churn::Observer;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::error::{ApiError, Result};

/// Limits the number of threads that compute at once; further work waits.
#[derive(Clone, Debug)]
pub struct Cpu {
    slots: Arc<Semaphore>,
}

impl Cpu {
    /// Creates a limit with this number of slots, at least one.
    pub fn new(slots: usize) -> Self {
        Cpu { slots: Arc::new(Semaphore::new(slots.max(1))) }
    }

    /// Runs the work on a thread for blocking work as soon as a slot is free.
    ///
    /// # Errors
    /// `internal` if it panics; `unavailable` if the server is being shut down.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| ApiError::unavailable("the server is being shut down"))?;
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let result = span.in_scope(work);
            drop(slot);
            result
        });
        done.await.map_err(ApiError::internal)
    }

    /// Runs work that may take long. It is told to stop when nobody waits for the result any more, because the time limit of
    /// the request is over or the client has disconnected.
    ///
    /// # Errors
    /// As [`Cpu::run`].
    pub async fn run_observed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Observer) -> T + Send + 'static,
    ) -> Result<T> {
        let waiting = CancellationToken::new();
        let observer = RequestObserver(waiting.clone());
        let _gone = waiting.drop_guard();
        self.run(move || work(&observer)).await
    }
}

/// Observer that is cancelled once nobody waits for the result.
struct RequestObserver(CancellationToken);

impl Observer for RequestObserver {
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_nobody_waits_for_stops() {
        let cpu = Cpu::new(1);
        let (started, begins) = tokio::sync::oneshot::channel();
        let own = cpu.clone();
        let request = tokio::spawn(async move {
            own.run_observed(move |observer| {
                started.send(()).expect("somebody listens");
                while !observer.cancelled() {
                    std::thread::yield_now();
                }
            })
            .await
        });
        begins.await.expect("begins");
        // The time limit of requests and a closed connection do the same.
        request.abort();
        // The only slot is free again.
        cpu.run(|| ()).await.expect("runs");
    }
}
