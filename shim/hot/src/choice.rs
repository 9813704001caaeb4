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
    /// Length of `modules`.
    modules_bytes: U32,
    /// Patterns for the modules, code of one of which has to be on the stack; used under the lock of `Loaded` only.
    modules: [U64; MODULES_WORDS],
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
    /// So many in scope succeed from now on, and the next `count` fail; 0: all. `thread`: the only one that it is for;
    /// 0: all.
    pub fn arm(&self, after: u64, count: u64, thread: u32) {
        self.begin(after, count, thread);
        self.armed.publish(FOR_ALL);
    }

    /// The same for stacks with a module that one of these patterns matches; of the text `MODULES_BYTES_MAX` bytes
    /// count. The lock of `Loaded` is held.
    pub fn arm_for(&self, after: u64, count: u64, thread: u32, modules: &[u8]) {
        self.begin(after, count, thread);
        for (word, bytes) in self.modules.iter().zip(modules.chunks(8)) {
            let mut text = [0u8; 8];
            text.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = byte);
            word.set(u64::from_le_bytes(text));
        }
        self.modules_bytes.set(modules.len().min(MODULES_BYTES_MAX) as u32);
        self.armed.publish(FOR_MODULES);
    }

    fn begin(&self, after: u64, count: u64, thread: u32) {
        self.disarm();
        self.thread.set(thread);
        self.after.set(after);
        self.count.set(count);
        self.seen.set(0);
        self.fired.set(0);
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
mod tests {
    use super::*;
    use memtrace_wire::plan::Wanted;
    use std::vec;
    use std::vec::Vec;

    fn struck(plan: &Plan<'_>, sizes: &[u64]) -> Vec<usize> {
        let choice = Choice::new();
        let chosen = |place: &usize| {
            let (index, bytes) = (*place as u64, sizes[*place]);
            let random = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            choice.chooses(
                plan,
                &Candidate {
                    index,
                    kind: Kind::of(Op::Malloc),
                    name: bytes,
                    bytes,
                    live_bytes: bytes,
                    is_asked: false,
                    random,
                },
            )
        };
        (0..sizes.len()).filter(chosen).collect()
    }

    #[test]
    fn each_nth_fails_up_to_a_number() {
        assert_eq!(struck(&Plan { every: 3, ..Plan::NONE }, &[1; 10]), [2, 5, 8]);
        assert_eq!(struck(&Plan { every: 3, times_max: 2, ..Plan::NONE }, &[1; 10]), [2, 5]);
    }

    #[test]
    fn a_limit_on_bytes_is_never_passed_and_what_failed_does_not_count() {
        assert_eq!(struck(&Plan { bytes_max: 100, ..Plan::NONE }, &[60, 50, 40, 1, 0]), [1, 3]);
        assert_eq!(struck(&Plan { live_bytes_max: 50, ..Plan::NONE }, &[60, 50, 51]), [0, 2]);
        assert_eq!(struck(&Plan { bytes_max: 0, ..Plan::NONE }, &[u64::MAX, 0, 1]), [0, 2]);
    }

    #[test]
    fn what_fails_after_a_stack_is_of_its_kind() {
        let struck = |times, ops: &[Op]| {
            let mut plan = Plan { stack_count: 1, times, ..Plan::NONE };
            plan.stacks[0] = Wanted { name: 1, occurrence: 1 };
            let choice = Choice::new();
            let chosen = |place: &usize| {
                let (index, op) = (*place as u64, ops[*place]);
                let name = u64::from(index == 1);
                let kind = Kind::of(op);
                let candidate = Candidate { index, kind, name, bytes: 0, live_bytes: 0, is_asked: false, random: 0 };
                choice.chooses(&plan, &candidate)
            };
            (0..ops.len()).filter(chosen).collect::<Vec<usize>>()
        };
        let ops = [Op::Send, Op::Send, Op::Malloc, Op::Recv, Op::Send, Op::Send];
        assert_eq!([1, 2, u64::MAX].map(|times| struck(times, &ops)), [vec![1], vec![1, 4], vec![1, 4, 5]]);
        let ops = [Op::Send, Op::Calloc, Op::Malloc, Op::Recv, Op::New];
        assert_eq!(struck(u64::MAX, &ops), [1, 2, 4]);
    }

    #[test]
    fn a_chance_strikes_about_so_often() {
        let at = |chance| struck(&Plan { chance, ..Plan::NONE }, &[1; 10_000]).len();
        assert_eq!((at(0), at(CHANCE_PARTS)), (0, 10_000));
        assert!((2_300..2_700).contains(&at(CHANCE_PARTS / 4)), "{}", at(CHANCE_PARTS / 4));
    }

    #[test]
    fn what_the_program_asks_for_counts_from_then_on() {
        let choice = Choice::new();
        let next = || {
            choice.chooses(
                &Plan::NONE,
                &Candidate {
                    index: 9,
                    kind: Kind(0),
                    name: 0,
                    bytes: 1,
                    live_bytes: 1,
                    is_asked: choice.asked.means(7, || false),
                    random: 0,
                },
            )
        };
        assert!(!next());
        choice.asked.arm(1, 2, 0);
        assert_eq!([next(), next(), next(), next()], [false, true, true, false]);
        assert_eq!((choice.asked.seen.get(), choice.asked.fired.get()), (4, 2));
        choice.asked.arm(0, 0, 8);
        assert!(!next() && choice.asked.seen.get() == 0);
        choice.asked.arm(0, 0, 7);
        assert!(next() && next());
        choice.asked.disarm();
        assert!(!next() && choice.asked.fired.get() == 2);
    }

    #[test]
    fn modules_are_those_that_the_program_named_last() {
        let asked = &Choice::new().asked;
        assert!(!asked.has_modules() && !asked.names_module(b"/lib/libc.so.6"));
        asked.arm_for(0, 1, 0, b"libm.so.*,libcrypt*");
        assert!(asked.has_modules() && asked.names_module(b"/lib/libm.so.6") && asked.names_module(b"libcrypto.so"));
        assert!(asked.means(7, || true) && !asked.means(7, || false));
        asked.arm_for(0, 1, 7, b"libm");
        assert!(!asked.names_module(b"/lib/libm.so.6") && asked.names_module(b"/lib/libm"));
        assert!(asked.means(7, || true) && !asked.means(8, || true));
        let longest = [b'x'; MODULES_BYTES_MAX];
        asked.arm_for(0, 1, 0, &longest);
        assert!(asked.names_module(&longest) && !asked.names_module(b"x"));
        asked.arm(0, 1, 0);
        assert!(!asked.has_modules() && !asked.names_module(&longest) && asked.means(7, || false));
    }
}
