//! Progress reports of long work, and its cancellation by the caller.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// An observer of long work. Every method has a default; `()` observes nothing.
pub trait Observer: Sync {
    /// Called when `done` of `total` steps of a stage (`"read"`, `"features"`, `"search"`, `"cross-fit"`, `"fit"`, …) are
    /// complete. `total` is 0 if it is not known in advance. For `"read"` the steps are bytes.
    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        let _ = (stage, done, total);
    }

    /// Returns the time on the caller's clock since any fixed moment. The core has no clock of its own. With none, nothing is
    /// timed.
    fn elapsed(&self) -> Option<Duration> {
        None
    }

    /// Returns true to stop the work soon with the error `cancelled`.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Observer for () {}

/// Reports a step, or returns the error `cancelled` if the observer requests it.
pub(crate) fn step(observer: &dyn Observer, stage: &'static str, done: usize, total: usize) -> Result<()> {
    check_cancelled(observer, stage)?;
    observer.progress(stage, done as u64, total as u64);
    Ok(())
}

/// [`step`] for reading, in bytes or rows. The count has 64 bits, because a stream may be longer than a `usize`.
pub(crate) fn report_read(observer: &dyn Observer, done: u64) -> Result<()> {
    check_cancelled(observer, "read")?;
    observer.progress("read", done, 0);
    Ok(())
}

/// Returns the error `cancelled` if the observer requests it. It is called within steps that take long for many rows, and only
/// on the caller's thread, because an observer may not work on others.
pub(crate) fn check_cancelled(observer: &dyn Observer, stage: &'static str) -> Result<()> {
    match observer.cancelled() {
        true => Err(Error::new(ErrorKind::Cancelled, format!("cancelled during {stage:?}"))),
        false => Ok(()),
    }
}
