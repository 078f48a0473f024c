//! Circuit breaker: protects an unreachable storage from many requests.
//!
//! After a request that could not reach the storage, all others fail at once for a pause that doubles up to half a minute. Then
//! one request is let through, and its result decides. An error that the storage itself returns is an answer and does not open
//! the breaker.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Bucket, ByteStream, Content, Head, Listed, Location, Result, Storage, StorageError, StorageErrorKind};

/// The first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A storage behind a circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    inner: Arc<dyn Storage>,
    away: Mutex<Option<Away>>,
}

/// State since the last request that could not reach the storage.
#[derive(Clone, Copy, Debug)]
struct Away {
    pause: Duration,
    until: Instant,
    /// True if a request was let through since then, as a test.
    tried: bool,
}

impl Breaker {
    /// Creates a closed breaker.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Breaker { inner, away: Mutex::new(None) }
    }

    /// Lets a request through, or returns an error with the rest of the pause.
    fn pass(&self) -> Result<()> {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(away) = &mut *away {
            let now = Instant::now();
            if now < away.until {
                let message = "the storage was away a moment ago";
                let error = StorageError::new(StorageErrorKind::Unavailable, message);
                return Err(error.after(Some(away.until - now)));
            }
            // This request is the test; the others fail until its result is known.
            away.until = now + away.pause;
            away.tried = true;
        }
        Ok(())
    }

    /// Updates the breaker from the result of a request.
    fn learn<T>(&self, result: Result<T>) -> Result<T> {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Err(error) if error.kind() == StorageErrorKind::Unavailable => {
                let pause = match *away {
                    None => PAUSES.0,
                    Some(Away { pause, tried: true, .. }) => (pause * 2).min(PAUSES.1),
                    // This request was already in progress when the storage became unreachable.
                    Some(_) => return result,
                };
                *away = Some(Away { pause, until: Instant::now() + pause, tried: false });
            }
            // The sender of the body failed, which says nothing about the storage.
            Err(error) if error.kind() == StorageErrorKind::Body => (),
            _ => *away = None,
        }
        result
    }
}

#[async_trait]
impl Storage for Breaker {
    async fn prepare(&self) -> Result<()> {
        // Not blocked by the breaker: preparation and health checks always reach the storage.
        self.learn(self.inner.prepare().await)
    }

    async fn put(&self, at: &Location, content_type: &str, body: ByteStream<'_>, max_bytes: u64) -> Result<u64> {
        self.pass()?;
        self.learn(self.inner.put(at, content_type, body, max_bytes).await)
    }

    async fn get(&self, at: &Location) -> Result<Content> {
        self.pass()?;
        self.learn(self.inner.get(at).await)
    }

    async fn get_range(&self, at: &Location, range: Range<u64>) -> Result<Content> {
        self.pass()?;
        self.learn(self.inner.get_range(at, range).await)
    }

    async fn head(&self, at: &Location) -> Result<Head> {
        self.pass()?;
        self.learn(self.inner.head(at).await)
    }

    async fn delete(&self, at: &Location) -> Result<bool> {
        self.pass()?;
        self.learn(self.inner.delete(at).await)
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<Listed>> {
        self.pass()?;
        self.learn(self.inner.list(bucket, prefix).await)
    }

    async fn check(&self, there: &[Location]) -> Result<()> {
        // Not blocked by the breaker: preparation and health checks always reach the storage.
        self.learn(self.inner.check(there).await)
    }

    async fn sweep(&self) -> Result<u64> {
        self.pass()?;
        self.learn(self.inner.sweep().await)
    }

    fn is_away(&self) -> bool {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
