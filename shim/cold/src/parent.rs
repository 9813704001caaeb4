//! Whose child a copy of the process is: none that the target waits for.
//!
//! | the target waits for the copy itself | its child, without an exit signal |
//! | nobody in it does | nobody's child: by way of a task that ends at once |
//! | and it adopts orphans | a child of the launcher's, which made the target and waits for copies |
//! | and has another parent | its child, without an exit signal; waited for before the target itself waits |

use core::ffi::c_void;
use memtrace_hot::Hot;
use memtrace_wire::map::U32;
use memtrace_wire::sys;

use crate::check::space::Array;
use crate::task::{self, Life};

/// A copy that is to be made.
pub struct Start {
    stack: u64,
    life: Life,
    argument: *const c_void,
    /// Its id, where another task makes it.
    made: U32,
}

/// For the task that only makes a copy.
const STACK_BYTES: usize = 64 << 10;

impl Start {
    /// See `task::start`.
    pub fn new(stack: u64, life: Life, argument: *const c_void) -> Self {
        Self { stack, life, argument, made: U32::new(0) }
    }

    fn with(&self, flags: i32) -> isize {
        task::start(flags, self.stack, self.life, self.argument)
    }

    /// As a child that the target waits for. Its id, or -errno.
    pub fn child(&self) -> isize {
        self.with(0)
    }

    /// As a copy that the target does not wait for.
    pub fn apart(&self, hot: &Hot) -> isize {
        match task::adopts_orphans() {
            false => self.orphan(),
            true if is_launchers_child(hot) => self.with(libc::CLONE_PARENT),
            true => {
                wait_for_copy(hot, false);
                let copy = self.child();
                hot.announced.copy.set(copy.max(0) as u32);
                copy
            }
        }
    }

    fn orphan(&self) -> isize {
        let Some(stack) = Array::<u8>::new(STACK_BYTES) else { return -1 };
        let flags = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES;
        let top = stack.base() + STACK_BYTES as u64;
        let between = task::start(flags, top, between, core::ptr::from_ref(self).cast());
        if between <= 0 {
            return between;
        }
        task::reap(between, false);
        self.made.get() as i32 as isize
    }
}

extern "C" fn between(start: *const c_void) -> ! {
    // SAFETY: `orphan` gave it, and waits until this task has ended.
    let start = unsafe { &*start.cast::<Start>() };
    start.made.set(start.child() as u32);
    task::end_one()
}

/// Whether this process's parent is the launcher.
fn is_launchers_child(hot: &Hot) -> bool {
    let launcher = hot.store.header().map_or(0, |header| header.launcher_pid.get());
    launcher != 0 && launcher == sys::parent_pid()
}

/// Waits for the copy that was left as a child of this process, so that no wait of the target's own finds it; to its
/// end, or only if that has come.
pub fn wait_for_copy(hot: &Hot, to_its_end: bool) {
    let copy = hot.announced.copy.get();
    if copy != 0 && task::take_end(copy, to_its_end) {
        hot.announced.copy.set(0);
    }
}
