//! Communication between a running job and its worker: the job reports progress, the worker may ask it to stop.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use churn::Observer;

/// Reason why a job must stop early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stop {
    /// A caller cancelled the job.
    Cancelled = 1,
    /// The process shuts down; another one will run the job.
    Shutdown = 2,
    /// Another worker has taken the job.
    Lost = 3,
}

/// State shared by a handler and the heartbeat of its job.
#[derive(Debug)]
pub struct Control {
    /// Bits of a number from 0 to 1.
    progress: AtomicU64,
    stage: Mutex<Option<&'static str>>,
    /// Bytes of the file that is read; 0 if unknown.
    bytes: AtomicU64,
    stop: AtomicU8,
    /// Range of each stage within the progress from 0 to 1: name, from, to.
    plan: &'static [(&'static str, f64, f64)],
    started: Instant,
}

impl Control {
    /// Creates the state of a job with the given stages.
    pub fn new(plan: &'static [(&'static str, f64, f64)]) -> Self {
        Control {
            progress: AtomicU64::new(0f64.to_bits()),
            stage: Mutex::new(None),
            bytes: AtomicU64::new(0),
            stop: AtomicU8::new(0),
            plan,
            started: Instant::now(),
        }
    }

    /// Sets the total number of bytes of the stage `"read"`.
    pub fn reads(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns the progress from 0 to 1, and the current stage.
    pub fn state(&self) -> (f64, Option<&'static str>) {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        (f64::from_bits(self.progress.load(Ordering::Relaxed)), stage)
    }

    /// Asks the job to stop. Only the first reason is kept.
    pub fn stop(&self, why: Stop) {
        let _ = self.stop.compare_exchange(0, why as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Returns the reason to stop, if there is one.
    pub fn stopped(&self) -> Option<Stop> {
        match self.stop.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Cancelled),
            2 => Some(Stop::Shutdown),
            _ => Some(Stop::Lost),
        }
    }
}

impl Observer for Control {
    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
        if let Some(&(_, from, to)) = self.plan.iter().find(|(name, ..)| *name == stage) {
            let total = if stage == "read" { self.bytes.load(Ordering::Relaxed) } else { total };
            let share = if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) };
            // The bits of non-negative numbers sort like the numbers. Progress never falls, even if a stage runs twice.
            self.progress.fetch_max((from + share * (to - from)).to_bits(), Ordering::Relaxed);
        }
    }

    fn elapsed(&self) -> Option<Duration> {
        Some(self.started.elapsed())
    }

    fn cancelled(&self) -> bool {
        self.stopped().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_rises_through_the_plan_and_never_falls() {
        let control = Control::new(&[("read", 0.0, 0.4), ("fit", 0.4, 1.0)]);
        control.reads(100);
        control.progress("read", 50, 0);
        assert_eq!(control.state(), (0.2, Some("read")));
        control.progress("fit", 1, 2);
        assert_eq!(control.state(), (0.7, Some("fit")));
        control.progress("read", 100, 0);
        control.progress("another", 1, 1);
        assert_eq!(control.state(), (0.7, Some("another")));
    }

    #[test]
    fn the_first_reason_to_stop_counts() {
        let control = Control::new(&[]);
        assert!(!control.cancelled());
        control.stop(Stop::Shutdown);
        control.stop(Stop::Cancelled);
        assert_eq!(control.stopped(), Some(Stop::Shutdown));
    }
}
