//! Work on every core where the `parallel` feature is on, in order where it is off; the results come back in order either way.

/// `f(0), f(1), …, f(n - 1)`.
#[cfg(feature = "parallel")]
pub(crate) fn map<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    use rayon::prelude::*;
    (0..n).into_par_iter().map(f).collect()
}

/// `f(0), f(1), …, f(n - 1)`.
#[cfg(not(feature = "parallel"))]
pub(crate) fn map<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    (0..n).map(f).collect()
}

/// Calls `f(i, row)` for every row of `width` values of `rows`.
pub(crate) fn for_each_row(rows: &mut [f64], width: usize, f: impl Fn(usize, &mut [f64]) + Sync + Send) {
    // Rows a task: enough that handing it out costs nothing beside it.
    const ROWS: usize = 512;
    if width == 0 {
        return;
    }
    let block = |(b, chunk): (usize, &mut [f64])| {
        for (i, row) in chunk.chunks_exact_mut(width).enumerate() {
            f(b * ROWS + i, row);
        }
    };
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        rows.par_chunks_mut(ROWS * width).enumerate().for_each(block);
    }
    #[cfg(not(feature = "parallel"))]
    rows.chunks_mut(ROWS * width).enumerate().for_each(block);
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
