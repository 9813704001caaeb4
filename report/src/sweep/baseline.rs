//! The program without failures: what all its runs agree on, and what varies and so cannot be judged.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::facts::{Facts, Text};
use super::here::GONE;
use super::model::End;
use super::one::same;
use super::written::masked_lines;
use crate::profile::leaks::Kind;

/// Runs without failures.
pub struct Baseline {
    /// How they end.
    pub end: End,
    output: Compared,
    errors: Compared,
    /// Lines of stderr, masked, of any run.
    said: HashSet<String>,
    /// Files by name; `None`: they vary in what they hold.
    files: BTreeMap<String, Option<u64>>,
    /// Whether the names of files vary.
    files_vary: bool,
    /// Descriptors that are open at the end, the most of any run.
    descriptors: BTreeMap<String, u32>,
    /// Mutexes that are held at the end, as above.
    locks: BTreeMap<String, u32>,
    /// Signals whose faults a handler takes in any case.
    handled: HashSet<i32>,
    /// Lost blocks, the most of any run.
    pub lost: HashMap<(u64, Kind), u64>,
    /// The first run, with all points.
    pub first: Facts,
    /// The longest that a run took, in microseconds.
    pub time_us: u64,
    /// Runs.
    pub runs: u32,
    /// What varies, in words.
    pub varies: Vec<String>,
}

/// A text that may vary.
struct Compared {
    text: Text,
    /// It is always the same.
    is_fixed: bool,
    /// What each line is to be; nothing: the number of lines varies, or there are too many.
    lines: Vec<Line>,
}

/// What a line is to be.
enum Line {
    /// The same.
    Fixed(u32),
    /// The same but for its numbers.
    Masked(u32),
    /// Anything.
    Free,
}

impl Compared {
    fn of(texts: &[&Text]) -> Option<Compared> {
        let (first, others) = texts.split_first()?;
        let is_fixed = others.iter().all(|other| same(first, other));
        let is_steady = others.iter().all(|other| other.lines.len() == first.lines.len());
        let line = |(place, &(whole, masked)): (usize, &(u32, u32))| {
            let all = |is_so: &dyn Fn(&(u32, u32)) -> bool| {
                others.iter().all(|other| other.lines.get(place).is_some_and(is_so))
            };
            if all(&|other| other.0 == whole) {
                Line::Fixed(whole)
            } else if all(&|other| other.1 == masked) {
                Line::Masked(masked)
            } else {
                Line::Free
            }
        };
        let lines = if is_steady { first.lines.iter().enumerate().map(line).collect() } else { Vec::new() };
        Some(Compared { text: (*first).clone(), is_fixed, lines })
    }

    fn is_like(&self, text: &Text) -> bool {
        if self.is_fixed || self.lines.is_empty() {
            return !self.is_fixed || same(&self.text, text);
        }
        let is_line = |(line, found): (&Line, &(u32, u32))| match line {
            Line::Fixed(whole) => found.0 == *whole,
            Line::Masked(masked) => found.1 == *masked,
            Line::Free => true,
        };
        self.lines.len() == text.lines.len() && self.lines.iter().zip(&text.lines).all(is_line)
    }

    /// What of it varies, in words.
    fn varies(&self) -> Option<&'static str> {
        if self.is_fixed {
            return None;
        }
        let is_free = self.lines.is_empty();
        Some(if is_free {
            "all"
        } else if self.lines.iter().any(|line| matches!(line, Line::Free)) {
            "some lines"
        } else {
            "some numbers"
        })
    }
}

/// What there is more of than is known.
fn more<'f>(
    found: &'f BTreeMap<String, u32>,
    known: &BTreeMap<String, u32>,
) -> impl Iterator<Item = (&'f String, u32)> {
    let more = |(name, &count): (&'f String, &u32)| {
        let known = known.get(name).copied().unwrap_or(0);
        (count > known).then(|| (name, count - known))
    };
    found.iter().filter_map(more)
}

