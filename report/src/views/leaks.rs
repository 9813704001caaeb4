//! Leaks as rows: what the last check of a process says of its live blocks, by stack and kind.

use std::cmp::Ordering;
use std::collections::HashMap;

use memtrace_wire::leaks::Kinds;

use super::filter::Filter;
use super::{Choice, group};
use crate::profile::Process;
use crate::profile::leaks::{Check, Held, Kind, Sum};

/// The blocks of one stack and kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeakRow {
    /// Place in `stacks`.
    pub stack: u32,
    /// What they are.
    pub kind: Kind,
    /// The blocks.
    pub direct: Sum,
    /// Indirectly lost ones that they lead to.
    pub indirect: Sum,
}

/// Rows, and what did not fit.
#[derive(PartialEq, Eq, Debug)]
pub struct LeakRows {
    /// In order: by kind, then the most bytes first.
    pub rows: Vec<LeakRow>,
    /// Rows beyond `Choice::top`.
    pub rest_count: u64,
    /// Their blocks.
    pub rest: Sum,
}

/// The check that says what became of the blocks that were live at the end.
pub fn last_word(process: &Process) -> Option<&Check> {
    process.checks.last().filter(|check| check.is_last_word())
}

/// The kinds that a user typed.
pub fn parse_kinds(text: &str) -> Result<Kinds, String> {
    let expected = "expected `definite`, `possible`, `indirect`, `reachable` with commas between, or `all`";
    Kinds::parse(text.as_bytes()).ok_or_else(|| expected.into())
}

/// The kinds that are shown: those that were asked for, else those of the process's own MEMTRACE_SHOW.
pub fn kinds(process: &Process, wanted: Option<Kinds>) -> Kinds {
    let own = || {
        let setting = process.settings.get("MEMTRACE_SHOW")?;
        Kinds::parse(setting.as_bytes())
    };
    wanted.or_else(own).unwrap_or(Kinds::DEFAULT)
}

/// Definitely and possibly lost blocks that nothing suppresses.
pub fn leaked(process: &Process) -> Sum {
    let mut sum = Sum::default();
    for part in last_word(process).into_iter().flat_map(|check| [check.summary.definite, check.summary.possible]) {
        sum.add(part.blocks, part.bytes);
    }
    sum
}

/// The rows of a check.
pub fn rows(process: &Process, check: &Check, kinds: Kinds, choice: &Choice) -> LeakRows {
    let filter = Filter::new(process, choice.filter.as_deref());
    let mut rows: HashMap<(Kind, u32), LeakRow> = HashMap::new();
    let mut add = |kind: Kind, stack: u32, direct: Sum, indirect: Sum| {
        if !kinds.has(kind.verdict()) || !filter.takes(stack) {
            return;
        }
        let none = || LeakRow { stack, kind, direct: Sum::default(), indirect: Sum::default() };
        let row = rows.entry((kind, stack)).or_insert_with(none);
        row.direct.add(direct.blocks, direct.bytes);
        row.indirect.add(indirect.blocks, indirect.bytes);
    };
    for leak in &check.leaks {
        let direct = Sum { blocks: leak.blocks, bytes: leak.bytes };
        add(leak.kind, leak.stack, direct, Sum { blocks: leak.indirect_blocks, bytes: leak.indirect_bytes });
    }
    for held in check.held.iter().filter(|held| held.suppression.is_none()) {
        add(Kind::Reachable, held.stack, Sum { blocks: held.blocks, bytes: held.bytes }, Sum::default());
    }
    let mut rows: Vec<LeakRow> = rows.into_values().filter(|row| row.all_bytes() >= choice.min_bytes).collect();
    let compare = |one: &LeakRow, other: &LeakRow| -> Ordering {
        let by_size = (other.all_bytes(), other.direct.blocks).cmp(&(one.all_bytes(), one.direct.blocks));
        one.kind.cmp(&other.kind).then(by_size).then_with(|| group::compare(process, one.stack, other.stack))
    };
    rows.sort_by(compare);
    let beyond = rows.split_off(choice.top.unwrap_or(usize::MAX).min(rows.len()));
    let mut rest = Sum::default();
    beyond.iter().for_each(|row| rest.add(row.direct.blocks, row.direct.bytes));
    LeakRows { rows, rest_count: beyond.len() as u64, rest }
}

/// What a process has definitely and possibly lost, with what that leads to, by stack; nothing: it is not known.
pub fn leaked_by_stack(process: &Process) -> Option<Vec<(u32, Sum)>> {
    let sum = |row: LeakRow| {
        let mut sum = row.direct;
        sum.add(row.indirect.blocks, row.indirect.bytes);
        (row.stack, sum)
    };
    let rows = rows(process, last_word(process)?, Kinds::DEFAULT, &Choice::default()).rows;
    Some(rows.into_iter().map(sum).collect())
}

/// The rows of lost blocks and the held ones that a user chose, each at most `Choice::top`.
pub fn rows_that_match<'p>(process: &'p Process, check: &'p Check, choice: &Choice) -> (Vec<LeakRow>, Vec<&'p Held>) {
    let filter = Filter::new(process, choice.filter.as_deref());
    let is_chosen = |held: &&Held| filter.takes(held.stack) && held.bytes >= choice.min_bytes;
    let held = check.held.iter().filter(is_chosen).take(choice.top.unwrap_or(usize::MAX));
    let mut lost = rows(process, check, Kinds::ALL, choice).rows;
    lost.retain(|row| row.kind != Kind::Reachable);
    (lost, held.collect())
}

impl LeakRow {
    /// Its own bytes and those that it leads to.
    pub fn all_bytes(&self) -> u64 {
        self.direct.bytes.saturating_add(self.indirect.bytes)
    }
}
