//! What of a profile is shown: sites selected, grouped, sorted and limited.
//!
//! ```text
//!   sites ──filter──▶ groups (by stack, function, file, module, thread) ──sort, min, top──▶ rows + the rest
//! ```
//!
//! Everything here takes a process of a profile and gives rows; nothing prints.
//!
//! Invariant: equal profiles give equal rows: what sorts equal is ordered by its names.

mod filter;
mod group;
pub mod leaks;
pub mod memory;
pub mod over_time;
pub mod tree;

use std::collections::HashMap;

use crate::profile::history::{Curve, History};
use crate::profile::{Process, Site};
pub use filter::{Filter, base_name};
pub use group::{function, module};

/// Reads the word that a user chooses a row by.
macro_rules! words {
    ($($(#[$doc:meta])* pub enum $name:ident { $($(#[$row_doc:meta])* $row:ident = $word:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            pub enum $name { $($(#[$row_doc])* $row,)* }
            impl $name {
                /// All words.
                pub const WORDS: &[&str] = &[$($word,)*];
                /// The word for it.
                pub const fn word(self) -> &'static str { match self { $(Self::$row => $word,)* } }
            }
            impl std::str::FromStr for $name {
                type Err = String;
                fn from_str(word: &str) -> Result<Self, String> {
                    match word { $($word => Ok(Self::$row),)* _ => Err(format!("expected one of {:?}", Self::WORDS)) }
                }
            }
        )*
    };
}
pub(crate) use words;

words! {
    /// By what rows are sorted, largest first.
    pub enum Sort {
        /// Live bytes at the end.
        Live = "live",
        /// Bytes of all allocations.
        Total = "total",
        /// Live bytes when the whole process stood highest.
        Peak = "peak",
        /// Number of allocations.
        Count = "count",
        /// Number of temporary allocations.
        Temporary = "temporary",
    }

    /// What makes a row.
    pub enum By {
        /// A stack.
        Stack = "stack",
        /// The function that allocated.
        Function = "function",
        /// The source file that allocated.
        File = "file",
        /// The module that allocated.
        Module = "module",
        /// A thread.
        Thread = "thread",
        /// The innermost region that the program was in.
        Region = "region",
    }
}

/// What to show.
#[derive(Clone, Debug)]
pub struct Choice {
    /// By what to sort.
    pub sort: Sort,
    /// What makes a row.
    pub by: By,
    /// Rows at most; `None`: all.
    pub top: Option<usize>,
    /// Only stacks with a frame whose function, file or module matches.
    pub filter: Option<String>,
    /// Only rows with so many bytes.
    pub min_bytes: u64,
}

/// Sums over the sites of a row.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Numbers {
    /// Blocks at the end.
    pub live_blocks: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Allocations.
    pub total_blocks: u64,
    /// Their bytes.
    pub total_bytes: u64,
    /// Blocks when the process stood highest.
    pub at_peak_blocks: u64,
    /// Their bytes.
    pub at_peak_bytes: u64,
    /// Temporary allocations.
    pub temporary_blocks: u64,
}

/// One row.
#[derive(PartialEq, Debug)]
pub struct Row {
    /// What it stands for; empty for a stack.
    pub name: String,
    /// The stack, where rows are stacks.
    pub stack: Option<u32>,
    /// Sums.
    pub numbers: Numbers,
}

/// Rows, and what did not fit.
#[derive(PartialEq, Debug)]
pub struct Rows {
    /// In order.
    pub rows: Vec<Row>,
    /// Rows beyond `Choice::top`.
    pub rest_count: u64,
    /// Their sums.
    pub rest: Numbers,
}

impl Default for Choice {
    fn default() -> Self {
        Choice { sort: Sort::Live, by: By::Stack, top: None, filter: None, min_bytes: 0 }
    }
}

impl Numbers {
    /// The numbers of one site.
    pub fn of(site: &Site) -> Numbers {
        Numbers {
            live_blocks: site.live_blocks,
            live_bytes: site.live_bytes,
            total_blocks: site.total_blocks,
            total_bytes: site.total_bytes,
            at_peak_blocks: site.at_peak_blocks,
            at_peak_bytes: site.at_peak_bytes,
            temporary_blocks: site.temporary_blocks,
        }
    }

