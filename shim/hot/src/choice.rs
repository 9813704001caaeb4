//! Which of the allocations in scope fails: by its number, its stack, a rate, a limit on bytes, or because the program
//! itself asked for it.

use memtrace_wire::map::{U32, U64};
use memtrace_wire::op::Op;
use memtrace_wire::plan::{CHANCE_PARTS, FAIL_STACKS_MAX, Plan};
use memtrace_wire::scope::has_module;

/// How far a plan has come.
pub struct Choice {
    /// Place in `Plan::stacks` of the one that is looked for; their number: all have failed.
    stack_at: U32,
    /// Allocations of each of them, while it was looked for.
    stack_seen: [U64; FAIL_STACKS_MAX],
    /// Index of the last of them that failed.
    stack_struck: U64,
    /// Its kind: what fails after it is of the same.
    stack_kind: U32,
    /// Those that came after it.
    stack_after: U64,
    /// Allocations that failed by a rate or a limit on bytes.
    rate_count: U64,
    /// Bytes asked for by those that did not fail.
    bytes: U64,
    /// What the program asked for.
    pub asked: Asked,
}

/// A failure that the program itself has armed.
pub struct Asked {
    /// `NOT_ARMED`, `FOR_ALL` or `FOR_MODULES`.
    armed: U32,
    after: U64,
    count: U64,
    /// Allocations in scope since then.
    pub seen: U64,
    /// Of these, those that failed.
    pub fired: U64,
    /// Kernel id of the only thread that it is for; 0: all.
    thread: U32,
    /// 1: of each stack the first allocation alone counts.
    by_stack: U32,
    /// 1: what fails is recorded, and made all the same.
    only_recorded: U32,
    /// How often it was armed.
    pub round: U64,
    /// Length of `modules`.
    modules_bytes: U32,
    /// Patterns for the modules, code of one of which has to be on the stack; used under the lock of `Loaded` only.
    modules: [U64; MODULES_WORDS],
}

/// Which allocations a program asks to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// So many in scope succeed before.
    pub after: u64,
    /// So many fail then; 0: all.
    pub count: u64,
    /// Kernel id of the only thread that is meant; 0: all.
    pub thread: u32,
    /// Of each stack the first allocation alone counts.
    pub by_stack: bool,
    /// It is recorded as failed, and made all the same.
    pub only_recorded: bool,
}

const NOT_ARMED: u32 = 0;
const FOR_ALL: u32 = 1;
const FOR_MODULES: u32 = 2;

/// Words of the patterns: 256 bytes, a dozen names of files.
const MODULES_WORDS: usize = 32;
/// Bytes of patterns that a program may give, a longer text is refused.
pub const MODULES_BYTES_MAX: usize = MODULES_WORDS * 8 - 1;

/// An allocation that may fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its index among those in scope.
    pub index: u64,
    /// What fails together.
    pub kind: Kind,
    /// Name of its point, where that was asked for.
    pub name: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// Live bytes of the process with it, where they are limited.
    pub live_bytes: u64,
    /// Whether it is one of those that the program asked for.
    pub is_asked: bool,
    /// A random number of its own, where chance decides.
    pub random: u64,
}

/// What fails together when a failure lasts: memory for all that allocate, and each call for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind(u32);

impl Kind {
    /// That of a function.
    pub const fn of(op: Op) -> Kind {
        Kind(if op.is_call() { op as u32 } else { 0 })
    }
}

impl Choice {
    /// At the beginning.
    pub const fn new() -> Self {
        Self {
            stack_at: U32::new(0),
            stack_seen: [const { U64::new(0) }; FAIL_STACKS_MAX],
            stack_struck: U64::new(0),
            stack_kind: U32::new(0),
            stack_after: U64::new(0),
            rate_count: U64::new(0),
            bytes: U64::new(0),
            asked: Asked {
                armed: U32::new(NOT_ARMED),
                after: U64::new(0),
                count: U64::new(0),
                seen: U64::new(0),
                fired: U64::new(0),
                thread: U32::new(0),
                by_stack: U32::new(0),
                only_recorded: U32::new(0),
                round: U64::new(0),
                modules_bytes: U32::new(0),
                modules: [const { U64::new(0) }; MODULES_WORDS],
            },
        }
    }

    /// At the beginning again.
    pub fn reset(&self) {
        self.stack_at.set(0);
        self.stack_seen.iter().for_each(|seen| seen.set(0));
        self.stack_after.set(0);
        self.rate_count.set(0);
        self.bytes.set(0);
    }

    /// Whether a stack has to be known by its name.
    pub fn looks_for_stack(&self, plan: &Plan<'_>) -> bool {
        (self.stack_at.get() as usize) < plan.stack_count
    }

    /// Whether an allocation fails.
    pub fn chooses(&self, plan: &Plan<'_>, candidate: &Candidate) -> bool {
        let by_number = match plan.stack_count {
            0 => plan.strikes(candidate.index),
            _ => self.has_stack(plan, candidate),
        };
        let is_asked = candidate.is_asked && self.asked.strikes();
        by_number || is_asked || plan.has_rates() && self.has_rate(plan, candidate)
    }

