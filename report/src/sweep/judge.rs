//! From the facts of a run to its outcomes. The rules, in the order in which they are asked:
//!
//! 1. Nothing failed: not reached.
//! 2. The time was up: a hang, spinning if the processor was used in the last part of it, else deadlocked.
//! 3. A process of the run crashed, or took a fault in a handler as it does not without a failure:
//!    - SIGABRT with the C library's words for it, or a smashed stack: heap corruption; with those of assert: assertion;
//!      with those of the C++ runtime: a designed abort for std::bad_alloc, else an uncaught exception;
//!    - SIGABRT, SIGTRAP or SIGILL otherwise: a designed abort, because the program did it itself;
//!    - SIGSEGV, SIGBUS: near the stack pointer a stack overflow, near 0 a null dereference, else a wild access;
//!    - any other signal: killed.
//! 4. It ended by exit. With the status that it has without a failure: tolerated if stdout and files are the same, else
//!    silent wrong or, if something was said on stderr, wrong with a message. With another status: a clean error if
//!    something was said, else an error without a message; a designed abort where a signature says so. Files are those in
//!    TMPDIR, and those of the working directory that a run makes, writes to or removes.
//! 5. Beside what it came to by 4: a leak if blocks are definitely or indirectly lost that are not lost without a failure,
//!    files left, or files of the working directory written to or removed that are not without a failure, and descriptors
//!    and mutexes left where the end is one at which the program has put things in order: it has the usual status, or main has
//!    returned, or the call of exit is the one, by its whole stack, that ends the program without a failure.
//!    An exit from anywhere else says nothing: the functions that have not returned may own what is open, and whether a
//!    number of a descriptor is still known to them is not to be seen as it is for a pointer. Nor do other such exits say
//!    more: how much is open there depends on how far each came.
//!
//! The first rules win because what follows a crash says nothing of its own.

use super::baseline::Baseline;
use super::facts::{Crash, Facts, Lost, RETURN};
use super::model::End;
use super::outcome::Outcome;
use super::signatures::Signatures;
use crate::profile::leaks::Kind;

/// An address below this is that of a member of nothing (the kernel's default for vm.mmap_min_addr).
const NEAR_NULL: u64 = 64 << 10;
/// A fault so near the stack pointer is the stack's own.
const NEAR_STACK: u64 = 64 << 10;
/// `si_code` of a fault without an address (a general protection fault).
const CODE_KERNEL: i32 = 0x80;

/// All that a run came to: the worst first.
pub fn outcomes(baseline: &Baseline, signatures: &Signatures, run: &Facts) -> Vec<Outcome> {
    if run.fired == 0 {
        return vec![Outcome::NotReached];
    }
    if run.end == End::TimedOut {
        return vec![if run.is_spinning { Outcome::HangSpinning } else { Outcome::HangDeadlocked }];
    }
    if let Some(crash) = crash(baseline, run) {
        return vec![of_crash(signatures, run, crash)];
    }
    if let End::Killed(signal) = run.end
        && run.end != baseline.end
    {
        // Without its stack, which could not be taken.
        let crash = Crash { signal, code: 0, address: u64::MAX, sp: 0, stack: None, is_handled: false, is_main: true };
        return vec![of_crash(signatures, run, &crash)];
    }
    let has_message = baseline.has_message(run);
    let is_right = baseline.is_right(run);
    let mut outcomes = vec![match (run.end == baseline.end, is_right, has_message) {
        (true, true, false) => Outcome::Tolerated,
        (true, true, true) => Outcome::ToleratedWithMessage,
        (true, false, false) if is_success(run.end) => Outcome::SilentWrong,
        (true, false, true) if is_success(run.end) => Outcome::WrongWithMessage,
        _ if is_success(run.end) && !is_right => match has_message {
            true => Outcome::WrongWithMessage,
            false => Outcome::SilentWrong,
        },
        _ if signatures.matches(Outcome::DesignedAbort, run) => Outcome::DesignedAbort,
        (_, _, true) => Outcome::CleanError,
        (_, _, false) => Outcome::ErrorWithoutMessage,
    }];
    if !lost(run).is_empty() {
        outcomes.push(Outcome::Leak);
    }
    if !baseline.files_left(run).is_empty() {
        outcomes.push(Outcome::FileLeft);
    }
    if is_orderly(baseline, run) && !baseline.descriptors_left(run).is_empty() {
        outcomes.push(Outcome::FdLeft);
    }
    if is_orderly(baseline, run) && !baseline.locks_left(run).is_empty() {
        outcomes.push(Outcome::LockLeft);
    }
    outcomes.sort_unstable();
    outcomes
}

/// Whether all was put in order that the program puts in order.
fn is_orderly(baseline: &Baseline, run: &Facts) -> bool {
    let is_usual_exit = run.way_out != 0 && run.way_out == baseline.first.way_out;
    run.end == baseline.end || run.way_out == RETURN || is_usual_exit
}

fn is_success(end: End) -> bool {
    end == End::Exited(0)
}

/// The crash of a run: the program's own before a child's.
pub fn crash<'r>(baseline: &Baseline, run: &'r Facts) -> Option<&'r Crash> {
    let counts = |crash: &&Crash| !baseline.handles(crash.signal) || run.end == End::Killed(crash.signal);
    let is_wanted = |crash: &&Crash| Some(crash.signal) != signal_of(baseline.end);
    let crashes = || run.crashes.iter().filter(counts).filter(is_wanted);
    crashes().find(|crash| crash.is_main).or_else(|| crashes().next())
}

fn signal_of(end: End) -> Option<i32> {
    match end {
        End::Killed(signal) => Some(signal),
        _ => None,
    }
}

fn of_crash(signatures: &Signatures, run: &Facts, crash: &Crash) -> Outcome {
    let said = |outcome| signatures.matches(outcome, run);
    match crash.signal {
        libc::SIGABRT if said(Outcome::HeapCorruption) => Outcome::HeapCorruption,
        libc::SIGABRT if run.is_assertion || said(Outcome::Assertion) => Outcome::Assertion,
        libc::SIGABRT if said(Outcome::DesignedAbort) => Outcome::DesignedAbort,
        libc::SIGABRT if said(Outcome::UncaughtException) => Outcome::UncaughtException,
        libc::SIGABRT | libc::SIGTRAP | libc::SIGILL => Outcome::DesignedAbort,
        libc::SIGSEGV | libc::SIGBUS => {
            let has_address = crash.code > 0 && crash.code < CODE_KERNEL;
            if has_address && crash.address.abs_diff(crash.sp) < NEAR_STACK {
                Outcome::StackOverflow
            } else if has_address && crash.address < NEAR_NULL {
                Outcome::NullDereference
            } else {
                Outcome::WildAccess
            }
        }
        _ => Outcome::Killed,
    }
}

/// What a run has lost that is not lost without a failure.
pub fn lost(run: &Facts) -> Vec<&Lost> {
    run.lost.iter().filter(|lost| matches!(lost.kind, Kind::Definite | Kind::Indirect)).collect()
}
