//! One round of checks against the one before: what is new, what has grown, what is gone.

use std::collections::BTreeMap;
use std::io::{self, Write};

use memtrace_wire::leaks::Kinds;

use crate::profile::leaks::Sum;
use crate::profile::{Process, Profile};
use crate::text::{Lines, head, thousands, way, words};
use crate::views::Choice;
use crate::views::leaks::{LeakRow, kinds, last_word, rows};

/// What tells a stack in one profile from another in the next: its frames, by module and place.
type Frames = Vec<(String, u64)>;
/// A kind of leak, and its stack.
type Key = (u32, Frames);

/// The leaks of one round.
#[derive(Default)]
pub struct Round {
    rows: BTreeMap<Key, LeakRow>,
    /// What held a block of each stack that was still reachable.
    held: BTreeMap<Frames, String>,
}

/// What became of the leaks since the round before.
pub struct Changes {
    /// With what held one of them in the round before.
    new: Vec<(LeakRow, Option<String>)>,
    /// With what was there before.
    grown: Vec<(LeakRow, Sum)>,
    gone: Vec<(Sum, &'static str)>,
}

impl Round {
    /// The leaks of the one process of a profile.
    pub fn of(profile: &Profile, show: Option<Kinds>) -> Round {
        let Some(process) = profile.processes.first() else { return Round::default() };
        let Some(check) = last_word(process) else { return Round::default() };
        let rows = rows(process, check, kinds(process, show), &Choice::default()).rows;
        let held = check.held.iter().filter(|held| !held.path.is_empty());
        Round {
            rows: rows.into_iter().map(|row| ((row.kind as u32, frames(process, row.stack)), row)).collect(),
            held: held.map(|held| (frames(process, held.stack), way(process, held))).collect(),
        }
    }

    /// The difference.
    pub fn since(&self, before: &Round) -> Changes {
        let mut changes = Changes { new: Vec::new(), grown: Vec::new(), gone: Vec::new() };
        for (key, row) in &self.rows {
            match before.rows.get(key) {
                None => changes.new.push((row.clone(), before.held.get(&key.1).cloned())),
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
        changes.new.sort_by_key(|(row, _)| std::cmp::Reverse(row.direct.bytes));
        changes.grown.sort_by_key(|(row, old)| std::cmp::Reverse(row.direct.bytes.saturating_sub(old.bytes)));
        changes
    }
}

fn frames(process: &Process, stack: u32) -> Frames {
    let stack = process.stacks.get(stack as usize).map(Vec::as_slice).unwrap_or_default();
    let frames = stack.iter().filter_map(|&frame| process.frames.get(frame as usize)).map(|frame| {
        let module = frame.module.and_then(|module| process.modules.get(module as usize));
        let text = || format!("{:?} {:?} {:?} {:?}", frame.function, frame.file, frame.line, frame.type_name);
        // What the program says of itself has no place in a module.
        let is_said = matches!(frame.kind.as_str(), "source" | "tag");
        (if is_said { text() } else { module.map(|module| module.path.clone()).unwrap_or_default() }, frame.offset)
    });
    frames.collect()
}

impl Changes {
    /// A line for the round, and the rows of what is new or has grown.
    pub fn print(&self, profile: &Profile, number: u64, to: &mut impl Write) -> io::Result<()> {
        let Some(process) = profile.processes.first() else { return Ok(()) };
        let (new, grown, gone) = (self.new.len(), self.grown.len(), self.gone.len());
        writeln!(to, "\nmemtrace: pid {}: round {number}: {new} new, {grown} grown, {gone} gone", process.pid)?;
        for (row, held) in &self.new {
            writeln!(to, "\nnew: {}", head(row))?;
            Lines::of(process).print(row.stack, to)?;
            if let Some(held) = held {
                writeln!(to, "    held in the round before by {held}")?;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::leaks::Kind;

    fn round(rows: &[(&str, u64, u64)], held: &[(&str, &str)]) -> Round {
        let frames = |name: &str| vec![(name.to_owned(), 1)];
        let row = |&(name, blocks, bytes): &(&str, u64, u64)| {
            let direct = Sum { blocks, bytes };
            let row = LeakRow { stack: 0, kind: Kind::Definite, direct, indirect: Sum::default() };
            ((Kind::Definite as u32, frames(name)), row)
        };
        let held = held.iter().map(|&(name, way)| (frames(name), way.to_owned()));
        Round { rows: rows.iter().map(row).collect(), held: held.collect() }
    }

    #[test]
    fn a_round_tells_new_grown_and_gone_from_what_stays() {
        let before = round(&[("stays", 1, 8), ("grows", 1, 8), ("goes", 2, 16)], &[("comes", "global `x`")]);
        let now = round(&[("stays", 1, 8), ("grows", 3, 24), ("comes", 1, 5), ("comes too", 1, 50)], &[]);
        let changes = now.since(&before);
        let new: Vec<_> = changes.new.iter().map(|(row, held)| (row.direct.bytes, held.as_deref())).collect();
        assert_eq!(new, [(50, None), (5, Some("global `x`"))]);
        assert_eq!(changes.grown.iter().map(|(row, old)| (row.direct.bytes, old.bytes)).collect::<Vec<_>>(), [(24, 8)]);
        assert_eq!(
            changes.gone.iter().map(|(sum, words)| (sum.blocks, *words)).collect::<Vec<_>>(),
            [(2, "definitely lost")]
        );
    }
}