    fn has_stack(&self, plan: &Plan<'_>, candidate: &Candidate) -> bool {
        let place = self.stack_at.acquire() as usize;
        if place >= plan.stack_count {
            let is_same = candidate.kind.0 == self.stack_kind.get() && candidate.index > self.stack_struck.get();
            return is_same && self.stack_after.fetch_add(1) < plan.times - 1;
        }
        let (Some(wanted), Some(seen)) = (plan.stacks.get(place), self.stack_seen.get(place)) else { return false };
        // One thread alone comes to the number that is waited for.
        if candidate.name != wanted.name || seen.fetch_add(1) + 1 != wanted.occurrence {
            return false;
        }
        self.stack_struck.set(candidate.index);
        self.stack_kind.set(candidate.kind.0);
        self.stack_at.publish(place as u32 + 1);
        true
    }

    fn has_rate(&self, plan: &Plan<'_>, candidate: &Candidate) -> bool {
        let bytes = self.bytes.fetch_add(candidate.bytes).saturating_add(candidate.bytes);
        let number = candidate.index.wrapping_add(1);
        // The upper half of the random number, as a part of CHANCE_PARTS.
        let throw = ((candidate.random >> 32) * CHANCE_PARTS) >> 32;
        let strikes = plan.every != 0 && number.checked_rem(plan.every) == Some(0)
            || throw < plan.chance
            || bytes > plan.bytes_max
            || candidate.live_bytes > plan.live_bytes_max;
        let strikes = strikes && self.rate_count.fetch_add(1) < plan.times_max;
        if strikes {
            self.bytes.fetch_sub(candidate.bytes);
        }
        strikes
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self::new()
    }
}

impl Asked {
    /// Allocations in scope fail from now on, on these terms.
    pub fn arm(&self, terms: Terms) {
        self.begin(terms);
        self.armed.publish(FOR_ALL);
    }

    /// The same for stacks with a module that one of these patterns matches; of the text `MODULES_BYTES_MAX` bytes
    /// count. The lock of `Loaded` is held.
    pub fn arm_for(&self, terms: Terms, modules: &[u8]) {
        self.begin(terms);
        for (word, bytes) in self.modules.iter().zip(modules.chunks(8)) {
            let mut text = [0u8; 8];
            text.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = byte);
            word.set(u64::from_le_bytes(text));
        }
        self.modules_bytes.set(modules.len().min(MODULES_BYTES_MAX) as u32);
        self.armed.publish(FOR_MODULES);
    }

    fn begin(&self, terms: Terms) {
        self.disarm();
        self.thread.set(terms.thread);
        self.after.set(terms.after);
        self.count.set(terms.count);
        self.by_stack.set(terms.by_stack.into());
        self.only_recorded.set(terms.only_recorded.into());
        self.round.fetch_add(1);
        self.seen.set(0);
        self.fired.set(0);
    }

    /// Whether what fails is made all the same.
    pub fn is_only_recorded(&self) -> bool {
        self.only_recorded.get() != 0
    }

    /// Whether of each stack the first allocation alone counts.
    pub fn is_by_stack(&self) -> bool {
        self.by_stack.get() != 0
    }

    /// None fails by it any more; the counts stay.
    pub fn disarm(&self) {
        self.armed.publish(NOT_ARMED);
    }

    /// Whether it is armed.
    pub fn is_armed(&self) -> bool {
        self.armed.acquire() != NOT_ARMED
    }

    /// Whether it is for one thread only.
    pub fn is_for_one_thread(&self) -> bool {
        self.thread.get() != 0
    }

    /// Whether it is armed for stacks with certain modules only.
    pub fn has_modules(&self) -> bool {
        self.armed.acquire() == FOR_MODULES
    }

    /// Whether an allocation of a thread is meant. `has_module`: whether such a module is on its stack.
    pub fn means(&self, thread: u32, has_module: impl FnOnce() -> bool) -> bool {
        let (armed, only) = (self.armed.acquire(), self.thread.get());
        armed != NOT_ARMED && (only == 0 || only == thread) && (armed == FOR_ALL || has_module())
    }

    /// Whether the module of a path is one of those that it is armed for; the lock of `Loaded` is held.
    pub fn names_module(&self, path: &[u8]) -> bool {
        if !self.has_modules() {
            return false;
        }
        let mut text = [0u8; MODULES_WORDS * 8];
        for (to, word) in text.chunks_exact_mut(8).zip(&self.modules) {
            to.copy_from_slice(&word.get().to_le_bytes());
        }
        has_module(text.get(..self.modules_bytes.get() as usize).unwrap_or(&[]), path)
    }

    fn strikes(&self) -> bool {
        let number = self.seen.fetch_add(1);
        let (after, count) = (self.after.get(), self.count.get());
        let strikes = number.checked_sub(after).is_some_and(|past| count == 0 || past < count);
        if strikes {
            self.fired.fetch_add(1);
        }
        strikes
    }
}

#[cfg(test)]
mod tests;
