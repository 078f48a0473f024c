//! The time budget of training, measured by the caller's clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Result, invalid_parameter};
use crate::model::LearnConfig;
use crate::progress::Observer;

/// The caller's clock since the start of training, and the budget.
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

    /// Seconds since the start of training; none without a clock.
    pub(crate) fn seconds(&self) -> Option<f64> {
        Some(self.observer.elapsed()?.saturating_sub(self.began?).as_secs_f64())
    }

    /// Returns true if the budget does not suffice for work of so many seconds from now on.
    pub(super) fn is_over_after(&self, seconds: f64) -> bool {
        self.seconds().is_some_and(|now| now + seconds > self.budget)
    }
}

/// An observer of a trial that stops it if it would leave too little time to fit the winning recipe, which is the best so far
/// or the trial's own.
pub(crate) struct BudgetObserver<'a> {
    timer: &'a Timer<'a>,
    limit: Option<Limit>,
    late: AtomicBool,
}

/// The time that a trial must leave.
pub(crate) struct Limit {
    /// Seconds that the best recipe so far needs after the search.
    pub(crate) reserve: f64,
    /// Start of the trial, in seconds since the start of training.
    pub(crate) began: f64,
    /// The work after the search as a multiple of the trial's work.
    pub(crate) refits: f64,
}

impl<'a> BudgetObserver<'a> {
    /// Creates the observer. Without a limit the trial runs to its end.
    pub(crate) fn new(timer: &'a Timer<'a>, limit: Option<Limit>) -> Self {
        BudgetObserver { timer, limit, late: AtomicBool::new(false) }
    }

    /// Returns true if the work after the search would exceed the budget even if the trial ended now.
    pub(crate) fn too_late(&self) -> bool {
        let (Some(limit), Some(now)) = (&self.limit, self.timer.seconds()) else { return false };
        now + f64::max(limit.reserve, (now - limit.began) * limit.refits) > self.timer.budget
    }

    /// Returns true if the trial was stopped because of the budget, and not by the caller.
    pub(crate) fn late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }
}

impl Observer for BudgetObserver<'_> {
    fn cancelled(&self) -> bool {
        if self.timer.observer.cancelled() {
            return true;
        }
        let late = self.too_late();
        self.late.fetch_or(late, Ordering::Relaxed);
        late
    }
}
