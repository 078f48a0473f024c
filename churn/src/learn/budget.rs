//! The time that training may take, by the caller's clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Result, invalid_parameter};
use crate::model::LearnConfig;
use crate::progress::Observer;

/// The caller's clock from the beginning of training, and how much of it may be used.
pub(crate) struct Timer<'a> {
    observer: &'a dyn Observer,
    began: Option<Duration>,
    budget: f64,
}

impl<'a> Timer<'a> {
    pub(crate) fn start(config: &LearnConfig, observer: &'a dyn Observer) -> Result<Self> {
        let began = observer.elapsed();
        if let Some(budget) = config.time_budget.filter(|_| began.is_none()) {
            let expected = "none, or an observer with a clock (Observer::elapsed): the core has none";
            return Err(invalid_parameter("time_budget", budget, expected));
        }
        Ok(Timer { observer, began, budget: config.time_budget.unwrap_or(f64::INFINITY) })
    }

    pub(crate) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// Seconds since the beginning.
    pub(crate) fn seconds(&self) -> Option<f64> {
        Some(self.observer.elapsed()?.saturating_sub(self.began?).as_secs_f64())
    }
}

/// Watches a trial, and stops it where it would leave too little time to fit the recipe that wins: the best so far, or its
/// own.
pub(crate) struct Watch<'a> {
    timer: &'a Timer<'a>,
    limit: Option<Limit>,
    late: AtomicBool,
}

/// What a trial must leave.
pub(crate) struct Limit {
    /// Seconds that the best recipe so far needs after the search.
    pub(crate) reserve: f64,
    /// When the trial began.
    pub(crate) began: f64,
    /// The work after the search as a multiple of the trial's.
    pub(crate) refits: f64,
}

impl<'a> Watch<'a> {
    /// Without a limit the trial runs to its end.
    pub(crate) fn new(timer: &'a Timer<'a>, limit: Option<Limit>) -> Self {
        Watch { timer, limit, late: AtomicBool::new(false) }
    }

    /// Whether what follows the search would end after the budget if the trial ended now.
    pub(crate) fn too_late(&self) -> bool {
        let (Some(limit), Some(now)) = (&self.limit, self.timer.seconds()) else { return false };
        now + f64::max(limit.reserve, (now - limit.began) * limit.refits) > self.timer.budget
    }

    /// Whether it was stopped for its time, and not by the caller.
    pub(crate) fn late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }
}

impl Observer for Watch<'_> {
    fn cancelled(&self) -> bool {
        if self.timer.observer.cancelled() {
            return true;
        }
        let late = self.too_late();
        self.late.fetch_or(late, Ordering::Relaxed);
        late
    }
}
