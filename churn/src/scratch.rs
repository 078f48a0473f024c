//! Temporary buffers.

/// Largest number of values in a buffer on the stack.
const SMALL: usize = 128;

/// Calls `f` with a buffer of `n` of these values. Up to 128 values are on the stack, so that small work does not allocate.
pub(crate) fn with_buffer<T: Copy, R>(n: usize, value: T, f: impl FnOnce(&mut [T]) -> R) -> R {
    if n <= SMALL { f(&mut [value; SMALL][..n]) } else { f(&mut vec![value; n]) }
}
