//! Which allocations fail: the MALLOC_FAIL_* settings taken together.

use crate::settings::{hexadecimal, number};

/// Ranges that MALLOC_FAIL_AT takes; real plans name one or two.
pub const FAIL_RANGES_MAX: usize = 16;

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

/// Stacks that MALLOC_FAIL_STACK takes, one after the other.
pub const FAIL_STACKS_MAX: usize = 16;

/// An allocation that is known by its point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The point's name.
    pub name: u64,
    /// Which of its allocations, from 1, after what fails before it.
    pub occurrence: u64,
}

/// Which allocations fail. Indices count from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
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
    /// What happens in fork children.
    pub children: Children,
    /// Every stack in scope is listed.
    pub points: bool,
}

impl Plan {
    /// Nothing fails.
    pub const NONE: Plan = Plan {
        ranges: [(0, 0); FAIL_RANGES_MAX],
        range_count: 0,
        stacks: [Wanted { name: 0, occurrence: 0 }; FAIL_STACKS_MAX],
        stack_count: 0,
        times: 1,
        children: Children::No,
        points: false,
    };

    /// Whether an allocation may fail by it.
    pub const fn fails(&self) -> bool {
        self.range_count != 0 || self.stack_count != 0
    }

    /// Whether allocations have to be looked at.
    pub const fn watches(&self) -> bool {
        self.fails() || self.points
    }

    /// Whether the allocation with this index fails.
    #[inline]
    pub fn strikes(&self, index: u64) -> bool {
        self.ranges.iter().take(self.range_count).any(|&(first, last)| (first..=last).contains(&index))
    }

    fn push(&mut self, first: u64, last: u64) -> Option<()> {
        *self.ranges.get_mut(self.range_count)? = (first, last);
        self.range_count += 1;
        Some(())
    }
}

/// The MALLOC_FAIL_* rows as they were given.
pub(crate) struct Fail {
    pub(crate) after: Option<(u64, Option<Count>)>,
    pub(crate) count: Option<Count>,
    pub(crate) at: Option<Plan>,
    pub(crate) stacks: Option<Plan>,
    pub(crate) children: Children,
    pub(crate) points: bool,
}

/// How many fail.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Times(u64),
    ForEver,
}

impl Fail {
    /// The rows that were given and of which the first alone decides what fails.
    pub(crate) fn exclusive(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("MALLOC_FAIL_STACK", self.stacks.is_some()),
            ("MALLOC_FAIL_AT", self.at.is_some()),
            ("MALLOC_FAIL_AFTER", self.after.is_some()),
        ];
        given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name))
    }

    /// What they come to.
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = self.stacks.or(self.at).unwrap_or(Plan::NONE);
        let after = self.after.filter(|_| !plan.fails());
        let count = after.and_then(|(_, own)| own).or(self.count);
        plan.times = match count.unwrap_or(Count::Times(1)) {
            Count::Times(times) => times,
            Count::ForEver => u64::MAX,
        };
        if let Some((after, _)) = after {
            let _ = plan.push(after, after.saturating_add(plan.times - 1));
        }
        plan.children = self.children;
        plan.points = self.points;
        plan
    }
}

pub(crate) fn count(value: &[u8]) -> Option<Count> {
    match value {
        b"inf" => Some(Count::ForEver),
        _ => match number(value)? {
            0 => Some(Count::ForEver),
            times => Some(Count::Times(times)),
        },
    }
}

pub(crate) fn fail_after(value: &[u8]) -> Option<Option<(u64, Option<Count>)>> {
    if value == b"-1" {
        return Some(None);
    }
    let mut parts = value.splitn(2, |&byte| byte == b',');
    let after = number(parts.next()?)?;
    let own = match parts.next() {
        Some(times) => Some(count(times)?),
        None => None,
    };
    Some(Some((after, own)))
}

pub(crate) fn fail_at(value: &[u8]) -> Option<Plan> {
    let mut plan = Plan::NONE;
    for part in value.split(|&byte| byte == b',') {
        let mut ends = part.splitn(2, |&byte| byte == b'-');
        let first = number(ends.next()?)?;
        let last = match ends.next() {
            Some(last) => number(last)?,
            None => first,
        };
        if last < first {
            return None;
        }
        plan.push(first.checked_sub(1)?, last - 1)?;
    }
    Some(plan)
}

pub(crate) fn fail_stacks(value: &[u8]) -> Option<Plan> {
    let mut plan = Plan::NONE;
    for part in value.split(|&byte| byte == b',') {
        let mut halves = part.splitn(2, |&byte| byte == b'#');
        let name = halves.next().filter(|name| name.len() == 16).and_then(hexadecimal)?;
        let occurrence = halves.next().map_or(Some(1), number).filter(|&occurrence| occurrence != 0)?;
        *plan.stacks.get_mut(plan.stack_count)? = Wanted { name, occurrence };
        plan.stack_count += 1;
    }
    Some(plan)
}
