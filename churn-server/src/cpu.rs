//! Work that computes, kept off the threads that answer requests, and bounded.

use std::sync::Arc;

use churn::Observer;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::error::{ApiError, Result};

/// So many threads may compute at once; who comes later waits.
#[derive(Clone, Debug)]
pub struct Cpu {
    slots: Arc<Semaphore>,
}

impl Cpu {
    /// With so many slots, at least one.
    pub fn new(slots: usize) -> Self {
        Cpu { slots: Arc::new(Semaphore::new(slots.max(1))) }
    }

    /// Runs it on a thread of its own as soon as there is a slot.
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

    /// The same for work that may take long: it is told to stop when nobody waits for it any more, because the time of the
    /// request was over or its sender has gone.
    ///
    /// # Errors
    /// As [`Cpu::run`].
    pub async fn run_observed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Observer) -> T + Send + 'static,
    ) -> Result<T> {
        let waiting = CancellationToken::new();
        let observer = Waiting(waiting.clone());
        let _gone = waiting.drop_guard();
        self.run(move || work(&observer)).await
    }
}

/// Cancelled once nobody waits.
struct Waiting(CancellationToken);

impl Observer for Waiting {
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
        // As the time limit of requests and a connection that ends do.
        request.abort();
        // The only slot is free again.
        cpu.run(|| ()).await.expect("runs");
    }
}
