//! Calls that libmemtrace_calls.so stands before: it asks here whether one fails.

use memtrace_hot::fault::Call;
use memtrace_hot::unwind::Entry;
use memtrace_wire::layout::Op;
use memtrace_wire::op::Failure;

use crate::inside::{self, HOT, is_active};
use crate::{end, real, start};

/// The error with which a call fails, whose errno is set already; 0: it does not. `sp` and `bp` are those of its
/// entry, `first` is its first argument.
///
/// # Safety
/// `sp` points to the return address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtrace_call_strikes(op: u32, sp: u64, bp: u64, first: u64) -> i32 {
    if !is_active() || HOT.fault.armed.get() == 0 {
        return 0;
    }
    let Some((op, call)) = Op::from_number(op).and_then(|op| Some((op, op.call()?))) else { return 0 };
    if HOT.fault.plan().scope.ops & op.bit() == 0 || is_message(op, first) || is_vfork_child() {
        return 0;
    }
    if !inside::strikes(Call { entry: Entry { sp, bp }, op, bytes: 0, old: 0 }) {
        return 0;
    }
    if call.failure != Failure::Error {
        real::set_errno(call.errno);
    }
    call.errno
}

/// What goes to stderr is how a program says that something failed, and how a sweep tells.
fn is_message(op: Op, descriptor: u64) -> bool {
    matches!(op, Op::Write | Op::Pwrite | Op::Writev) && descriptor as i32 == libc::STDERR_FILENO
}

/// A fork child finds our memory wiped and begins anew; a vfork child shares it, and touches nothing.
fn is_vfork_child() -> bool {
    start::is_own_process() && end::own_process().is_none()
}
