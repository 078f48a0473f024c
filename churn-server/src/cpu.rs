//! Work that computes, kept off the threads that answer requests, and bounded.

use std::sync::Arc;

use tokio::sync::Semaphore;

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
}
