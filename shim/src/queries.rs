//! What the program asks memtrace while it runs: how much is live, what was lost since, and a report now.

use core::ffi::{c_int, c_uint};
use memtrace_cold::{Checkpoints, News, Wish};
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
    end::with_check(&settings, None, |ending| CHECKPOINTS.add(ending, None)).unwrap_or(0)
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
    tell(fd, Wish::Now)
}

/// Writes a profile (JSON) to this descriptor, as if the process ended here: 0. -1: there was no command to write it, or no
/// answer in time.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_profile(fd: c_int) -> c_int {
    tell(fd, Wish::Profile)
}

/// As `memtrace_checkpoint`, and writes the recording to a file, which is emptied first. 0: it is none that can be written at
/// any place, or nothing could be classified.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_recording(fd: c_int) -> u64 {
    if fd < 0 || !is_active() || sys::identity(fd).is_none() {
        return 0;
    }
    let settings = settings::parse(start::own_variables());
    end::with_check(&settings, None, |ending| CHECKPOINTS.add(ending, Some(fd))).unwrap_or(0)
}

/// Of what is new, what is lost alone.
const LOST: c_uint = 1;

/// Writes a profile (JSON) of what has come since `memtrace_recording` wrote to the file `recording` (-1: of all) to this
/// descriptor: 0. -1: there was no command to write it, no answer in time, or it is a recording of another process.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_profile_since(fd: c_int, recording: c_int, flags: c_uint) -> c_int {
    let before = (recording >= 0).then_some(recording);
    if before.is_some_and(|before| sys::identity(before).is_none()) {
        return -1;
    }
    tell(fd, Wish::Since(before, if flags & LOST != 0 { News::Lost } else { News::All }))
}

fn tell(fd: c_int, wish: Wish) -> c_int {
    if fd < 0 || !is_active() || sys::identity(fd).is_none() {
        return -1;
    }
    let mut settings = settings::parse(start::own_variables());
    (settings.quiet, settings.summary, settings.out, settings.json) = (false, true, b"", b"");
    end::with_check(&settings, Some(fd), |ending| Some(memtrace_cold::report_now(ending, wish)))
        .map_or(-1, |is_told| if is_told { 0 } else { -1 })
}
