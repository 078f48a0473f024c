//! What long work tells its caller, and how the caller stops it.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Watches long work. Every method has a default; `()` watches nothing.
pub trait Observer: Sync {
    /// `done` of `total` steps of a stage (`"read"`, `"features"`, `"search"`, `"cross-fit"`, `"fit"`, …) are complete.
    /// `total` is 0 where it is not known beforehand; for `"read"` the steps are bytes.
    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        let _ = (stage, done, total);
    }

    /// The time on the caller's clock since some moment of its choice; the core has none of its own. None: nothing is timed.
    fn elapsed(&self) -> Option<Duration> {
        None
    }

    /// True asks the work to stop soon with the error `cancelled`.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Observer for () {}

/// Reports the step, or gives up if the observer asks to.
pub(crate) fn step(observer: &dyn Observer, stage: &'static str, done: usize, total: usize) -> Result<()> {
    heed(observer, stage)?;
    observer.progress(stage, done as u64, total as u64);
    Ok(())
}

/// [`step`] of reading, in bytes or rows: a stream may be longer than the addresses of the machine are.
pub(crate) fn have_read(observer: &dyn Observer, done: u64) -> Result<()> {
    heed(observer, "read")?;
    observer.progress("read", done, 0);
    Ok(())
}

/// Gives up if the observer asks to. It stands between parts of a step that take long where the rows are many, on the
/// caller's thread: an observer may have nothing to say on others.
pub(crate) fn heed(observer: &dyn Observer, stage: &'static str) -> Result<()> {
    match observer.cancelled() {
        true => Err(Error::new(ErrorKind::Cancelled, format!("cancelled during {stage:?}"))),
        false => Ok(()),
    }
}
