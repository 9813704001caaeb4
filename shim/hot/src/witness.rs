//! The self-check build: every stack is compared with those of two other walks.
//!
//! One is this unwinder's own walk without the kept stack, the other is libgcc's `_Unwind_Backtrace`, which
//! shares no code with it. What differs is counted in the recording and shown by the report. Only built with the
//! feature `self-check`; slow, and uses more stack than a hook may.

use core::ffi::c_void;
use core::sync::atomic::{AtomicUsize, Ordering};
use memtrace_wire::layout::frame;

use crate::Hot;
use crate::points::Seen;
use crate::thread::Body;
use crate::unwind::{Entry, FRAMES_MAX};

/// Address of `_Unwind_Backtrace`, `_Unwind_GetIP`; 0: no libgcc in the process.
pub struct Witness {
    backtrace: AtomicUsize,
    address_of: AtomicUsize,
}

type Visit = extern "C" fn(*mut c_void, *mut c_void) -> i32;
type Backtrace = unsafe extern "C" fn(Visit, *mut c_void) -> i32;
type AddressOf = unsafe extern "C" fn(*mut c_void) -> u64;

struct Visited {
    address_of: AddressOf,
    frames: [u64; FRAMES_MAX + 64],
    count: usize,
}

extern "C" fn visit(context: *mut c_void, into: *mut c_void) -> i32 {
    // SAFETY: `compare` passed a `Visited`.
    let into = unsafe { &mut *into.cast::<Visited>() };
    // SAFETY: libgcc's own context.
    let address = unsafe { (into.address_of)(context) };
    match into.frames.get_mut(into.count) {
        Some(place) => {
            *place = address;
            into.count += 1;
            0
        }
        None => 5,
    }
}

impl Witness {
    /// No libgcc.
    pub const fn new() -> Self {
        Self { backtrace: AtomicUsize::new(0), address_of: AtomicUsize::new(0) }
    }

    /// The functions of libgcc, once it is loaded.
    pub fn set(&self, backtrace: usize, address_of: usize) {
        self.address_of.store(address_of, Ordering::Relaxed);
        self.backtrace.store(backtrace, Ordering::Release);
    }

    /// Whether libgcc is known.
    pub fn is_set(&self) -> bool {
        self.backtrace.load(Ordering::Acquire) != 0
    }
}

impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Compares the stack that was captured at `entry` with the others.
    #[inline(never)]
    pub fn check(&self, body: &mut Body, entry: Entry, node: u32) {
        let Some(process) = self.store.process() else { return };
        let checked = process.checked.fetch_add(1);
        if !self.equals_libgcc(entry, node) && process.check_differs.fetch_add(1) < 4 {
            self.show(node);
        }
        // Not each time, so that kept stacks grow old.
        if checked % 8 == 7 {
            let kept = body.chain.generation;
            body.chain.reset(0, 0);
            let whole = self.capture(body, entry, memtrace_wire::layout::Op::Malloc).node();
            if whole != node && kept == body.chain.generation {
                process.check_walk_differs.fetch_add(1);
            }
        }
    }

    fn equals_libgcc(&self, entry: Entry, node: u32) -> bool {
        let backtrace = self.witness.backtrace.load(Ordering::Acquire);
        if backtrace == 0 {
            return true;
        }
        // SAFETY: `set` was given libgcc's function of this type.
        let backtrace: Backtrace = unsafe { core::mem::transmute(backtrace) };
        // SAFETY: as above.
        let address_of: AddressOf = unsafe { core::mem::transmute(self.witness.address_of.load(Ordering::Relaxed)) };
        let mut visited = Visited { address_of, frames: [0; FRAMES_MAX + 64], count: 0 };
        // SAFETY: the callback gets the pointer back while `visited` lives.
        unsafe { backtrace(visit, (&raw mut visited).cast()) };
        // SAFETY: a hook's entry points at its return address.
        let first = unsafe { (entry.sp as *const u64).read() };
        let frames = visited.frames.get(..visited.count).unwrap_or(&[]);
        let Some(start) = frames.iter().position(|&frame| frame == first) else { return false };
        let mut at = node;
        for &theirs in frames.get(start..).unwrap_or(&[]) {
            let Some(ours) = self.nodes.get(u64::from(at)) else { return false };
            let word = ours.frame.get();
            if at == 0 {
                // libgcc ends with a frame without an address.
                return theirs == 0;
            }
            if frame::kind(word) == frame::CUT {
                return word == frame::CUT_DEPTH;
            }
            if frame::address(word) != theirs {
                return false;
            }
            at = ours.parent.get();
        }
        at == 0
    }

    /// Keeps a stack that differs as a fault record, so that the report shows it.
    fn show(&self, node: u32) {
        let seen = Seen { node, op: memtrace_wire::layout::Op::Unknown, index: u64::MAX, bytes: 0, slot: 0 };
        if let Some(process) = self.store.process() {
            self.record_fault(process, seen, 0, 0);
        }
    }
}
