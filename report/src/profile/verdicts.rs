//! From the tables of a check to its rows: blocks judged, suppressed, and put together by stack and kind.
//!
//! ```text
//!   lost blocks, pointers ──judge──▶ kinds ──names──▶ suppressions ──judge again──▶ rows
//! ```
//!
//! Kinds are known before names are, so that only what is shown need be named.

use std::collections::{BTreeMap, HashMap};

use memtrace_wire::layout::{Held as HeldRow, Lost, Rung};
use memtrace_wire::verdict::Verdict::{Definite, Possible};
use memtrace_wire::verdict::{Graph, Judged, WORK_PER_BLOCK};

use super::hidden::Hiding;
use super::leaks::{Held, Kind, Leak, Sums};
use super::sites::{op, op_of};
use super::stacks::Stacks;
use crate::recording::{self, Check};

/// The checks of a process, judged without suppressions.
pub struct Verdicts<'r> {
    /// In the order in which they were made.
    pub checks: Vec<Verdict<'r>>,
    /// References that led nowhere.
    pub damaged: u64,
}

/// One check, judged.
pub struct Verdict<'r> {
    /// Its tables.
    pub check: Check<'r>,
    judged: Vec<Judged>,
}

/// The rows of a check.
#[derive(Default)]
pub struct Rows {
    /// Of lost blocks.
    pub leaks: Vec<Leak>,
    /// Of reachable sites, without paths; and for each the row of the recording that it has its path from.
    pub held: Vec<(Held, usize)>,
    /// Sums by kind.
    pub sums: Sums,
    /// References that led nowhere.
    pub damaged: u64,
}

impl<'r> Verdicts<'r> {
    /// Judges all checks that are whole.
    pub fn of(process: &'r recording::Process) -> Verdicts<'r> {
        let (checks, mut damaged) = process.checks.whole();
        let mut judged = Vec::new();
        for check in checks {
            match judge(&check, |_| false) {
                Some(verdicts) => judged.push(Verdict { check, judged: verdicts }),
                None => damaged += 1,
            }
        }
        Verdicts { checks: judged, damaged }
    }
}

fn judge(check: &Check, is_suppressed: impl Fn(usize) -> bool) -> Option<Vec<Judged>> {
    let count = check.lost.len();
    let mut judged = vec![Judged::NEW; count];
    let mut work = vec![0; count * WORK_PER_BLOCK];
    if !(Graph { lost: check.lost, edges: check.edges }).judge(is_suppressed, &mut judged, &mut work) {
        return None;
    }
    // A register of a thread that could not be stopped may have held the block.
    if Rung::from_number(check.row.rung.get()) == Some(Rung::Waiting) {
        for judged in judged.iter_mut().filter(|judged| judged.verdict == Definite) {
            judged.verdict = Possible;
        }
    }
    Some(judged)
}

/// What a site's blocks have in common: stack and function.
type Key = (u32, u32);

/// The key of each site that has one.
fn keys(process: &recording::Process, stacks: &Stacks) -> Vec<Option<Key>> {
    process.sites.iter().map(|site| Some((stacks.number(site.node.get())?, op_of(site)))).collect()
}

/// Lost blocks of one site and kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SiteLost {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the latest of them, as far as addresses say.
    pub address: u64,
}

