//! The rows of a page: what each stack of a process allocated, what became of it, and how it looked over time.
//!
//! Invariant: a row is a stack, over all threads and functions that were called.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::history::{self, Curves};
use super::number::number;
use super::source::Source;
use super::texts::Texts;
use crate::profile::Process;
use crate::profile::leaks::{Check, Kind, Sum};
use crate::site::Sites;
use crate::suppress::paste_ready_leak_sanitizer;
use crate::text::{held_before, holder};
use crate::views::leaks::{LeakRow, last_word};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The numbers of a row.
        #[derive(Clone, Copy, PartialEq, Debug, Default)]
        pub struct Numbers { $($(#[$doc])* pub $name: u64,)* }

        /// The numbers of all rows.
        #[derive(Serialize, Default)]
        pub struct NumberColumns { $($name: Vec<u64>,)* }

        impl NumberColumns {
            fn push(&mut self, numbers: &Numbers) { $(self.$name.push(number(numbers.$name));)* }
        }

        impl Numbers {
            /// Adds, up to the largest number.
            pub fn add(&mut self, other: &Numbers) { $(self.$name = self.$name.saturating_add(other.$name);)* }
        }
    };
}

numbers! {
    /// Live blocks at the end.
    live_blocks,
    /// Their bytes.
    live_bytes,
    /// Allocations.
    total_blocks,
    /// Their bytes.
    total_bytes,
    /// Blocks when the process stood highest.
    at_peak_blocks,
    /// Their bytes.
    at_peak_bytes,
    /// The sum of the highest bytes of each of its sites.
    peak_bytes,
    /// Freed by the same thread's next call.
    temporary_blocks,
    /// Largest block.
    largest_bytes,
    /// Allocations that were a realloc of a block.
    realloc_blocks,
    /// Those that moved it.
    realloc_moved,
    /// Definitely lost.
    definite_blocks,
    /// Their bytes.
    definite_bytes,
    /// What these lead to, at whatever stack it was allocated.
    led_blocks,
    /// Their bytes.
    led_bytes,
    /// Possibly lost.
    possible_blocks,
    /// Their bytes.
    possible_bytes,
    /// Indirectly lost.
    indirect_blocks,
    /// Their bytes.
    indirect_bytes,
    /// Still reachable.
    reachable_blocks,
    /// Their bytes.
    reachable_bytes,
    /// Suppressed.
    suppressed_blocks,
    /// Their bytes.
    suppressed_bytes,
    /// Bytes that only its reachable blocks hold.
    retained_bytes,
}

impl Numbers {
    /// Definitely and possibly lost, with what they lead to: what is counted as leaked.
    pub fn leaked_bytes(&self) -> u64 {
        self.definite_bytes.saturating_add(self.led_bytes).saturating_add(self.possible_bytes)
    }

    fn is_lost(&self) -> bool {
        self.definite_blocks > 0 || self.possible_blocks > 0 || self.indirect_blocks > 0
    }
}

/// A row before it is written.
#[derive(Clone, Default)]
struct Row {
    numbers: Numbers,
    ops: Vec<String>,
    threads: Vec<u32>,
    sites: Vec<u32>,
}

/// Rows as columns.
#[derive(Serialize, Default)]
pub struct Rows {
    /// Last nodes of the stacks.
    node: Vec<u32>,
    /// Frames that name the sites; -1: none does.
    frame: Vec<i64>,
    /// Functions that were called.
    op: Vec<u32>,
    threads: Vec<Vec<u32>>,
    #[serde(flatten)]
    numbers: NumberColumns,
    /// Bytes by which the row grew from the first check to the last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grown: Vec<i64>,
    /// By place of a row: lines that say what holds a block of it, from a root on.
    path: BTreeMap<usize, Vec<u32>>,
    /// By place of a row: what held a lost block of it earlier.
    before: BTreeMap<usize, u32>,
    /// By place of a row: the rule that suppresses it.
    rule: BTreeMap<usize, u32>,
    #[serde(flatten)]
    curves: Curves,
}

/// All rows of a process, not yet chosen from.
pub struct Found {
    rows: Vec<(u32, Row)>,
    /// Sums over all.
    pub all: Numbers,
}

/// Puts sites and what became of their blocks together, by stack.
pub fn find(process: &Process) -> Found {
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut rows: Vec<(u32, Row)> = Vec::new();
    let mut at = |stack: u32, rows: &mut Vec<(u32, Row)>| {
        *places.entry(stack).or_insert_with(|| {
            rows.push((stack, Row::default()));
            rows.len() - 1
        })
    };
    for (place, site) in process.sites.iter().enumerate() {
        let at = at(site.stack, &mut rows);
        let row = &mut rows[at].1;
        row.sites.push(place as u32);
        if !row.ops.contains(&site.op) {
            row.ops.push(site.op.clone());
        }
        row.threads.extend(site.thread.filter(|thread| !row.threads.contains(thread)));
        let largest_bytes = site.largest_bytes.max(row.numbers.largest_bytes);
        row.numbers.add(&of_site(site));
        row.numbers.largest_bytes = largest_bytes;
    }
    if let Some(check) = last_word(process) {
        for leak in &check.leaks {
            let at = at(leak.stack, &mut rows);
            let (blocks, bytes) = (leak.blocks, leak.bytes);
            let mut numbers = of_kind(leak.kind, Sum { blocks, bytes });
            if leak.kind == Kind::Definite {
                (numbers.led_blocks, numbers.led_bytes) = (leak.indirect_blocks, leak.indirect_bytes);
            }
            rows[at].1.numbers.add(&numbers);
        }
        for held in &check.held {
            let at = at(held.stack, &mut rows);
            let kind = if held.suppression.is_some() { Kind::Suppressed } else { Kind::Reachable };
            let mut numbers = of_kind(kind, Sum { blocks: held.blocks, bytes: held.bytes });
            numbers.retained_bytes = held.retained_bytes;
            rows[at].1.numbers.add(&numbers);
        }
    }
    let mut all = Numbers::default();
    rows.iter().for_each(|(_, row)| all.add(&row.numbers));
    Found { rows, all }
}

fn of_site(site: &crate::profile::Site) -> Numbers {
    Numbers {
        live_blocks: site.live_blocks,
        live_bytes: site.live_bytes,
        total_blocks: site.total_blocks,
        total_bytes: site.total_bytes,
        at_peak_blocks: site.at_peak_blocks,
        at_peak_bytes: site.at_peak_bytes,
        peak_bytes: site.peak_bytes,
        temporary_blocks: site.temporary_blocks,
        realloc_blocks: site.realloc_blocks,
        realloc_moved: site.realloc_moved,
        ..Numbers::default()
    }
}

fn of_kind(kind: Kind, sum: Sum) -> Numbers {
    let mut numbers = Numbers::default();
    let (blocks, bytes) = match kind {
        Kind::Definite => (&mut numbers.definite_blocks, &mut numbers.definite_bytes),
        Kind::Possible => (&mut numbers.possible_blocks, &mut numbers.possible_bytes),
        Kind::Indirect => (&mut numbers.indirect_blocks, &mut numbers.indirect_bytes),
        Kind::Reachable => (&mut numbers.reachable_blocks, &mut numbers.reachable_bytes),
        Kind::Suppressed => (&mut numbers.suppressed_blocks, &mut numbers.suppressed_bytes),
    };
    (*blocks, *bytes) = (sum.blocks, sum.bytes);
    numbers
}

/// How much a row matters: whether it is lost, and its largest part of any of the sums.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Weight(bool, f64);

impl Found {
    /// The weights of its rows, in their order. `all`: the sums that a part is told of.
    pub fn weights(&self, all: &Numbers) -> Vec<Weight> {
        let part = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        let weight = |(_, row): &(u32, Row)| {
            let numbers = &row.numbers;
            let parts = [
                part(numbers.leaked_bytes(), all.leaked_bytes()),
                part(numbers.live_bytes, all.live_bytes),
                part(numbers.at_peak_bytes, all.at_peak_bytes),
                part(numbers.total_bytes, all.total_bytes),
                part(numbers.total_blocks, all.total_blocks),
                part(numbers.temporary_blocks, all.temporary_blocks),
            ];
            Weight(numbers.is_lost(), parts.into_iter().fold(0.0, f64::max))
        };
        self.rows.iter().map(weight).collect()
    }

    /// The chosen rows, as they are written, and the sums of the others with their number.
    pub fn written(
        &self,
        process: &Process,
        is_chosen: impl Fn(usize) -> bool,
        texts: &mut Texts,
        source: &mut Source,
    ) -> (Rows, Numbers, u64) {
        let (mut rest, mut rest_count) = (Numbers::default(), 0);
        let mut rows = Rows::default();
        let (sites, wrappers) = (Sites::of(process), process.wrappers());
        let last = process.checks.iter().rev().find(|check| is_classified(check));
        let paths = last.map(|check| by_stack(check)).unwrap_or_default();
        let grown = growth(process);
        let mut chosen = Vec::new();
        for (place, (stack, row)) in self.rows.iter().enumerate() {
            if !is_chosen(place) {
                rest.add(&row.numbers);
                rest_count += 1;
                continue;
            }
            let place = rows.node.len();
            rows.node.push(source.node(process, *stack, texts));
            let frame = sites.frame_place(*stack).and_then(|frame| source.frame(process, frame, texts));
            rows.frame.push(frame.map_or(-1, i64::from));
            rows.op.push(texts.place(&row.ops.join(", ")));
            rows.threads.push(row.threads.clone());
            rows.numbers.push(&row.numbers);
            if let Some(grown) = &grown {
                rows.grown.push(grown.get(stack).copied().unwrap_or(0));
            }
            if let Some(held) = paths.get(stack) {
                let lines = held.path.iter().map(|step| holder(process, step));
                rows.path.insert(place, texts.all(lines));
            }
            let kinds = [Kind::Definite, Kind::Possible];
            let lost = kinds.into_iter().find(|kind| match kind {
                Kind::Definite => row.numbers.definite_blocks > 0,
                _ => row.numbers.possible_blocks > 0,
            });
            if let Some(kind) = lost {
                let leak = LeakRow { stack: *stack, kind, direct: Sum::default(), indirect: Sum::default() };
                rows.before.extend(held_before(process, &leak).map(|text| (place, texts.place(&text))));
                let rule = paste_ready_leak_sanitizer(&process.called(*stack), &wrappers);
                rows.rule.extend(rule.map(|rule| (place, texts.place(&rule))));
            }
            chosen.push(row.sites.as_slice());
        }
        rows.curves = history::curves(process, &chosen, texts);
        (rows, rest, rest_count)
    }
}

/// By stack, the held blocks of a check whose way is known.
fn by_stack(check: &Check) -> HashMap<u32, &crate::profile::leaks::Held> {
    let known = check.held.iter().filter(|held| !held.path.is_empty());
    // The first of a stack has the most bytes.
    known.rev().map(|held| (held.stack, held)).collect()
}

fn is_classified(check: &Check) -> bool {
    matches!(check.rung.as_str(), "alone" | "stopped" | "waiting")
}

/// By stack, how much more is live at the last check than at the first; nothing: there is only one.
fn growth(process: &Process) -> Option<HashMap<u32, i64>> {
    let classified: Vec<&Check> = process.checks.iter().filter(|check| is_classified(check)).collect();
    let (first, last) = match classified.as_slice() {
        [first, .., last] => (first, last),
        _ => return None,
    };
    let mut grown: HashMap<u32, i64> = HashMap::new();
    for (check, sign) in [(first, -1), (last, 1)] {
        let lost = check.leaks.iter().map(|leak| (leak.stack, leak.bytes));
        for (stack, bytes) in lost.chain(check.held.iter().map(|held| (held.stack, held.bytes))) {
            let sum = grown.entry(stack).or_default();
            *sum = sum.saturating_add(sign * number(bytes) as i64);
        }
    }
    Some(grown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::leaks::Held;
    use crate::profile::sample;

    fn process() -> Process {
        sample::process(|maker| {
            maker.site(&["plant", "main"], 10, 1, 9);
            maker.site(&["plant", "main"], 10, 2, 2).thread = Some(1);
            maker.site(&["water", "main"], 1000, 0, 7).temporary_blocks = 6;
            let plant = maker.stack(&["plant", "main"]);
            let leak = sample::leak(plant, Kind::Definite, 1, 10, Sum { blocks: 3, bytes: 33 });
            let held = Held { retained_bytes: 25, ..sample::held(plant, 2, 20) };
            let check =
                |leaks, held| Check { cause: "end".into(), rung: "alone".into(), leaks, held, ..Check::default() };
            let first = Check { cause: "program".into(), ..check(Vec::new(), vec![Held { bytes: 4, ..held.clone() }]) };
            maker.process().checks = vec![first, check(vec![leak], vec![held])];
        })
    }

    #[test]
    fn a_row_is_a_stack_over_all_threads_with_what_became_of_it() {
        let found = find(&process());
        assert_eq!(found.rows.len(), 2);
        let (stack, plant) = &found.rows[0];
        assert_eq!((*stack, plant.threads.as_slice(), plant.numbers.live_bytes), (0, &[0, 1][..], 30));
        assert_eq!((plant.numbers.leaked_bytes(), plant.numbers.reachable_bytes), (43, 20));
        assert_eq!((found.all.total_blocks, found.all.temporary_blocks), (18, 6));
        let weights = found.weights(&found.all);
        assert!(weights[0] > weights[1], "what is lost comes first: {weights:?}");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let process = process();
        let found = find(&process);
        let (mut texts, mut source) = (Texts::default(), Source::default());
        let (rows, rest, count) = found.written(&process, |place| place == 0, &mut texts, &mut source);
        assert_eq!((rows.node.len(), rest.total_bytes, count), (1, 7000, 1));
        assert_eq!(rows.grown, [26], "10 lost and 20 held, 4 at first");
        assert!(rows.rule.contains_key(&0) && rows.path.is_empty());
    }
}
