//! Arithmetic on counts of rows. In the browser a `usize` has 32 bits, so the product of two counts above 65,535 would
//! overflow.

#![cfg_attr(not(feature = "train"), allow(dead_code, reason = "learning uses more of it than scoring"))]

use std::ops::Range;

/// Computes `n · part / parts`, rounded down, without overflow. `part` is at most `parts`.
pub(crate) fn mul_div(n: usize, part: usize, parts: usize) -> usize {
    (n as u128 * part as u128 / parts as u128) as usize
}

/// The i-th of `parts` ranges that divide n items as evenly as possible.
pub(crate) fn chunk_range(n: usize, i: usize, parts: usize) -> Range<usize> {
    mul_div(n, i, parts)..mul_div(n, i + 1, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest counts, whose products overflow on every word size.
    #[test]
    fn products_of_large_counts() {
        assert_eq!(mul_div(7, 2, 3), 4);
        assert_eq!(mul_div(usize::MAX, 3, 3), usize::MAX);
        // 2^n − 1 = 3 · (2^n − 1)/3 for even n.
        assert_eq!(mul_div(usize::MAX, 2, 3), usize::MAX / 3 * 2);
        assert_eq!(mul_div(usize::MAX, usize::MAX - 1, usize::MAX), usize::MAX - 1);
    }

    #[test]
    fn chunk_ranges_cover_everything_once() {
        for n in [0, 1, 5, 64, 65_537, usize::MAX] {
            let mut end = 0;
            for i in 0..7 {
                let range = chunk_range(n, i, 7);
                assert_eq!(range.start, end);
                assert!(range.len() == n / 7 || range.len() == n / 7 + 1);
                end = range.end;
            }
            assert_eq!(end, n);
        }
    }
}
