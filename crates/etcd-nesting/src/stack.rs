//! Room on the stack.

/// What one level may take of the stack, in bytes: of all that recurses here the hungriest is an
/// unoptimized build's execution of a txn, with about a quarter of it.
pub(crate) const LEVEL_BYTES: usize = 16 << 10;

/// Runs `work` where the stack has room for `levels` levels of recursion: here, or on another one
/// that is there for this call only and whose pages cost nothing until they are used.
pub fn with_room<T>(levels: usize, work: impl FnOnce() -> T) -> T {
    // Whatever stack a caller runs on has room for one.
    if levels <= 1 {
        return work();
    }
    let bytes = levels.saturating_add(1).saturating_mul(LEVEL_BYTES);
    stacker::maybe_grow(bytes, bytes, work)
}
