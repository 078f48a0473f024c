//! Room for a moment's work.

/// Values that fit on the stack.
const SMALL: usize = 128;

/// Calls `f` with `n` of these values: on the stack where they are at most 128, so that small work allocates nothing.
pub(crate) fn with_buffer<T: Copy, R>(n: usize, value: T, f: impl FnOnce(&mut [T]) -> R) -> R {
    if n <= SMALL { f(&mut [value; SMALL][..n]) } else { f(&mut vec![value; n]) }
}