impl Baseline {
    /// What these runs have in common; `None`: they end in different ways, or there are none.
    pub fn of(runs: &[Facts]) -> Option<Baseline> {
        if runs.windows(2).any(|pair| pair[0].end != pair[1].end) {
            return None;
        }
        let first = runs.first()?;
        let output = Compared::of(&runs.iter().map(|run| &run.output).collect::<Vec<_>>())?;
        let errors = Compared::of(&runs.iter().map(|run| &run.errors).collect::<Vec<_>>())?;
        let names: Vec<HashSet<&String>> = runs.iter().map(|run| run.files.keys().collect()).collect();
        let files_vary = names.windows(2).any(|pair| pair[0] != pair[1]);
        let mut files: BTreeMap<String, Option<u64>> = BTreeMap::new();
        let mut descriptors: BTreeMap<String, u32> = BTreeMap::new();
        let mut locks: BTreeMap<String, u32> = BTreeMap::new();
        let mut lost: HashMap<(u64, Kind), u64> = HashMap::new();
        for run in runs {
            for (name, &hash) in &run.files {
                let file = files.entry(name.clone()).or_insert(Some(hash));
                *file = file.filter(|&known| known == hash);
            }
            for (name, &count) in &run.descriptors {
                let most = descriptors.entry(name.clone()).or_default();
                *most = (*most).max(count);
            }
            for (name, &count) in &run.locks {
                let most = locks.entry(name.clone()).or_default();
                *most = (*most).max(count);
            }
            for leak in &run.lost {
                let most = lost.entry((leak.id, leak.kind)).or_default();
                *most = (*most).max(leak.blocks);
            }
        }
        let ids = |run: &Facts| run.points.iter().map(|point| (point.id, point.count)).collect::<HashSet<_>>();
        let counts: Vec<_> = runs.iter().map(ids).collect();
        let mut varies = Vec::new();
        let mut vary = |is_so: bool, what: &str| varies.extend(is_so.then(|| what.to_owned()));
        for (text, name) in [(&output, "stdout"), (&errors, "stderr")] {
            vary(text.varies().is_some(), &format!("{} of {name}", text.varies().unwrap_or_default()));
        }
        vary(files_vary, "names of files");
        vary(files.values().any(Option::is_none), "files");
        vary(runs.windows(2).any(|pair| pair[0].descriptors != pair[1].descriptors), "descriptors");
        vary(counts.windows(2).any(|pair| pair[0] != pair[1]), "allocations");
        Some(Baseline {
            end: first.end,
            said: runs.iter().flat_map(|run| masked_lines(&run.errors.tail)).collect(),
            files,
            files_vary,
            descriptors,
            locks,
            handled: runs.iter().flat_map(|run| &run.crashes).map(|crash| crash.signal).collect(),
            lost,
            time_us: runs.iter().map(|run| run.time_us).max().unwrap_or(0),
            runs: runs.len() as u32,
            varies,
            output,
            errors,
            first: first.clone(),
        })
    }

    /// Whether stdout and files are as they should be. Files that are new beside those are another matter, but not those
    /// of the working directory that it has changed.
    pub fn is_right(&self, run: &Facts) -> bool {
        if let Some(answer) = run.oracle {
            return answer;
        }
        let is_there = |(name, hash): (&String, &Option<u64>)| match (run.files.get(name), hash) {
            (Some(found), Some(hash)) => found == hash,
            (Some(_), None) => true,
            (None, _) => self.files_vary,
        };
        let is_known = |name: &String| self.files_vary || self.files.contains_key(name);
        self.output.is_like(&run.output) && self.files.iter().all(is_there) && run.changed.iter().all(is_known)
    }

    /// Whether stderr holds what it does not hold without a failure.
    pub fn has_message(&self, run: &Facts) -> bool {
        let is_new = |line: &String| !line.trim().is_empty() && !self.said.contains(line);
        !(self.errors.is_fixed && self.errors.is_like(&run.errors)) && masked_lines(&run.errors.tail).iter().any(is_new)
    }

    /// Files that are not there without a failure, or that nothing is done to without one.
    pub fn files_left(&self, run: &Facts) -> Vec<String> {
        if self.files_vary {
            return Vec::new();
        }
        let told = |(name, &hash): (&String, &u64)| match run.changed.contains(name) {
            false => name.clone(),
            true if hash == GONE => format!("{name} (removed)"),
            true => format!("{name} (written to)"),
        };
        run.files.iter().filter(|(name, _)| !self.files.contains_key(*name)).map(told).collect()
    }

    /// Whether the program does something to files of the working directory.
    pub fn touches_here(&self) -> bool {
        self.files.keys().any(|name| name.starts_with("./"))
    }

    /// Descriptors that are not open at the end without a failure.
    pub fn descriptors_left(&self, run: &Facts) -> Vec<String> {
        more(&run.descriptors, &self.descriptors).map(|(name, count)| format!("{name} ({count} more)")).collect()
    }

    /// Mutexes that are not held at the end without a failure.
    pub fn locks_left(&self, run: &Facts) -> Vec<String> {
        more(&run.locks, &self.locks).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a handler takes faults of this kind without a failure too.
    pub fn handles(&self, signal: i32) -> bool {
        self.handled.contains(&signal)
    }

    /// Blocks that are lost without a failure.
    pub fn lost_blocks(&self) -> u64 {
        self.lost.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Text;
    use super::*;

    /// A run that writes lines with these hashes, and hashes without numbers.
    fn run(lines: &[(u32, u32)], files: &[(&str, u64)]) -> Facts {
        let text = || Text {
            lines: lines.to_vec(),
            hash: lines.iter().map(|line| u64::from(line.0)).sum(),
            ..Text::default()
        };
        let files = files.iter().map(|&(name, content)| (name.to_owned(), content)).collect();
        Facts { end: End::Exited(0), output: text(), errors: text(), files, ..Facts::default() }
    }

    #[test]
    fn what_varies_is_told_in_words_of_the_schema() {
        let schema = include_str!("../../schema/sweep-1.schema.json");
        let runs = [
            run(&[(1, 1), (2, 2)], &[("a", 1)]),
            run(&[(1, 1), (3, 2)], &[("a", 2)]),
            run(&[(1, 1), (4, 4)], &[("b", 2)]),
            run(&[(1, 1)], &[]),
        ];
        for (count, expected) in [(1, 0), (2, 3), (3, 4), (4, 4)] {
            let varies = Baseline::of(&runs[..count]).expect("they end alike").varies;
            assert!(varies.len() >= expected, "{count}: {varies:?}");
            assert_eq!(varies.iter().find(|word| !schema.contains(&format!("\"{word}\""))), None);
        }
    }
}
