//! The MALLOC_FAIL_* rows as they were given, and what they come to.

use crate::op;
use crate::plan::{Action, CHANCE_PARTS, Children, Plan, Wanted};
use crate::scope::{self, Scope, Since};
use crate::settings::{bytes, hexadecimal, number, switch};

/// How many fail.
#[derive(Clone, Copy)]
enum Count {
    Times(u64),
    ForEver,
}

impl Count {
    fn times(self) -> u64 {
        match self {
            Count::Times(times) => times,
            Count::ForEver => u64::MAX,
        }
    }
}

/// The longest that a copy may take: an hour.
const SCREEN_MS_MAX: u64 = 3_600_000;

/// The rows.
pub(crate) struct Fail<'a> {
    after: Option<(u64, Option<Count>)>,
    count: Option<Count>,
    has_at: bool,
    has_stacks: bool,
    ops: Option<u64>,
    calls: Option<u64>,
    /// All that does not depend on other rows; ranges and stacks as if the others were not there.
    rest: Plan<'a>,
}

impl<'a> Fail<'a> {
    /// None given.
    pub(crate) const fn new() -> Self {
        Fail { after: None, count: None, has_at: false, has_stacks: false, ops: None, calls: None, rest: Plan::NONE }
    }

    /// Takes a row's value. `None`: it is not understood, or the row is not one of these.
    pub(crate) fn set(&mut self, name: &str, value: &'a [u8]) -> Option<()> {
        let Plan { scope, .. } = &mut self.rest;
        match name {
            "MALLOC_FAIL_AFTER" => self.after = after(value)?,
            "MALLOC_FAIL_COUNT" => self.count = Some(count(value)?),
            "MALLOC_FAIL_AT" => {
                self.rest.range_count = at(value, &mut self.rest.ranges)?;
                self.has_at = true;
            }
            "MALLOC_FAIL_STACK" => {
                self.rest.stack_count = stacks(value, &mut self.rest.stacks)?;
                self.has_stacks = true;
            }
            "MALLOC_FAIL_EVERY" => self.rest.every = number(value).filter(|&every| every != 0)?,
            "MALLOC_FAIL_PROB" => self.rest.chance = chance(value)?,
            "MALLOC_FAIL_SEED" => self.rest.seed = number(value)?,
            "MALLOC_FAIL_BYTES" => self.rest.bytes_max = bytes(value)?,
            "MALLOC_FAIL_LIVE" => self.rest.live_bytes_max = bytes(value)?,
            "MALLOC_FAIL_SIZE" => scope.sizes = scope::sizes(value)?,
            "MALLOC_FAIL_OPS" => self.ops = Some(scope::ops(value)?),
            "MALLOC_FAIL_CALLS" => self.calls = Some(op::calls(value)?),
            "MALLOC_FAIL_CALLER" => scope.callers = scope::names(value)?,
            "MALLOC_FAIL_IN" => scope.inside = scope::names(value)?,
            "MALLOC_FAIL_MODULE" => scope.modules = scope::names(value)?,
            "MALLOC_FAIL_FILE" => scope.files = scope::names(value)?,
            "MALLOC_FAIL_NOT" => scope.not = scope::names(value)?,
            "MALLOC_FAIL_THREAD" => scope.threads = scope::threads(value),
            "MALLOC_FAIL_SINCE" => scope.since = scope::since(value)?,
            "MALLOC_FAIL_UNTIL" => scope.until = scope::until(value)?,
            "MALLOC_FAIL_EXE" => scope.exe = value,
            "MALLOC_FAIL_CHILDREN" => {
                self.rest.children = match value {
                    b"no" => Children::No,
                    b"same" => Children::Same,
                    b"all" => Children::All,
                    _ => return None,
                }
            }
            "MALLOC_FAIL_ACTION" => {
                self.rest.action = match value {
                    b"null" => Action::Null,
                    b"trap" => Action::Trap,
                    b"stop" => Action::Stop,
                    b"abort" => Action::Abort,
                    _ => return None,
                }
            }
            "MALLOC_FAIL_AFTERMATH" => {
                self.rest.forbids = match value {
                    b"normal" => false,
                    b"forbid" => true,
                    _ => return None,
                }
            }
            "MALLOC_FAIL_POINTS" => self.rest.points = switch(value)?,
            "MALLOC_FAIL_SCREEN" => {
                self.rest.screen_ms = number(value).filter(|&patience_ms| patience_ms <= SCREEN_MS_MAX)?
            }
            _ => return None,
        }
        Some(())
    }

