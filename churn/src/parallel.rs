//! Functions that spread work over all cores if the `parallel` feature is on, and run it on the calling thread if it is off.
//! The results are in order either way.

#![cfg_attr(not(feature = "train"), allow(dead_code, reason = "learning uses more of it than scoring"))]

#[cfg(feature = "parallel")]
pub use own::{Threads, use_threads};

#[cfg(feature = "parallel")]
mod own {
    use std::sync::{Arc, OnceLock};

    /// A set of threads to spread work over, instead of the pool that the process shares.
    ///
    /// ```
    /// let threads = churn::Threads::new(2);
    /// assert_eq!((threads.count(), churn::Threads::new(1).count()), (2, 1));
    /// ```
    #[derive(Clone, Debug)]
    pub struct Threads(Option<Arc<rayon::ThreadPool>>);

    /// The source of threads, if one was set. Apart from tables of constants it is the only global state of the library: a
    /// host that loads the library into a foreign process must be able to set the threads of every call.
    static SOURCE: OnceLock<fn() -> Threads> = OnceLock::new();

    /// Sends all work that starts outside of a rayon pool to the threads that `source` returns at that moment. Only the first
    /// call has an effect.
    ///
    /// It is meant for libraries that are loaded into programs that fork, such as the Python package. The threads of a pool do
    /// not exist in a forked process, so work sent to that pool would never finish there. The source must therefore return
    /// other threads in another process. Without a source, work goes to rayon's global pool.
    pub fn use_threads(source: fn() -> Threads) {
        // These are filled on first use. A fork in the middle would leave them locked in the child, which would wait for ever.
        crate::features::fill_tables();
        let _ = crate::events::IdHasher::default();
        let _ = SOURCE.set(source);
    }

    impl Threads {
        /// Creates a set of `count` threads. 0 takes rayon's default: one per core, or the value of `RAYON_NUM_THREADS`. With
        /// 1, work runs on the calling thread, and so it does if the system cannot start more threads.
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

    /// The threads of the source; none if there is no source or the work runs in a pool already.
    pub(super) fn threads() -> Option<Threads> {
        SOURCE.get().filter(|_| rayon::current_thread_index().is_none()).map(|source| source())
    }

    /// Runs work that uses rayon, in the pool of the source if there is one.
    pub(super) fn install<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        match threads() {
            Some(Threads(Some(pool))) => pool.install(work),
            _ => work(),
        }
    }

    /// Runs a rayon scope whose body runs on the calling thread.
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
    // With one thread, going through the pool would only cost time.
    #[cfg(feature = "parallel")]
    if n > 1 && threads() > 1 {
        use rayon::prelude::*;
        return own::install(|| (0..n).into_par_iter().map(f).collect());
    }
    (0..n).map(f).collect()
}

/// `f(0, first), f(1, second), …` of the items.
pub(crate) fn map_mut<I: Send, T: Send>(items: &mut [I], f: impl Fn(usize, &mut I) -> T + Sync + Send) -> Vec<T> {
    #[cfg(feature = "parallel")]
    if items.len() > 1 && threads() > 1 {
        use rayon::prelude::*;
        return own::install(|| items.par_iter_mut().enumerate().map(|(i, item)| f(i, item)).collect());
    }
    items.iter_mut().enumerate().map(|(i, item)| f(i, item)).collect()
}

/// Runs `there` on the other cores and `here`, which cannot leave this thread, at the same time. On one core they run one
/// after the other.
pub(crate) fn join<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
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

/// Runs work that spreads over the cores many times, on a thread of the pool. So it need not wait for a pool thread to wake
/// up each time.
pub(crate) fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        return own::install(|| rayon::scope(|_| work()));
    }
    work()
}

/// Sorts by a comparison in which no two items are equal. So the order is unique, and an unstable parallel sort is safe.
pub(crate) fn sort_unstable_by<T: Send>(items: &mut [T], compare: impl Fn(&T, &T) -> std::cmp::Ordering + Sync) {
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        use rayon::prelude::*;
        own::install(|| items.par_sort_unstable_by(&compare));
        return;
    }
    items.sort_unstable_by(compare);
}

/// Calls `f(first, rows)` for blocks of up to 512 rows of `width` values, where `first` is the index of the block's first row.
pub(crate) fn for_each_block(rows: &mut [f64], width: usize, f: impl Fn(usize, &mut [f64]) + Sync + Send) {
    // Rows per task: enough work that the cost of starting the task does not matter.
    const ROWS: usize = 512;
    if width == 0 {
        return;
    }
    for_each_chunk(rows, ROWS * width, |first, chunk| f(first / width, chunk));
}

/// Calls `f(first, items)` for chunks of up to `size` items, where `first` is the index of the chunk's first item.
pub(crate) fn for_each_chunk<T: Send>(items: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    let chunk = |(i, chunk): (usize, &mut [T])| f(i * size, chunk);
    #[cfg(feature = "parallel")]
    if items.len() > size && threads() > 1 {
        use rayon::prelude::*;
        own::install(|| items.par_chunks_mut(size).enumerate().for_each(chunk));
        return;
    }
    items.chunks_mut(size).enumerate().for_each(chunk);
}

/// Calls `f` on every item.
pub(crate) fn for_each<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Sync + Send) {
    #[cfg(feature = "parallel")]
    if items.len() > 1 && threads() > 1 {
        use rayon::prelude::*;
        own::install(|| items.par_iter_mut().for_each(f));
        return;
    }
    items.iter_mut().for_each(f);
}
