//! The threads that work is spread over: a pool of this process, made when it is first needed.
//!
//! A forked process has the thread that forked and no other, so a pool that its parent had begun never does anything there,
//! and a lock that another thread held at that moment is never opened. Hence the pool belongs to a process id, no lock is
//! taken to find it, and in another process it is left as it stands: closing it would wait for its threads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use churn::Threads;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

/// A process and its pool. It lives for ever, as what it points to may be in use in other threads.
struct Own {
    process: u32,
    /// Filled by the first of the threads that need it; the others wait, all of them in this process.
    threads: OnceLock<Threads>,
}

static OWN: AtomicPtr<Own> = AtomicPtr::new(std::ptr::null_mut());

/// The threads of this process.
fn threads() -> Threads {
    let process = std::process::id();
    loop {
        let found = OWN.load(Ordering::Acquire);
        // SAFETY: the pointer is null or comes from `Box::leak` below, and what it points to is never freed nor written to
        // but through its lock.
        #[allow(unsafe_code, reason = "without a lock that a fork could leave closed there is only a pointer")]
        let own = unsafe { found.as_ref() };
        match own.filter(|own| own.process == process) {
            Some(own) => return own.threads.get_or_init(|| Threads::new(0)).clone(),
            None => {
                let new = Box::leak(Box::new(Own { process, threads: OnceLock::new() }));
                // Where another thread was faster its own is taken; some bytes are lost.
                let _ = OWN.compare_exchange(found, new, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }
}

/// Gives all parallel work of the core the threads of the process that it runs in.
pub(crate) fn init(py: Python<'_>) -> PyResult<()> {
    churn::use_threads(threads);
    // The process id says it, unless the system gives the number of a process that has ended to a descendant of it.
    let forget = |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        OWN.store(std::ptr::null_mut(), Ordering::Release);
    };
    // Windows has no fork.
    if let Some(register) = py.import("os")?.getattr_opt("register_at_fork")? {
        let keywords = PyDict::new(py);
        keywords.set_item("after_in_child", PyCFunction::new_closure(py, None, None, forget)?)?;
        register.call((), Some(&keywords))?;
    }
    Ok(())
}
