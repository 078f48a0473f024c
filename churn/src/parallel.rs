//! Work on every core where the `parallel` feature is on, in order where it is off; the results come back in order either way.

#![cfg_attr(not(feature = "train"), allow(dead_code, reason = "learning uses more of it than scoring"))]

/// The number of cores that work is spread over.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "parallel")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "parallel"))]
    1
}

/// `f(0), f(1), …, f(n - 1)`.
pub(crate) fn map<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    // With one thread the pool would only be a detour.
    #[cfg(feature = "parallel")]
    if n > 1 && threads() > 1 {
        use rayon::prelude::*;
        return (0..n).into_par_iter().map(f).collect();
    }
    (0..n).map(f).collect()
}

/// `f(0, first), f(1, second), …` of the items.
pub(crate) fn map_mut<I: Send, T: Send>(items: &mut [I], f: impl Fn(usize, &mut I) -> T + Sync + Send) -> Vec<T> {
    #[cfg(feature = "parallel")]
    if items.len() > 1 && threads() > 1 {
        use rayon::prelude::*;
        return items.par_iter_mut().enumerate().map(|(i, item)| f(i, item)).collect();
    }
    items.iter_mut().enumerate().map(|(i, item)| f(i, item)).collect()
}

/// Does `there` on the other cores and `here`, which cannot leave this thread, beside it; one after the other on one core.
pub(crate) fn beside<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        let mut done = None;
        let result = rayon::in_place_scope(|scope| {
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
        return rayon::scope(|_| work());
    }
    work()
}

/// Sorts by a key that no two items share, so that there is one order only.
pub(crate) fn sort_unstable_by<T: Send>(items: &mut [T], compare: impl Fn(&T, &T) -> std::cmp::Ordering + Sync) {
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        use rayon::prelude::*;
        items.par_sort_unstable_by(compare);
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
    let block = |(b, chunk): (usize, &mut [f64])| f(b * ROWS, chunk);
    #[cfg(feature = "parallel")]
    if threads() > 1 {
        use rayon::prelude::*;
        rows.par_chunks_mut(ROWS * width).enumerate().for_each(block);
        return;
    }
    rows.chunks_mut(ROWS * width).enumerate().for_each(block);
}

/// Calls `f(first, items)` for stretches of so many items, beginning with that one.
pub(crate) fn for_each_chunk<T: Send>(items: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    let chunk = |(i, chunk): (usize, &mut [T])| f(i * size, chunk);
    #[cfg(feature = "parallel")]
    if items.len() > size && threads() > 1 {
        use rayon::prelude::*;
        items.par_chunks_mut(size).enumerate().for_each(chunk);
        return;
    }
    items.chunks_mut(size).enumerate().for_each(chunk);
}

/// Calls `f` on every item.
pub(crate) fn for_each<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Sync + Send) {
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        items.par_iter_mut().for_each(f);
    }
    #[cfg(not(feature = "parallel"))]
    items.iter_mut().for_each(f);
}
