//! What a program asks while it runs: how much is live, what was lost since, and a report now.

use std::os::fd::{AsFd, AsRawFd};

use crate::library::library;

/// Bytes of the live blocks, as they were asked for: exact while no other thread allocates. 0 without the library.
///
/// ```
/// let before = memtrace_api::live_bytes();
/// let kept = vec![0u8; 1000];
/// assert!(!memtrace_api::is_here() || memtrace_api::live_bytes() >= before + 1000);
/// # drop(kept);
/// ```
pub fn live_bytes() -> u64 {
    library().map_or(0, |library| (library.live_bytes)())
}

/// The live blocks; as [`live_bytes`].
pub fn live_blocks() -> u64 {
    library().map_or(0, |library| (library.live_blocks)())
}

/// What was lost when it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkpoint(u64);

/// Checks now, and keeps what is lost. `None`: nothing could be classified, or there is no library. The latest 16 are kept.
///
/// ```
/// if let Some(before) = memtrace_api::checkpoint() {
///     // … what is tested …
///     assert_eq!(before.leaks(), Some(0));
/// }
/// ```
pub fn checkpoint() -> Option<Checkpoint> {
    Some((library()?.checkpoint)()).filter(|&id| id != 0).map(Checkpoint)
}

impl Checkpoint {
    /// Checks now: blocks, definitely or possibly lost or held by such ones, beyond those of the same stacks that were lost
    /// then. `None`: nothing could be classified, or the checkpoint is kept no longer.
    pub fn leaks(self) -> Option<u64> {
        u64::try_from((library()?.leaks_since)(self.0)).ok()
    }
}

/// Writes to this file what would be reported if the process ended here, and waits for it. False: it could not be, or only
/// in short.
///
/// ```
/// memtrace_api::report(std::io::stderr());
/// ```
pub fn report(to: impl AsFd) -> bool {
    library().is_some_and(|library| (library.report)(to.as_fd().as_raw_fd()) == 0)
}
