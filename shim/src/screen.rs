//! The first allocation of a stack fails in a copy of the process, before it is made in the process itself: see
//! MALLOC_FAIL_SCREEN.

use memtrace_cold::Screen;
use memtrace_hot::mode::PASSIVE;
use memtrace_wire::layout::Point;
use memtrace_wire::plan::Plan;
use memtrace_wire::sys;

use crate::inside::HOT;
use crate::{end, start};

/// At the start of a program.
pub fn begin(plan: &Plan<'_>) {
    if plan.screen_ms != 0 && HOT.store.is_shared() {
        memtrace_cold::begin_screening(&HOT);
    }
}

/// Whether this is such a copy, which goes on with a failure: nothing is recorded there, and nothing else fails. The
/// process itself comes back when the copy has ended, and what came of it stands in the point's row.
pub fn is_copy(point: &Point) -> bool {
    // A vfork child shares our memory. What nobody reads is not worth a copy.
    if !HOT.store.is_shared() || !sys::is_sealed() && end::own_process().is_none() {
        return false;
    }
    let patience_ms = HOT.fault.plan().screen_ms;
    let is_copy = memtrace_cold::screen(&Screen { hot: &HOT, point, patience_ms, outputs: start::first_outputs() });
    if is_copy {
        HOT.store.forget();
        HOT.mode.publish(PASSIVE);
    }
    is_copy
}
