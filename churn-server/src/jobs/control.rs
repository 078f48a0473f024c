//! What a running job and its worker say to each other: progress in one direction, the wish to stop in the other.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use churn::Observer;

/// Why a job is to stop before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stop {
    /// Somebody asked for it.
    Cancelled = 1,
    /// The process goes down; another will do the job.
    Shutdown = 2,
    /// Another worker has the job.
    Lost = 3,
}

/// Shared by a handler and the heartbeat of its job.
#[derive(Debug)]
pub struct Control {
    /// The bits of a number from 0 to 1.
    progress: AtomicU64,
    stage: Mutex<Option<&'static str>>,
    /// Bytes of the file that is read; 0 while that is not known.
    bytes: AtomicU64,
    stop: AtomicU8,
    /// Where the stages of the work lie between 0 and 1: name, from, to.
    plan: &'static [(&'static str, f64, f64)],
    started: Instant,
}

impl Control {
    /// For a job whose stages take about these parts of its time.
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

    /// The stage `"read"` counts bytes, and there are so many.
    pub fn reads(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// How far the job is, 0 to 1, and at what.
    pub fn state(&self) -> (f64, Option<&'static str>) {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        (f64::from_bits(self.progress.load(Ordering::Relaxed)), stage)
    }

    /// Asks the job to stop; the first reason counts.
    pub fn stop(&self, why: Stop) {
        let _ = self.stop.compare_exchange(0, why as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why the job is to stop, if it is.
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
            // Bits of numbers from 0 up are in the order of the numbers, and progress never falls: some stages come twice.
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
