//! Which of the allocations in scope fail, and what happens then: the MALLOC_FAIL_* settings taken together.

use crate::scope::Scope;

/// Ranges that MALLOC_FAIL_AT takes; real plans name one or two.
pub const FAIL_RANGES_MAX: usize = 16;

/// Stacks that MALLOC_FAIL_STACK takes, one after the other.
pub const FAIL_STACKS_MAX: usize = 16;

/// Parts of a chance: MALLOC_FAIL_PROB has up to nine decimals.
pub const CHANCE_PARTS: u64 = 1_000_000_000;

/// What a fork child does with the parent's plan of failures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Children {
    /// Nothing fails there.
    No,
    /// Goes on counting where the parent was.
    Same,
    /// Counts from 0.
    All,
}

/// What happens when an allocation is made to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It gives NULL.
    Null,
    /// SIGTRAP first, to the thread.
    Trap,
    /// SIGSTOP first, to the process.
    Stop,
    /// SIGABRT, to the thread.
    Abort,
}

/// An allocation that is known by its point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The point's name.
    pub name: u64,
    /// Which of its allocations, from 1, after what fails before it.
    pub occurrence: u64,
}

/// Which allocations fail. Indices count from 0, in scope only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan<'a> {
    /// First and last index of each range, both failing.
    pub ranges: [(u64, u64); FAIL_RANGES_MAX],
    /// Ranges in use.
    pub range_count: usize,
    /// Allocations that fail one after the other: each is looked for when the one before has failed.
    pub stacks: [Wanted; FAIL_STACKS_MAX],
    /// How many.
    pub stack_count: usize,
    /// Allocations that fail from the last of `stacks` on, whatever their stacks.
    pub times: u64,
    /// Each allocation with a multiple of this number, from 1, fails; 0: none does.
    pub every: u64,
    /// Chance of each allocation to fail, in `CHANCE_PARTS`.
    pub chance: u64,
    /// Where the random numbers begin.
    pub seed: u64,
    /// Sum of the bytes asked for that is not passed.
    pub bytes_max: u64,
    /// Live bytes of the process that are not passed.
    pub live_bytes_max: u64,
    /// Allocations that fail by the five before, at most.
    pub times_max: u64,
    /// What counts.
    pub scope: Scope<'a>,
    /// What happens in fork children.
    pub children: Children,
    /// Every stack in scope is listed.
    pub points: bool,
    /// Milliseconds for a copy of the process in which such a stack fails first; 0: no copies.
    pub screen_ms: u64,
    /// What happens when one fails.
    pub action: Action,
    /// Allocations after the first that failed are counted.
    pub forbids: bool,
}

impl Plan<'_> {
    /// Nothing fails.
    pub const NONE: Plan<'static> = Plan {
        ranges: [(0, 0); FAIL_RANGES_MAX],
        range_count: 0,
        stacks: [Wanted { name: 0, occurrence: 0 }; FAIL_STACKS_MAX],
        stack_count: 0,
        times: 1,
        every: 0,
        chance: 0,
        seed: 0,
        bytes_max: u64::MAX,
        live_bytes_max: u64::MAX,
        times_max: u64::MAX,
        scope: Scope::ALL,
        children: Children::No,
        points: false,
        screen_ms: 0,
        action: Action::Null,
        forbids: false,
    };

    /// Whether allocations may fail by it.
    pub const fn fails(&self) -> bool {
        self.range_count != 0 || self.stack_count != 0 || self.has_rates()
    }

    /// Whether allocations fail by `every`, `chance` or a limit on bytes.
    pub const fn has_rates(&self) -> bool {
        self.every != 0 || self.chance != 0 || self.bytes_max != u64::MAX || self.live_bytes_max != u64::MAX
    }

    /// Whether allocations have to be looked at.
    pub const fn watches(&self) -> bool {
        self.fails() || self.points
    }

    /// Whether the allocation with this index fails by its number.
    #[inline]
    pub fn strikes(&self, index: u64) -> bool {
        self.ranges.iter().take(self.range_count).any(|&(first, last)| (first..=last).contains(&index))
    }

    pub(crate) fn push(&mut self, first: u64, last: u64) -> Option<()> {
        *self.ranges.get_mut(self.range_count)? = (first, last);
        self.range_count += 1;
        Some(())
    }
}
