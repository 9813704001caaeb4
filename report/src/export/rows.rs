//! What a process allocated, as rows that other tools can add up: by stack, function, thread and kind of leak.
//!
//! Sites know their thread, checks for leaks know the kind of a block, and nobody knows both. Where a stack was in one
//! thread, or all its live blocks are of one kind, both are said; elsewhere live blocks have their kind and no thread.
//!
//! Invariant: the rows of a process sum up to its sites, number by number. Blocks from pools of the program's own are left
//! out, because their bytes lie in other blocks.

use std::collections::BTreeMap;

use crate::profile::leaks::{Kind, Sum};
use crate::profile::{POOL, Process, Site};
use crate::views::leaks::{last_word, leaked_by_stack};
use crate::views::words;

words! {
    /// What is counted, where a format holds one number.
    pub enum Metric {
        /// Bytes definitely and possibly lost, with what they lead to.
        Leaked = "leaked",
        /// Bytes live at the end.
        Live = "live",
        /// Bytes live when the process stood highest.
        Peak = "peak",
        /// Bytes of all allocations.
        Total = "total",
        /// Allocations that the same thread's next call freed.
        Temporary = "temporary",
    }
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 5] = [Metric::Live, Metric::Leaked, Metric::Peak, Metric::Total, Metric::Temporary];

    /// Whether it counts bytes, not allocations.
    pub fn is_bytes(self) -> bool {
        self != Metric::Temporary
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Metric::Leaked => "bytes leaked",
            Metric::Live => "bytes live at the end",
            Metric::Peak => "bytes live at the peak",
            Metric::Total => "bytes allocated",
            Metric::Temporary => "temporary allocations",
        }
    }
}

/// One row.
#[derive(Clone, PartialEq, Debug)]
pub struct Row<'p> {
    /// Place in `stacks`.
    pub stack: u32,
    /// Place in `threads`; `None`: several, or not known.
    pub thread: Option<u32>,
    /// The function that was called.
    pub op: &'p str,
    /// What the live blocks are; `None`: not known.
    pub kind: Option<Kind>,
    /// Live at the end.
    pub live: Sum,
    /// Live when the process stood highest.
    pub peak: Sum,
    /// All allocations.
    pub total: Sum,
    /// Temporary allocations.
    pub temporary_blocks: u64,
}

impl Row<'_> {
    fn is_empty(&self) -> bool {
        [self.live, self.peak, self.total] == [Sum::default(); 3] && self.temporary_blocks == 0
    }
}

/// The word for a kind, as `--show` takes it.
pub fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Definite => "definite",
        Kind::Possible => "possible",
        Kind::Indirect => "indirect",
        Kind::Reachable => "reachable",
        Kind::Suppressed => "suppressed",
    }
}

/// The sites that count: see the invariant.
pub fn sites(process: &Process) -> impl Iterator<Item = &Site> {
    process.sites.iter().filter(|site| site.op != POOL)
}

/// The rows of a process, in a fixed order.
pub fn rows(process: &Process) -> Vec<Row<'_>> {
    let mut groups: BTreeMap<(u32, &str), Vec<Row<'_>>> = BTreeMap::new();
    for site in sites(process) {
        groups.entry((site.stack, &site.op)).or_default().push(of_site(site));
    }
    let mut kinds = kinds(process);
    let mut all = Vec::new();
    for (group, rows) in groups {
        all.extend(split(rows, kinds.remove(&group).unwrap_or_default()));
    }
    all.retain(|row| !row.is_empty());
    all
}

fn of_site(site: &Site) -> Row<'_> {
    Row {
        stack: site.stack,
        thread: site.thread,
        op: &site.op,
        kind: None,
        live: Sum { blocks: site.live_blocks, bytes: site.live_bytes },
        peak: Sum { blocks: site.at_peak_blocks, bytes: site.at_peak_bytes },
        total: Sum { blocks: site.total_blocks, bytes: site.total_bytes },
        temporary_blocks: site.temporary_blocks,
    }
}

/// What the last check says of live blocks, by stack and function.
fn kinds(process: &Process) -> BTreeMap<(u32, &str), BTreeMap<Kind, Sum>> {
    let mut kinds: BTreeMap<(u32, &str), BTreeMap<Kind, Sum>> = BTreeMap::new();
    let mut add = |stack, op, kind, blocks, bytes| {
        kinds.entry((stack, op)).or_default().entry(kind).or_default().add(blocks, bytes);
    };
    let Some(check) = last_word(process) else { return BTreeMap::new() };
    for leak in &check.leaks {
        add(leak.stack, leak.op.as_str(), leak.kind, leak.blocks, leak.bytes);
    }
    for held in &check.held {
        let kind = if held.suppression.is_none() { Kind::Reachable } else { Kind::Suppressed };
        add(held.stack, held.op.as_str(), kind, held.blocks, held.bytes);
    }
    kinds
}