    /// The rows that were given and of which the first alone decides what fails.
    pub(crate) fn exclusive(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("MALLOC_FAIL_STACK", self.has_stacks),
            ("MALLOC_FAIL_AT", self.has_at),
            ("MALLOC_FAIL_AFTER", self.after.is_some()),
        ];
        given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name))
    }

    /// What they come to.
    pub(crate) fn plan(&self) -> Plan<'a> {
        let mut plan = self.rest;
        // What came of a copy stands in the list.
        plan.points |= plan.screen_ms != 0;
        // Who names calls means them; allocations count beside them on request.
        plan.scope.ops = match (self.ops, self.calls) {
            (None, None) => plan.scope.ops,
            (ops, calls) => ops.unwrap_or(0) | calls.unwrap_or(0),
        };
        plan.times_max = self.count.map_or(u64::MAX, Count::times);
        let own = self.after.and_then(|(_, own)| own);
        let is_after = !self.has_stacks && !self.has_at;
        plan.times = own.filter(|_| is_after).or(self.count).map_or(1, Count::times);
        if self.has_stacks {
            plan.range_count = 0;
        } else if let (Some((after, _)), false) = (self.after, self.has_at) {
            let _ = plan.push(after, after.saturating_add(plan.times - 1));
        } else if is_scope_alone(&plan) {
            let _ = plan.push(0, plan.times - 1);
        }
        plan
    }
}

/// Whether a scope was given, and nothing that chooses in it: then its first allocation fails.
fn is_scope_alone(plan: &Plan<'_>) -> bool {
    plan.scope != Scope::ALL && !plan.watches() && plan.scope.since != Since::Api
}

fn count(value: &[u8]) -> Option<Count> {
    match value {
        b"inf" => Some(Count::ForEver),
        _ => match number(value)? {
            0 => Some(Count::ForEver),
            times => Some(Count::Times(times)),
        },
    }
}

fn after(value: &[u8]) -> Option<Option<(u64, Option<Count>)>> {
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

/// First and last index of each range; their number.
fn at(value: &[u8], ranges: &mut [(u64, u64)]) -> Option<usize> {
    let mut count = 0;
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
        *ranges.get_mut(count)? = (first.checked_sub(1)?, last - 1);
        count += 1;
    }
    Some(count)
}

/// What is looked for, one after the other; their number.
fn stacks(value: &[u8], stacks: &mut [Wanted]) -> Option<usize> {
    let mut count = 0;
    for part in value.split(|&byte| byte == b',') {
        let mut halves = part.splitn(2, |&byte| byte == b'#');
        let name = halves.next().filter(|name| name.len() == 16).and_then(hexadecimal)?;
        let occurrence = halves.next().map_or(Some(1), number).filter(|&occurrence| occurrence != 0)?;
        *stacks.get_mut(count)? = Wanted { name, occurrence };
        count += 1;
    }
    Some(count)
}

