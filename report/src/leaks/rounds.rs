//! One round of checks against the one before: what is new, what has grown, what is gone.

use std::collections::BTreeMap;
use std::io::{self, Write};

use memtrace_wire::leaks::Kinds;

use crate::profile::leaks::Sum;
use crate::profile::{Process, Profile};
use crate::text::{Lines, head, thousands, words};
use crate::views::Choice;
use crate::views::leaks::{LeakRow, kinds, last_word, rows};

/// What tells a stack in one profile from another in the next: its kind of leak, and its frames.
type Key = (u32, Vec<(String, u64)>);

/// The leaks of one round.
#[derive(Default)]
pub struct Round {
    rows: BTreeMap<Key, LeakRow>,
}

/// What became of the leaks since the round before.
pub struct Changes {
    new: Vec<LeakRow>,
    /// With what was there before.
    grown: Vec<(LeakRow, Sum)>,
    gone: Vec<(Sum, &'static str)>,
}

impl Round {
    /// The leaks of the one process of a profile.
    pub fn of(profile: &Profile, show: Option<Kinds>) -> Round {
        let Some(process) = profile.processes.first() else { return Round { rows: BTreeMap::new() } };
        let Some(check) = last_word(process) else { return Round { rows: BTreeMap::new() } };
        let rows = rows(process, check, kinds(process, show), &Choice::default()).rows;
        Round { rows: rows.into_iter().map(|row| (key(process, &row), row)).collect() }
    }

    /// The difference.
    pub fn since(&self, before: &Round) -> Changes {
        let mut changes = Changes { new: Vec::new(), grown: Vec::new(), gone: Vec::new() };
        for (key, row) in &self.rows {
            match before.rows.get(key) {
                None => changes.new.push(row.clone()),
                Some(old) if row.direct.bytes > old.direct.bytes || row.direct.blocks > old.direct.blocks => {
                    changes.grown.push((row.clone(), old.direct));
                }
                Some(_) => {}
            }
        }
        for (key, row) in &before.rows {
            if !self.rows.contains_key(key) {
                changes.gone.push((row.direct, words(row.kind)));
            }
        }
        changes.new.sort_by_key(|row| std::cmp::Reverse(row.direct.bytes));
        changes.grown.sort_by_key(|(row, old)| std::cmp::Reverse(row.direct.bytes.saturating_sub(old.bytes)));
        changes
    }
}

fn key(process: &Process, row: &LeakRow) -> Key {
    let stack = process.stacks.get(row.stack as usize).map(Vec::as_slice).unwrap_or_default();
    let frames = stack.iter().filter_map(|&frame| process.frames.get(frame as usize)).map(|frame| {
        let module = frame.module.and_then(|module| process.modules.get(module as usize));
        (module.map(|module| module.path.clone()).unwrap_or_default(), frame.offset)
    });
    (row.kind as u32, frames.collect())
}

impl Changes {
    /// A line for the round, and the rows of what is new or has grown.
    pub fn print(&self, profile: &Profile, number: u64, to: &mut impl Write) -> io::Result<()> {
        let Some(process) = profile.processes.first() else { return Ok(()) };
        let (new, grown, gone) = (self.new.len(), self.grown.len(), self.gone.len());
        writeln!(to, "\nmemtrace: pid {}: round {number}: {new} new, {grown} grown, {gone} gone", process.pid)?;
        for row in &self.new {
            writeln!(to, "\nnew: {}", head(row))?;
            Lines::of(process).print(row.stack, to)?;
        }
        for (row, old) in &self.grown {
            let bytes = thousands(row.direct.bytes.saturating_sub(old.bytes));
            let blocks = thousands(row.direct.blocks.saturating_sub(old.blocks));
            writeln!(to, "\ngrown by {bytes} bytes in {blocks} blocks: {}", head(row))?;
            Lines::of(process).print(row.stack, to)?;
        }
        for (sum, words) in &self.gone {
            writeln!(to, "\ngone: {} bytes in {} blocks were {words}", thousands(sum.bytes), thousands(sum.blocks))?;
        }
        Ok(())
    }
}
