//! Which allocations fail: the MALLOC_FAIL_* settings taken together.

use crate::settings::number;

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

/// Which allocations fail. Indices count from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// First and last index of each range, both failing.
    pub ranges: [(u64, u64); FAIL_RANGES_MAX],
    /// Ranges in use; 0: nothing fails.
    pub range_count: usize,
    /// What happens in fork children.
    pub children: Children,
    /// Every stack in scope is listed.
    pub points: bool,
}

impl Plan {
    /// Nothing fails.
    pub const NONE: Plan =
        Plan { ranges: [(0, 0); FAIL_RANGES_MAX], range_count: 0, children: Children::No, points: false };

    /// Whether an allocation may fail by it.
    pub const fn fails(&self) -> bool {
        self.range_count != 0
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
    /// What they come to.
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = self.at.unwrap_or(Plan::NONE);
        if let (None, Some((after, own))) = (&self.at, self.after) {
            let last = match own.or(self.count).unwrap_or(Count::Times(1)) {
                Count::Times(times) => after.saturating_add(times - 1),
                Count::ForEver => u64::MAX,
            };
            let _ = plan.push(after, last);
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