/// A decimal number from 0 to 1, in `CHANCE_PARTS`.
fn chance(value: &[u8]) -> Option<u64> {
    let mut halves = value.splitn(2, |&byte| byte == b'.');
    let whole = number(halves.next()?)?;
    let decimals = halves.next().unwrap_or(b"0");
    if decimals.len() > 9 {
        return None;
    }
    let scale = (decimals.len()..9).fold(1, |scale, _| scale * 10);
    let parts = whole.checked_mul(CHANCE_PARTS)?.checked_add(number(decimals)? * scale)?;
    (parts <= CHANCE_PARTS).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rows: &[(&str, &'static str)]) -> Plan<'static> {
        let mut fail = Fail::new();
        rows.iter().for_each(|(row, value)| fail.set(row, value.as_bytes()).expect("it is understood"));
        fail.plan()
    }

    #[test]
    fn a_scope_alone_fails_its_first_allocation() {
        for row in [
            ("MALLOC_FAIL_SIZE", "8-"),
            ("MALLOC_FAIL_OPS", "calloc"),
            ("MALLOC_FAIL_CALLS", "sockets"),
            ("MALLOC_FAIL_IN", "f"),
            ("MALLOC_FAIL_EXE", "ls"),
            ("MALLOC_FAIL_SINCE", "start"),
            ("MALLOC_FAIL_UNTIL", "5"),
        ] {
            assert!(plan(&[row]).strikes(0) && !plan(&[row]).strikes(1), "{row:?}");
            assert!(plan(&[row, ("MALLOC_FAIL_COUNT", "inf")]).strikes(99), "{row:?}");
            assert!(!plan(&[row, ("MALLOC_FAIL_POINTS", "1")]).fails(), "{row:?}");
            assert_eq!(plan(&[row, ("MALLOC_FAIL_EVERY", "2")]).range_count, 0, "{row:?}");
            assert!(!plan(&[row, ("MALLOC_FAIL_AFTER", "3")]).strikes(0), "{row:?}");
        }
        assert!(!plan(&[("MALLOC_FAIL_SINCE", "api")]).fails() && !plan(&[("MALLOC_FAIL_COUNT", "5")]).fails());
    }

    #[test]
    fn calls_count_alone_and_allocations_beside_them_on_request() {
        let takes = |rows: &[(&str, &'static str)]| {
            let scope = plan(rows).scope;
            [op::Op::Malloc, op::Op::Calloc, op::Op::Send].map(|op| scope.takes(8, op))
        };
        let calls = ("MALLOC_FAIL_CALLS", "network");
        assert_eq!(takes(&[]), [true, true, false]);
        assert_eq!(takes(&[calls]), [false, false, true]);
        assert_eq!(takes(&[calls, ("MALLOC_FAIL_OPS", "all")]), [true, true, true]);
        assert_eq!(takes(&[calls, ("MALLOC_FAIL_OPS", "malloc")]), [true, false, true]);
    }

    #[test]
    fn copies_need_the_list_and_let_nothing_fail_in_the_process_itself() {
        let plan = plan(&[("MALLOC_FAIL_SCREEN", "500"), ("MALLOC_FAIL_EXE", "ls")]);
        assert!(plan.points && !plan.fails() && plan.screen_ms == 500);
        assert_eq!(Fail::new().set("MALLOC_FAIL_SCREEN", b"3600001"), None);
    }

    #[test]
    fn a_chance_is_a_decimal_number_up_to_one() {
        let known =
            [("0", 0), ("1", CHANCE_PARTS), ("0.25", CHANCE_PARTS / 4), ("1.000", CHANCE_PARTS), ("0.000000001", 1)];
        known.iter().for_each(|&(text, parts)| assert_eq!(chance(text.as_bytes()), Some(parts), "{text}"));
        for wrong in ["", ".", "1.1", "2", "-0.5", "0.", "0.0000000001", "0,5", "99999999999999999999"] {
            assert_eq!(chance(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_narrowed_by_rows_that_were_not_given() {
        let plan = plan(&[]);
        assert_eq!(plan, Plan::NONE);
        assert!(plan.scope.takes(u64::MAX, crate::op::Op::New) && !plan.scope.has_names());
    }
}
