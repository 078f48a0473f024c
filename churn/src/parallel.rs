//! Work on every core where the `parallel` feature is on, in order where it is off; the results come back in order either way.

#![cfg_attr(not(feature = "train"), allow(dead_code, reason = "learning uses more of it than scoring"))]

#[cfg(feature = "parallel")]
pub use own::{Threads, use_threads};

#[cfg(feature = "parallel")]
mod own {
    use std::sync::{Arc, OnceLock};

    /// Threads that work is spread over, instead of those that the process shares.
    ///
    /// ```
    /// let threads = churn::Threads::new(2);
    /// assert_eq!((threads.count(), churn::Threads::new(1).count()), (2, 1));
    /// ```
    #[derive(Clone, Debug)]
    pub struct Threads(Option<Arc<rayon::ThreadPool>>);

    /// The source of threads, if there is one. Beside tables of constants the only state of the process: whoever loads this
    /// library into processes of others must be able to reach every call with it.
    static SOURCE: OnceLock<fn() -> Threads> = OnceLock::new();

    /// Makes all work that begins outside of a pool of rayon's go to the threads that `source` gives at that moment. The
    /// first source that is set stays.
    ///
    /// It is made for libraries that are loaded into programs that fork, as the Python package is. The threads of a pool do
    /// not exist in a forked process, and work that is handed to it never ends there: the source must give other threads in
    /// another process. Without a source work goes to rayon's global pool.
    pub fn use_threads(source: fn() -> Threads) {
        // A fork in the middle of the first use would leave these half filled in the child, which would wait for ever.
        crate::features::fill_tables();
        let _ = crate::events::Spread::default();
        let _ = SOURCE.set(source);
    }

    impl Threads {
        /// So many threads, or as many as rayon chooses for 0: one a core, or what `RAYON_NUM_THREADS` says. One thread is the
        /// one that calls, and so it is where the system gives no more.
        pub fn new(count: usize) -> Threads {
            if count == 1 {
                return Threads(None);
            }
            let named = rayon::ThreadPoolBuilder::new().num_threads(count).thread_name(|i| format!("churn-{i}"));
            Threads(named.build().ok().filter(|pool| pool.current_num_threads() > 1).map(Arc::new))
        }

        /// The number of threads.
        pub fn count(&self) -> usize {
            self.0.as_ref().map_or(1, |pool| pool.current_num_threads())
        }
    }

    /// The threads of the source, for work that does not run in a pool already.
    pub(super) fn threads() -> Option<Threads> {
        SOURCE.get().filter(|_| rayon::current_thread_index().is_none()).map(|source| source())
    }

    /// Does work that spreads: in the pool of the source, if there is one.
    pub(super) fn spread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        match threads() {
            Some(Threads(Some(pool))) => pool.install(work),
            _ => work(),
        }
    }

    /// A scope that begins on this thread.
    pub(super) fn scope<'scope, T>(work: impl FnOnce(&rayon::Scope<'scope>) -> T) -> T {
        match threads() {
            Some(Threads(Some(pool))) => pool.in_place_scope(work),
            _ => rayon::in_place_scope(work),
        }
    }
}

/// The number of cores that work is spread over.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "parallel")]
    return own::threads().map_or_else(rayon::current_num_threads, |threads| threads.count());
    #[cfg(not(feature = "parallel"))]
    1
}

/// `f(0), f(1), …, f(n - 1)`.
pub(crate) fn map<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    // With one thread the pool would only be a detour.
    #[cfg(feature = "parallel")]
    if n > 1 && threads() > 1 {
        use rayon::prelude::*;
        return own::spread(|| (0..n).into_par_iter().map(f).collect());
    }
    (0..n).map(f).collect()
}

/// `f(0, first), f(1, second), …` of the items.
pub(crate) fn map_mut<I: Send, T: Send>(items: &mut [I], f: impl Fn(usize, &mut I) -> T + Sync + Send) -> Vec<T> {
    #[cfg(feature = "parallel")]
    if items.len() > 1 && threads() > 1 {
        use rayon::prelude::*;
        return own::spread(|| items.par_iter_mut().enumerate().map(|(i, item)| f(i, item)).collect());
    }
    items.iter_mut().enumerate().map(|(i, item)| f(i, item)).collect()
}

/// Does `there` on the other cores and `here`, which cannot leave this thread, beside it; one after the other on one core.
pub(crate) fn beside<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        let mut done = None;
        let result = own::scope(|scope| {
            scope.spawn(|_| done = Some(there()));
            here()
        });
        return (done.expect("a scope ends after what it has spawned"), result);
    }
    (there(), here())
}

/// Does work that spreads over the cores many times over: on a thread of the pool, which need not wait for another to wake
/// each time.
pub(crate) fn inside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        return own::spread(|| rayon::scope(|_| work()));
    }
    work()
}

/// Sorts by a key that no two items share, so that there is one order only.
pub(crate) fn sort_unstable_by<T: Send>(items: &mut [T], compare: impl Fn(&T, &T) -> std::cmp::Ordering + Sync) {
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        use rayon::prelude::*;
        own::spread(|| items.par_sort_unstable_by(&compare));
        return;
    }
    items.sort_unstable_by(compare);
}

/// Calls `f(first, rows)` for the blocks of some hundred rows of `width` values, beginning with that row.
pub(crate) fn for_each_block(rows: &mut [f64], width: usize, f: impl Fn(usize, &mut [f64]) + Sync + Send) {
    // Rows a task: enough that handing it out costs nothing beside it.
    const ROWS: usize = 512;
    if width == 0 {
        return;
    }
    for_each_chunk(rows, ROWS * width, |first, chunk| f(first / width, chunk));
}

/// Calls `f(first, items)` for stretches of so many items, beginning with that one.
pub(crate) fn for_each_chunk<T: Send>(items: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    let chunk = |(i, chunk): (usize, &mut [T])| f(i * size, chunk);
    #[cfg(feature = "parallel")]
    if items.len() > size && threads() > 1 {
        use rayon::prelude::*;
        own::spread(|| items.par_chunks_mut(size).enumerate().for_each(chunk));
        return;
    }
    items.chunks_mut(size).enumerate().for_each(chunk);
}

/// Calls `f` on every item.
pub(crate) fn for_each<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Sync + Send) {
    #[cfg(feature = "parallel")]
    if items.len() > 1 && threads() > 1 {
        use rayon::prelude::*;
        own::spread(|| items.par_iter_mut().for_each(f));
        return;
    }
    items.iter_mut().for_each(f);
}