/// The rows of one stack and function, with kinds as far as they can be told.
fn split(mut rows: Vec<Row<'_>>, kinds: BTreeMap<Kind, Sum>) -> Vec<Row<'_>> {
    let mut live = Sum::default();
    rows.iter().for_each(|row| live.add(row.live.blocks, row.live.bytes));
    let mut known = Sum::default();
    kinds.values().for_each(|sum| known.add(sum.blocks, sum.bytes));
    if let (1, Some(&kind)) = (kinds.len(), kinds.keys().next())
        && known == live
    {
        rows.iter_mut().filter(|row| row.live != Sum::default()).for_each(|row| row.kind = Some(kind));
        return rows;
    }
    let (Some(first), true) = (rows.first().cloned(), known.blocks <= live.blocks && known.bytes <= live.bytes) else {
        // A check that saw more than there is at the end: its word is not about these blocks.
        return rows;
    };
    if kinds.is_empty() {
        return rows;
    }
    let thread = if rows.len() == 1 { first.thread } else { None };
    let rest = Sum { blocks: live.blocks - known.blocks, bytes: live.bytes - known.bytes };
    rows.iter_mut().for_each(|row| row.live = Sum::default());
    let kinds = kinds.into_iter().map(|(kind, sum)| (Some(kind), sum));
    let of_kind = |(kind, live)| Row {
        thread,
        kind,
        live,
        peak: Sum::default(),
        total: Sum::default(),
        temporary_blocks: 0,
        ..first.clone()
    };
    rows.extend(kinds.chain([(None, rest)]).map(of_kind));
    rows
}

/// What each stack has of one number, by stack; nothing: it is not known.
pub fn weights(process: &Process, metric: Metric) -> Option<BTreeMap<u32, u64>> {
    let mut weights = BTreeMap::new();
    let mut add = |stack: u32, weight: u64| {
        let sum: &mut u64 = weights.entry(stack).or_default();
        *sum = sum.saturating_add(weight);
    };
    match metric {
        Metric::Leaked => leaked_by_stack(process)?.into_iter().for_each(|(stack, sum)| add(stack, sum.bytes)),
        Metric::Live => sites(process).for_each(|site| add(site.stack, site.live_bytes)),
        Metric::Peak => sites(process).for_each(|site| add(site.stack, site.at_peak_bytes)),
        Metric::Total => sites(process).for_each(|site| add(site.stack, site.total_bytes)),
        Metric::Temporary => sites(process).for_each(|site| add(site.stack, site.temporary_blocks)),
    }
    weights.retain(|_, weight| *weight > 0);
    Some(weights)
}

/// The sums of each stack over its threads and functions.
pub fn by_stack(process: &Process) -> BTreeMap<u32, Row<'_>> {
    let mut stacks: BTreeMap<u32, Row<'_>> = BTreeMap::new();
    for site in sites(process) {
        let next = of_site(site);
        let Some(row) = stacks.get_mut(&site.stack) else {
            stacks.insert(site.stack, next);
            continue;
        };
        for (sum, part) in [(&mut row.live, next.live), (&mut row.peak, next.peak), (&mut row.total, next.total)] {
            sum.add(part.blocks, part.bytes);
        }
        row.temporary_blocks = row.temporary_blocks.saturating_add(next.temporary_blocks);
    }
    stacks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(thread: u32, live: (u64, u64)) -> Row<'static> {
        Row {
            stack: 3,
            thread: Some(thread),
            op: "malloc",
            kind: None,
            live: sum(live),
            peak: sum((9, 90)),
            total: sum((20, 200)),
            temporary_blocks: 4,
        }
    }

    fn sum((blocks, bytes): (u64, u64)) -> Sum {
        Sum { blocks, bytes }
    }

    fn told(rows: &[Row<'_>]) -> Vec<(Option<u32>, Option<Kind>, u64, u64)> {
        rows.iter().map(|row| (row.thread, row.kind, row.live.bytes, row.total.bytes)).collect()
    }

    #[test]
    fn thread_and_kind_are_both_said_where_both_are_known() {
        let kinds = |kinds: &[(Kind, (u64, u64))]| kinds.iter().map(|&(kind, of)| (kind, sum(of))).collect();
        let one = [(Kind::Definite, (2, 20)), (Kind::Reachable, (1, 5))];
        let rows = split(vec![row(1, (4, 30))], kinds(&one));
        let definite = (Some(1), Some(Kind::Definite), 20, 0);
        assert_eq!(
            told(&rows),
            [(Some(1), None, 0, 200), definite, (Some(1), Some(Kind::Reachable), 5, 0), (Some(1), None, 5, 0)]
        );
        // Of two threads, all live blocks are of one kind.
        let rows = split(vec![row(1, (1, 10)), row(2, (1, 10))], kinds(&[(Kind::Definite, (2, 20))]));
        let kind = Some(Kind::Definite);
        assert_eq!(told(&rows), [(Some(1), kind, 10, 200), (Some(2), kind, 10, 200)]);
        // Of two threads and two kinds nobody knows which is whose.
        let rows = split(vec![row(1, (1, 10)), row(2, (2, 15))], kinds(&one));
        let live: Vec<_> = told(&rows).into_iter().filter(|row| row.2 > 0).collect();
        assert_eq!(live, [(None, Some(Kind::Definite), 20, 0), (None, Some(Kind::Reachable), 5, 0)]);
        assert_eq!(rows.iter().map(|row| row.total.bytes).sum::<u64>(), 400);
        // A check that knows more than there is says nothing.
        assert_eq!(told(&split(vec![row(1, (1, 10))], kinds(&one))), [(Some(1), None, 10, 200)]);
    }
}