    /// Adds, up to the largest number: a profile may hold any numbers.
    pub fn add(&mut self, other: &Numbers) {
        for (sum, part) in [
            (&mut self.live_blocks, other.live_blocks),
            (&mut self.live_bytes, other.live_bytes),
            (&mut self.total_blocks, other.total_blocks),
            (&mut self.total_bytes, other.total_bytes),
            (&mut self.at_peak_blocks, other.at_peak_blocks),
            (&mut self.at_peak_bytes, other.at_peak_bytes),
            (&mut self.temporary_blocks, other.temporary_blocks),
        ] {
            *sum = sum.saturating_add(part);
        }
    }

    /// What is sorted by: first number, then second.
    pub fn key(&self, sort: Sort) -> (u64, u64) {
        match sort {
            Sort::Live => (self.live_bytes, self.live_blocks),
            Sort::Total => (self.total_bytes, self.total_blocks),
            Sort::Peak => (self.at_peak_bytes, self.at_peak_blocks),
            Sort::Count => (self.total_blocks, self.total_bytes),
            Sort::Temporary => (self.temporary_blocks, self.total_blocks),
        }
    }

    /// Whether there is anything of what is sorted by. Blocks of 0 bytes are something.
    fn has_any(&self, sort: Sort) -> bool {
        let (first, second) = self.key(sort);
        first > 0 || second > 0 && sort != Sort::Temporary
    }

    fn bytes(&self, sort: Sort) -> u64 {
        match sort {
            Sort::Live => self.live_bytes,
            Sort::Peak => self.at_peak_bytes,
            Sort::Total | Sort::Count | Sort::Temporary => self.total_bytes,
        }
    }
}

/// The rows of one process.
pub fn rows(process: &Process, choice: &Choice) -> Rows {
    let filter = Filter::new(process, choice.filter.as_deref());
    let mut groups = group::groups(process, &filter, choice.by);
    groups.retain(|row| row.numbers.has_any(choice.sort) && row.numbers.bytes(choice.sort) >= choice.min_bytes);
    let compare = |one: &Row, other: &Row| {
        let by_size = other.numbers.key(choice.sort).cmp(&one.numbers.key(choice.sort));
        by_size.then_with(|| one.name.cmp(&other.name)).then_with(|| group::compare_stacks(process, one, other))
    };
    let shown = choice.top.unwrap_or(usize::MAX).min(groups.len());
    let mut rest = Numbers::default();
    // What is not shown need not be in order.
    if shown < groups.len() {
        groups.select_nth_unstable_by(shown, compare);
    }
    let beyond = groups.split_off(shown);
    groups.sort_by(compare);
    beyond.iter().for_each(|row| rest.add(&row.numbers));
    Rows { rows: groups, rest_count: beyond.len() as u64, rest }
}

/// The process with the chosen sites only: a profile again.
pub fn restricted(process: &Process, choice: &Choice) -> Process {
    let chosen = rows(process, choice).rows;
    let mut sites = Vec::new();
    let mut by_stack = HashMap::<u32, Vec<(usize, &Site)>>::new();
    process.sites.iter().enumerate().for_each(|(at, site)| by_stack.entry(site.stack).or_default().push((at, site)));
    // Curves name sites by their places, which are others now.
    let mut places = HashMap::new();
    for row in chosen {
        let of_row = row.stack.and_then(|stack| by_stack.remove(&stack));
        for (at, site) in of_row.into_iter().flatten() {
            places.insert(at as u32, sites.len() as u32);
            sites.push(site.clone());
        }
    }
    let history = process.history.as_ref().map(|history| {
        let moved = |curve: &Curve| Some(Curve { site: *places.get(&curve.site)?, ..curve.clone() });
        History { curves: history.curves.iter().filter_map(moved).collect(), ..history.clone() }
    });
    let filter = Filter::new(process, choice.filter.as_deref());
    let mut checks = process.checks.clone();
    for check in &mut checks {
        check.leaks.retain(|leak| filter.takes(leak.stack) && leak.all_bytes() >= choice.min_bytes);
        check.held.retain(|held| filter.takes(held.stack) && held.bytes >= choice.min_bytes);
    }
    Process { sites, checks, history, ..process.clone() }
}

#[cfg(test)]
mod tests;
