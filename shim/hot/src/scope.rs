//! Which allocations count for MALLOC_FAIL_*: by size, function, thread, stack, and from when until when.

use memtrace_wire::layout::{Op, frame};
use memtrace_wire::map::U32;
use memtrace_wire::op::ALLOCATORS;
use memtrace_wire::scope::{Scope, Since, Threads, Until};
use memtrace_wire::settings::glob;

use crate::Hot;
use crate::fault::Call;
use crate::symbols::part;
use crate::thread::Body;
use crate::trie::roll;
use crate::unwind::FRAMES_MAX;

/// Whether the scope has begun, and has ended.
pub struct Gate(U32);

/// Not begun yet.
const WAITING: u32 = 0;
/// Allocations count.
const OPEN: u32 = 1;
/// It has ended.
const CLOSED: u32 = 2;

/// What is known of a stack, in the lowest bits of its entry in the index.
mod known {
    /// Its functions and modules are in scope.
    pub const COUNTS: u32 = 1;
    /// The scope begins with it.
    pub const SINCE: u32 = 2;
    /// The scope ends with it.
    pub const UNTIL: u32 = 4;
    /// Bits of these.
    pub const BITS: u32 = 3;
}

/// Places of the index at the start: 4 KiB.
const BITS_FIRST: u32 = 9;

impl Gate {
    /// For a scope that begins at main.
    pub const fn new() -> Self {
        Self(U32::new(OPEN))
    }

    /// As a scope begins.
    pub fn reset(&self, scope: &Scope<'_>) {
        self.0.set(match scope.since {
            Since::Main | Since::Start => OPEN,
            Since::Call(_) | Since::Marker(_) | Since::Api => WAITING,
        });
    }

    /// The program has given a marker: a scope may begin, end, and begin again with it.
    pub fn marker(&self, scope: &Scope<'_>, name: &[u8]) {
        if scope.until == Until::Marker(name) && self.0.replace(OPEN, CLOSED) {
            return;
        }
        if scope.since == Since::Marker(name) {
            self.0.set(OPEN);
        }
    }

    /// The program has armed a failure, or taken it back.
    pub fn api(&self, scope: &Scope<'_>, is_armed: bool) {
        if scope.since == Since::Api {
            self.0.set(if is_armed { OPEN } else { WAITING });
        }
    }

    /// Whether an allocation counts of which nothing is known but size and function.
    pub fn is_open_for_all(&self, scope: &Scope<'_>) -> bool {
        self.0.get() == OPEN && !scope.has_stacks() && scope.threads == Threads::All
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Whether an allocation counts. `origin`: its stack and function, once they were needed.
    pub(crate) fn counts(&self, body: &mut Body, call: &Call, origin: &mut Option<(u32, Op)>) -> bool {
        let scope = &self.fault.plan().scope;
        let gate = &self.fault.gate.0;
        let is_waiting = gate.get() == WAITING;
        if gate.get() == CLOSED || is_waiting && !matches!(scope.since, Since::Call(_)) {
            return false;
        }
        if !scope.has_size(call.bytes, call.op) || !is_thread(scope.threads, body) {
            return false;
        }
        // Which operator called malloc may be known by the stack only.
        let is_known = call.op.is_call() || scope.ops & ALLOCATORS == 0 || scope.ops & ALLOCATORS == ALLOCATORS;
        let op = if is_known { call.op } else { self.origin_of(body, call, origin).1 };
        if !scope.takes(call.bytes, op) {
            return false;
        }
        if !scope.has_stacks() {
            return true;
        }
        let (node, _) = self.origin_of(body, call, origin);
        let known = self.known_of(node);
        if known & known::UNTIL != 0 && !is_waiting {
            gate.set(CLOSED);
            return false;
        }
        if known & known::COUNTS == 0 || is_waiting && known & known::SINCE == 0 {
            return false;
        }
        if is_waiting {
            gate.replace(WAITING, OPEN);
        }
        true
    }

    /// The stack of an allocation that is about to be made, and the function that was called.
    pub(crate) fn origin_of(&self, body: &mut Body, call: &Call, origin: &mut Option<(u32, Op)>) -> (u32, Op) {
        *origin.get_or_insert_with(|| {
            let node = self.stack_of(body, call);
            if call.op.is_call() { (node, call.op) } else { self.origin(node, call.op) }
        })
    }

    /// What is known of a stack: found out once.
    fn known_of(&self, node: u32) -> u32 {
        let hash = roll(0x5c09, node.into());
        let is_it = |entry: u32| entry >> known::BITS == node;
        if let Some(entry) = self.scope_index.find(hash, is_it) {
            return entry;
        }
        let known = self.look_at(node);
        let _guard = self.scope_index.lock();
        let has_table = self.scope_index.bytes() != 0 || self.scope_index.start(BITS_FIRST);
        if has_table && self.scope_index.find(hash, is_it).is_none() {
            // Without memory it is found out each time.
            let _ = self.scope_index.insert(hash, node << known::BITS | known);
            self.mind();
        }
        known
    }

    /// What the innermost function of a stack is to the scope, and what all of them are together: `part` bits.
    pub(crate) fn parts_of_stack(&self, node: u32) -> (u64, u64) {
        let (mut parts, mut innermost, mut next) = (0, None, node);
        for _ in 0..=FRAMES_MAX {
            let Some(node) = self.nodes.get(next.into()).filter(|_| next != 0) else { break };
            let word = node.frame.get();
            let at = match frame::kind(word) {
                frame::NATIVE => {
                    let inside = if word & frame::EXACT != 0 { 0 } else { 1 };
                    self.symbols.parts_at(frame::address(word).wrapping_sub(inside))
                }
                frame::SOURCE => self.parts_of_source(word),
                _ => 0,
            };
            innermost.get_or_insert(at);
            parts |= at;
            next = node.parent.get();
        }
        (innermost.unwrap_or(0), parts)
    }

    fn look_at(&self, node: u32) -> u32 {
        let scope = &self.fault.plan().scope;
        let (innermost, parts) = self.parts_of_stack(node);
        let has = |list: &[u8], parts: u64, part: u64| list.is_empty() || parts & part != 0;
        let counts = has(scope.callers, innermost, part::CALLER)
            && has(scope.inside, parts, part::INSIDE)
            && has(scope.modules, parts, part::MODULE)
            && has(scope.files, parts, part::FILE)
            && parts & part::NOT == 0;
        let bit = |is_there: bool, bit: u32| if is_there { bit } else { 0 };
        bit(counts, known::COUNTS)
            | bit(parts & part::SINCE != 0, known::SINCE)
            | bit(parts & part::UNTIL != 0, known::UNTIL)
    }
}

fn is_thread(threads: Threads<'_>, body: &Body) -> bool {
    match threads {
        Threads::All => true,
        Threads::Main => body.record.tid.get() == body.process.pid.get(),
        Threads::Number(number) => body.fault.number == number,
        Threads::Named(pattern) => {
            let mut name = [0u8; 16];
            for (to, word) in name.chunks_exact_mut(8).zip(&body.record.name) {
                to.copy_from_slice(&word.get().to_le_bytes());
            }
            glob(pattern, name.split(|&byte| byte == 0).next().unwrap_or(&[]))
        }
    }
}