impl Verdict<'_> {
    /// Lost blocks by number of the site and kind, with nothing suppressed.
    pub fn lost_by_site(&self) -> BTreeMap<(u32, Kind), SiteLost> {
        let mut sums: BTreeMap<(u32, Kind), SiteLost> = BTreeMap::new();
        for (block, judged) in self.check.lost.iter().zip(&self.judged) {
            let sum = sums.entry((block.site.get(), Kind::of(judged.verdict))).or_default();
            sum.blocks = sum.blocks.saturating_add(1);
            sum.bytes = sum.bytes.saturating_add(block.bytes.get());
            sum.address = block.address.get();
        }
        sums
    }

    /// The rows, with nothing suppressed.
    pub fn rows(&self, process: &recording::Process, stacks: &Stacks) -> Rows {
        let keys = keys(process, stacks);
        let mut rows = self.lost_rows(&keys, &self.judged, |_, _| None);
        self.held_rows(&keys, |_, _| None, &mut rows);
        rows
    }

    /// The rows that are left by suppressions.
    pub fn suppressed_rows(&self, process: &recording::Process, stacks: &Stacks, hiding: &mut Hiding<'_, '_>) -> Rows {
        let keys = keys(process, stacks);
        let mut known: HashMap<(Key, Kind), Option<u32>> = HashMap::new();
        let mut rule = |site: u32, kind: Kind| {
            let key @ (stack, number) = keys.get(site as usize).copied().flatten()?;
            *known.entry((key, kind)).or_insert_with(|| hiding.rule(kind, &op(number), stack))
        };
        let blocks = self.check.lost.iter().zip(&self.judged);
        let rules: Vec<Option<u32>> =
            blocks.map(|(block, judged)| rule(block.site.get(), Kind::of(judged.verdict))).collect();
        let held: Vec<Option<u32>> =
            self.check.held.iter().map(|held| rule(held.site.get(), Kind::Reachable)).collect();
        let judged = judge(&self.check, |number| rules.get(number).is_some_and(Option::is_some));
        let rule_of =
            |place: usize, kind: Kind| rules.get(place).copied().flatten().filter(|_| kind == Kind::Suppressed);
        let mut rows = self.lost_rows(&keys, judged.as_deref().unwrap_or(&self.judged), rule_of);
        self.held_rows(&keys, |place, _| held.get(place).copied().flatten(), &mut rows);
        let lost = self.check.lost.iter().zip(&rules).map(|(block, rule)| (rule, 1, block.bytes.get()));
        let held = self.check.held.iter().zip(&held).map(|(row, rule)| (rule, row.blocks.get(), row.bytes.get()));
        for (rule, blocks, bytes) in lost.chain(held) {
            if let Some(rule) = rule {
                hiding.count(*rule, blocks, bytes);
            }
        }
        rows
    }

    fn lost_rows(&self, keys: &[Option<Key>], judged: &[Judged], rule: impl Fn(usize, Kind) -> Option<u32>) -> Rows {
        let mut rows = Rows::default();
        let mut merged: BTreeMap<(Kind, Key, Option<u32>), Leak> = BTreeMap::new();
        for (place, (block, judged)) in self.check.lost.iter().zip(judged).enumerate() {
            let kind = Kind::of(judged.verdict);
            rows.sums.of(kind).add(1, block.bytes.get());
            let Some(key) = keys.get(block.site.get() as usize).copied().flatten() else {
                rows.damaged += 1;
                continue;
            };
            let suppression = rule(place, kind);
            let leak = merged.entry((kind, key, suppression)).or_insert_with(|| leak(key, kind, block, suppression));
            for (sum, part) in [
                (&mut leak.blocks, 1),
                (&mut leak.bytes, block.bytes.get()),
                (&mut leak.indirect_blocks, judged.indirect_blocks),
                (&mut leak.indirect_bytes, judged.indirect_bytes),
            ] {
                *sum = sum.saturating_add(part);
            }
        }
        rows.leaks = merged.into_values().collect();
        rows.leaks.sort_by_key(|leak| (leak.kind, std::cmp::Reverse(leak.all_bytes())));
        rows
    }

    fn held_rows(&self, keys: &[Option<Key>], rule: impl Fn(usize, Kind) -> Option<u32>, rows: &mut Rows) {
        let mut merged: BTreeMap<(Key, Option<u32>), (Held, usize)> = BTreeMap::new();
        let row = self.check.row;
        rows.sums.reachable.add(row.reachable_blocks.get(), row.reachable_bytes.get());
        for (place, held) in self.check.held.iter().enumerate() {
            let suppression = rule(place, Kind::Reachable);
            let (blocks, bytes) = (held.blocks.get(), held.bytes.get());
            if suppression.is_some() {
                rows.sums.suppressed.add(blocks, bytes);
                let reachable = &mut rows.sums.reachable;
                reachable.blocks = reachable.blocks.saturating_sub(blocks);
                reachable.bytes = reachable.bytes.saturating_sub(bytes);
            }
            let Some(key) = keys.get(held.site.get() as usize).copied().flatten() else {
                rows.damaged += 1;
                continue;
            };
            let (sum, from) =
                merged.entry((key, suppression)).or_insert_with(|| (new_held(key, held, suppression), place));
            for (sum, part) in [
                (&mut sum.blocks, blocks),
                (&mut sum.bytes, bytes),
                (&mut sum.retained_bytes, held.retained_bytes.get()),
            ] {
                *sum = sum.saturating_add(part);
            }
            // The shortest way to any of them; 0 steps: it was not kept.
            let length = |place: usize| match self.check.held.get(place).map_or(0, |held| held.step_count.get()) {
                0 => u32::MAX,
                steps => steps,
            };
            if length(place) < length(*from) {
                (sum.address, sum.address_bytes, *from) = (held.address.get(), held.address_bytes.get(), place);
            }
        }
        rows.held = merged.into_values().collect();
        rows.held.sort_by_key(|(held, _)| std::cmp::Reverse(held.bytes));
    }
}

fn leak((stack, number): Key, kind: Kind, first: &Lost, suppression: Option<u32>) -> Leak {
    let (blocks, bytes, indirect_blocks, indirect_bytes) = (0, 0, 0, 0);
    let (op, address) = (op(number), first.address.get());
    Leak { stack, op, kind, blocks, bytes, indirect_blocks, indirect_bytes, address, suppression }
}

fn new_held((stack, number): Key, first: &HeldRow, suppression: Option<u32>) -> Held {
    Held {
        stack,
        op: op(number),
        blocks: 0,
        bytes: 0,
        retained_bytes: 0,
        address: first.address.get(),
        address_bytes: first.address_bytes.get(),
        suppression,
        path: Vec::new(),
    }
}
