//! What the program asks memtrace while it runs: how much is live, what was lost since, and a report now.

use core::ffi::c_int;
use memtrace_cold::Checkpoints;
use memtrace_wire::settings;
use memtrace_wire::sys;

use crate::inside::{HOT, is_active};
use crate::{end, start};

static CHECKPOINTS: Checkpoints = Checkpoints::new();

/// Bytes of the blocks that are live, as asked for.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_live_bytes() -> u64 {
    if is_active() { memtrace_cold::live(&HOT).1 } else { 0 }
}

/// The blocks that are live.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_live_blocks() -> u64 {
    if is_active() { memtrace_cold::live(&HOT).0 } else { 0 }
}

/// Checks now, and keeps what is lost, for `memtrace_leaks_since`: an id from 1; 0: nothing could be classified.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_checkpoint() -> u64 {
    if !is_active() {
        return 0;
    }
    let settings = settings::parse(start::own_variables());
    end::with_check(&settings, None, |ending| CHECKPOINTS.add(ending)).unwrap_or(0)
}

/// Checks now: the blocks of each stack that are lost beyond those of the checkpoint. -1: nothing could be classified, or
/// the checkpoint is not known.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_leaks_since(checkpoint: u64) -> i64 {
    if !is_active() {
        return -1;
    }
    let settings = settings::parse(start::own_variables());
    end::with_check(&settings, None, |ending| CHECKPOINTS.since(ending, checkpoint)).map_or(-1, |lost| lost as i64)
}

/// Writes a report to this descriptor, as if the process ended here: 0. -1: there was no command to print it, or no
/// answer in time; then it is a short one, if any.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_report(fd: c_int) -> c_int {
    tell(fd, false)
}

/// Writes a profile (JSON) to this descriptor, as if the process ended here: 0. -1: there was no command to write it, or no
/// answer in time.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_profile(fd: c_int) -> c_int {
    tell(fd, true)
}

fn tell(fd: c_int, wants_profile: bool) -> c_int {
    if fd < 0 || !is_active() || sys::identity(fd).is_none() {
        return -1;
    }
    let mut settings = settings::parse(start::own_variables());
    (settings.quiet, settings.summary, settings.out, settings.json) = (false, true, b"", b"");
    end::with_check(&settings, Some(fd), |ending| Some(memtrace_cold::report_now(ending, wants_profile)))
        .map_or(-1, |is_told| if is_told { 0 } else { -1 })
}
