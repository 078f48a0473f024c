//! The thread pool for parallel work, one per process, created on first use.
//!
//! A forked process contains only the thread that forked. So a pool started by its parent never does any work there, and a lock
//! held by another thread at that moment is never released. Therefore the pool belongs to a process id, no lock is taken to
//! find it, and a forked process leaves the old pool untouched, because closing it would wait for its threads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use churn::Threads;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

/// A process and its pool. It is never freed, because other threads may be using the pool.
struct Own {
    process: u32,
    /// Created by the first thread that needs it. The others wait; all of them belong to this process.
    threads: OnceLock<Threads>,
}

static OWN: AtomicPtr<Own> = AtomicPtr::new(std::ptr::null_mut());

/// Returns the thread pool of this process.
fn threads() -> Threads {
    let process = std::process::id();
    loop {
        let found = OWN.load(Ordering::Acquire);
        // SAFETY: the pointer is null or comes from `Box::leak` below. Its target is never freed, and is written to only
        // through its lock.
        #[allow(unsafe_code, reason = "without a lock that a fork could leave closed there is only a pointer")]
        let own = unsafe { found.as_ref() };
        match own.filter(|own| own.process == process) {
            Some(own) => return own.threads.get_or_init(|| Threads::new(0)).clone(),
            None => {
                let new = Box::leak(Box::new(Own { process, threads: OnceLock::new() }));
                // If another thread was faster, its pool is used, and some bytes are leaked.
                let _ = OWN.compare_exchange(found, new, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }
}

/// Makes all parallel work of the core use the thread pool of the current process.
pub(crate) fn init(py: Python<'_>) -> PyResult<()> {
    churn::use_threads(threads);
    // The process id shows a fork, unless the system reuses the id of an ended process for one of its descendants.
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
