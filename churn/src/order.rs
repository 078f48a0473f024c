//! Sorting of lists that are short, or that are sorted only once.
//!
//! The standard library's sorts take several kilobytes of machine code for every type and comparison. Here the sort itself
//! exists once, on indices. Lists with one item per row still use the standard library.

use std::cmp::Ordering;

/// Sorts by a comparison. The sort is stable.
pub(crate) fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut from = places(items.len(), &mut |a, b| compare(&items[a], &items[b]) == Ordering::Greater);
    // Applies the permutation cycle by cycle.
    for start in 0..items.len() {
        let mut at = start;
        while from[at] != start {
            let next = from[at];
            items.swap(at, next);
            from[at] = at;
            at = next;
        }
        from[at] = at;
    }
}

/// Sorts by the order of the items.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// [`sort`] for lists that are sorted in a loop and are mostly short: up to 32 items it allocates nothing.
pub(crate) fn sort_mostly_short<T: Ord>(items: &mut [T]) {
    const SHORT: usize = 32;
    if items.len() > SHORT {
        return sort(items);
    }
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && items[at - 1] > items[at] {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Returns the indices of the items in sorted order, by bottom-up merge sort.
fn places(n: usize, greater: &mut dyn FnMut(usize, usize) -> bool) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..n).collect();
    let mut merged = Vec::with_capacity(n);
    let mut run = 1;
    while run < n {
        merged.clear();
        for pair in sorted.chunks(2 * run) {
            let (mut left, mut right) = pair.split_at(run.min(pair.len()));
            while let (Some((&a, rest_left)), Some((&b, rest_right))) = (left.split_first(), right.split_first()) {
                if greater(a, b) {
                    merged.push(b);
                    right = rest_right;
                } else {
                    merged.push(a);
                    left = rest_left;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut sorted, &mut merged);
        run *= 2;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn agrees_with_the_standard_library() {
        let mut random = Random::new(8, 0);
        for n in (0..40).chain([63, 64, 65, 1000]) {
            let items: Vec<(usize, usize)> = (0..n).map(|i| (random.below(n / 2 + 1), i)).collect();
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|item| item.0);
            assert_eq!(ours, theirs, "{n}");
            let (mut ours, mut theirs): (Vec<usize>, Vec<usize>) =
                ours.iter().map(|item| (item.0, item.0)).rev().unzip();
            sort_mostly_short(&mut ours);
            theirs.sort_unstable();
            assert_eq!(ours, theirs, "{n}");
        }
    }
}
