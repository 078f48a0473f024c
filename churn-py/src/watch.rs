//! Progress reports of long work to Python, and its cancellation by Ctrl-C or by an exception of the callback.

use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use churn::Observer;
use pyo3::prelude::*;

use crate::error::raise;

/// Minimum time between two checks for signals, and between two progress reports.
const PAUSE: Duration = Duration::from_millis(100);

/// The observer of one call.
pub(crate) struct PyObserver {
    started: Instant,
    /// Thread of the caller. Only this thread handles signals and calls back.
    caller: ThreadId,
    callback: Option<Py<PyAny>>,
    state: Mutex<WatchState>,
}

struct WatchState {
    asked: Instant,
    told: Option<(&'static str, Instant)>,
    /// Exception that stops the work.
    raised: Option<PyErr>,
}

impl PyObserver {
    /// Creates an observer: without progress for None and False, with tqdm for True, else with a callable that receives stage,
    /// done and total.
    pub(crate) fn new(progress: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let callback = match progress.filter(|progress| !progress.is_none()) {
            None => None,
            Some(progress) => match progress.extract::<bool>() {
                Ok(false) => None,
                Ok(true) => Some(progress.py().import("churn._progress")?.getattr("Bars")?.call0()?.unbind()),
                Err(_) if progress.is_callable() => Some(progress.clone().unbind()),
                Err(_) => {
                    return Err(crate::error::invalid(
                        "progress must be True for a bar, or a function of stage, done and total",
                    ));
                }
            },
        };
        let now = Instant::now();
        let state = Mutex::new(WatchState { asked: now, told: None, raised: None });
        Ok(PyObserver { started: now, caller: std::thread::current().id(), callback, state })
    }

    /// Stores a Python exception from a reader inside the core. [`PyObserver::run`] raises it.
    pub(crate) fn store_exception(&self, error: PyErr) {
        self.lock().raised.get_or_insert(error);
    }

    /// Runs work without the interpreter's lock. An exception of Python takes precedence over the error of the core that it
    /// caused.
    pub(crate) fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&PyObserver) -> churn::Result<T> + Send,
    ) -> PyResult<T> {
        let result = py.detach(|| work(self));
        let raised = self.lock().raised.take();
        if let Some(callback) = &self.callback
            && let Some(close) = callback.bind(py).getattr_opt("close")?
        {
            close.call0()?;
        }
        match (result, raised) {
            (_, Some(raised)) => Err(raised),
            (Ok(value), None) => Ok(value),
            (Err(error), None) => Err(raise(error)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Observer for PyObserver {
    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        let Some(callback) = &self.callback else { return };
        if std::thread::current().id() != self.caller {
            return;
        }
        {
            let mut state = self.lock();
            let ends = total > 0 && done == total;
            match state.told {
                Some((told, when)) if told == stage && !ends && when.elapsed() < PAUSE => return,
                _ => state.told = Some((stage, Instant::now())),
            }
        }
        // The lock is not held while Python runs, because Python may call back into this function.
        if let Err(error) = Python::attach(|py| callback.call1(py, (stage, done, total))) {
            self.store_exception(error);
        }
    }

    fn elapsed(&self) -> Option<Duration> {
        Some(self.started.elapsed())
    }

    fn cancelled(&self) -> bool {
        {
            let mut state = self.lock();
            if state.raised.is_some() {
                return true;
            }
            if std::thread::current().id() != self.caller || state.asked.elapsed() < PAUSE {
                return false;
            }
            state.asked = Instant::now();
        }
        if let Err(error) = Python::attach(|py| py.check_signals()) {
            self.store_exception(error);
            return true;
        }
        false
    }
}
