//! The caller's function that observes long work.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use churn::Observer;
use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{BindingError, Result};
use crate::source::now;

thread_local! {
    // Observers are shared between threads, but JavaScript functions are not. So the function is stored here, for the only
    // thread.
    static WATCHER: RefCell<Option<Function>> = const { RefCell::new(None) };
    static STOPPED: Cell<bool> = const { Cell::new(false) };
}

/// Observer that calls the function with stage, steps done and total steps. If it returns false, the work stops.
pub(crate) struct JsObserver {
    /// True if the core may read a clock. Only a time budget needs it, and measured times would be stored in the model
    /// document.
    pub(crate) clock: bool,
}

impl JsObserver {
    /// Sets the observing function, or none, until the guard is dropped. Then the previous function observes again.
    pub(crate) fn start(observe: &JsValue, clock: bool) -> Result<(JsObserver, Guard)> {
        let function = match observe.is_undefined() || observe.is_null() {
            true => None,
            false => Some(observe.dyn_ref::<Function>().cloned().ok_or_else(|| {
                BindingError::parameter("observe is no function; expected (stage, done, total) => boolean")
            })?),
        };
        let before = Guard(WATCHER.replace(function), STOPPED.replace(false));
        Ok((JsObserver { clock }, before))
    }
}

/// The previous function, and whether it has stopped its work. Both are kept because an observer may start work of its own.
pub(crate) struct Guard(Option<Function>, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        WATCHER.set(self.0.take());
        STOPPED.set(self.1);
    }
}

impl Observer for JsObserver {
    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        // The function may call this module again, so it is not borrowed during the call.
        let Some(function) = WATCHER.with_borrow(Option::clone) else { return };
        let answer = function.call3(&JsValue::NULL, &stage.into(), &(done as f64).into(), &(total as f64).into());
        // If the function throws, the work stops.
        if !matches!(answer, Ok(answer) if answer.as_bool() != Some(false)) {
            STOPPED.set(true);
        }
    }

    fn elapsed(&self) -> Option<Duration> {
        self.clock.then(|| Duration::from_secs_f64((now() / 1000.0).max(0.0)))
    }

    fn cancelled(&self) -> bool {
        STOPPED.get()
    }
}
