//! Failures: what is to fail, armed for as long as a value lives, or each allocation in turn.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::library::library;

/// Held by whoever has armed a failure: the library knows one at a time.
static ARMED: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this thread holds it.
    static IS_MINE: Cell<bool> = const { Cell::new(false) };
}

/// What is to fail: by itself the first allocation of this thread, once.
///
/// ```
/// use memtrace_api::Failure;
///
/// let failing = Failure::after(2).arm();
/// // Two allocations of this thread succeed, the third fails.
/// let is_refused = (0..4).any(|_| Vec::<u8>::new().try_reserve_exact(100).is_err());
/// assert_eq!(is_refused, failing.fired() == 1); // Both are false without memtrace.
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "nothing fails before it is armed"]
pub struct Failure<'m> {
    after: u64,
    count: u64,
    modules: Option<&'m CStr>,
    is_for_this_thread: bool,
}

impl Failure<'static> {
    /// So many allocations succeed, and the next one fails.
    pub const fn after(allocations: u64) -> Self {
        Self { after: allocations, count: 1, modules: None, is_for_this_thread: true }
    }
}

impl<'m> Failure<'m> {
    /// So many in a row fail; 0: all that follow.
    pub const fn times(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// All that follow fail.
    pub const fn for_ever(self) -> Self {
        self.times(0)
    }

    /// Only allocations with code of one of these modules on their stack count: patterns for names of files with commas
    /// between them, in which `*` and `?` match.
    pub const fn in_modules<'n>(self, patterns: &'n CStr) -> Failure<'n> {
        let Failure { after, count, is_for_this_thread, .. } = self;
        Failure { after, count, modules: Some(patterns), is_for_this_thread }
    }

    /// Allocations of all threads count, those of a test that runs beside this one too.
    pub const fn in_all_threads(self) -> Self {
        Self { is_for_this_thread: false, ..self }
    }

    /// Arms it for as long as what this gives lives. Where another thread has armed one, this waits for its end.
    ///
    /// # Panics
    /// If this thread has armed one already, or if the list of modules is longer than 255 bytes.
    pub fn arm(self) -> Failing {
        let Some(library) = library() else { return Failing { held: None } };
        assert!(!IS_MINE.get(), "this thread has armed a failure already");
        let guard = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        let Failure { after, count, modules, is_for_this_thread } = self;
        assert!(library.arm_for(after, count, modules, is_for_this_thread), "the list of modules is too long");
        IS_MINE.set(true);
        Failing { held: Some(guard) }
    }

    /// Runs `run` once without a failure, and then again and again, each time with the failure one allocation later, until
    /// one run comes to its end before it fails. Gives how many allocations have failed in turn; 0 without memtrace.
    ///
    /// `run` itself says by a panic that something is wrong; then nothing is armed any more, and [`last_point`] has the
    /// name of the stack that failed. A crash ends the process, as it should.
    ///
    /// # Panics
    /// As [`Failure::arm`].
    ///
    /// [`last_point`]: crate::last_point
    pub fn sweep(self, mut run: impl FnMut()) -> u64 {
        run();
        if library().is_none() {
            return 0;
        }
        let mut points = 0;
        loop {
            let failing = Failure { after: self.after.saturating_add(points), ..self }.arm();
            run();
            if failing.fired() == 0 {
                return points;
            }
            points += 1;
        }
    }
}

/// A failure is armed as long as this lives.
#[derive(Debug)]
#[must_use = "nothing fails any more once it is dropped"]
pub struct Failing {
    /// `None`: there is no library.
    held: Option<MutexGuard<'static, ()>>,
}

impl Failing {
    /// Allocations that have failed so far.
    pub fn fired(&self) -> u64 {
        library().map_or(0, |library| (library.fired)())
    }

    /// Allocations that count so far, failed ones included.
    pub fn seen(&self) -> u64 {
        library().map_or(0, |library| (library.seen)())
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        if let (Some(_), Some(library)) = (&self.held, library()) {
            (library.disarm)();
            IS_MINE.set(false);
        }
    }
}

/// Each allocation that this thread makes in `run` fails once: [`Failure::sweep`] from the first on.
///
/// An allocation that cannot be refused (`Vec::push`, `Box::new`, …) ends the process, by Rust's own rule; what is swept
/// asks by `try_reserve`, or is code of C. `println!` in a test may allocate too.
///
/// ```
/// fn joined(parts: &[&str]) -> Option<String> {
///     let mut whole = String::new();
///     for part in parts {
///         whole.try_reserve_exact(part.len()).ok()?;
///         whole.push_str(part);
///     }
///     Some(whole)
/// }
///
/// let mut whole = 0;
/// memtrace_api::fail_sweep(|| match joined(&["a", "longer text"]) {
///     Some(text) => whole += usize::from(text == "alonger text"),
///     None => {} // It gave up, as it should.
/// });
/// assert_ne!(whole, 0);
/// ```
pub fn fail_sweep(run: impl FnMut()) -> u64 {
    Failure::after(0).sweep(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_library_nothing_is_armed_and_a_sweep_runs_once() {
        let one = Failure::after(0).for_ever().arm();
        let other = Failure::after(0).in_modules(c"*").in_all_threads().arm();
        assert_eq!((one.fired(), other.seen()), (0, 0));
        let mut calls = 0;
        assert_eq!((fail_sweep(|| calls += 1), calls), (0, 1));
    }
}
