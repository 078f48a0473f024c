//! The caller's function that watches long work.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use churn::Observer;
use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{Failure, Result};
use crate::source::now;

thread_local! {
    // Observers are shared between threads, JavaScript's functions are not: the function waits here for the one thread.
    static WATCHER: RefCell<Option<Function>> = const { RefCell::new(None) };
    static STOPPED: Cell<bool> = const { Cell::new(false) };
}

/// Calls the function with stage, steps done and steps in all; false stops the work.
pub(crate) struct Watch {
    /// Whether the core may read a clock: only a time budget needs it, and the times would end up in the model document.
    pub(crate) clock: bool,
}

impl Watch {
    /// Watches with this function, or with none, until the guard is dropped; then whatever was watching before goes on.
    pub(crate) fn start(observe: &JsValue, clock: bool) -> Result<(Watch, Guard)> {
        let function = match observe.is_undefined() || observe.is_null() {
            true => None,
            false => Some(observe.dyn_ref::<Function>().cloned().ok_or_else(|| {
                Failure::parameter("observe is no function; expected (stage, done, total) => boolean")
            })?),
        };
        let before = Guard(WATCHER.replace(function), STOPPED.replace(false));
        Ok((Watch { clock }, before))
    }
}

/// The function that watched before, and whether it has stopped its work: an observer may start work of its own.
pub(crate) struct Guard(Option<Function>, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        WATCHER.set(self.0.take());
        STOPPED.set(self.1);
    }
}

impl Observer for Watch {
    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        // The function may call this module again, so it is not held meanwhile.
        let Some(function) = WATCHER.with_borrow(Option::clone) else { return };
        let answer = function.call3(&JsValue::NULL, &stage.into(), &(done as f64).into(), &(total as f64).into());
        // A function that throws is no longer watching.
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
