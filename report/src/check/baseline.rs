//! The leaks that a project has accepted: what of a run is new, what has grown, what is gone.
//!
//! ```text
//!   findings ─┬─ fingerprint ──────▶ entry   known, or grown
//!             └─ else: a close trail, blocks of the same size, and this run has not the exact one ──▶ entry
//!   entries without a finding: fixed
//! ```
//!
//! Invariant: an entry accepts one finding at most.

pub mod command;
mod file;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::fingerprint::Trail;
use super::model::{Accepted, Before, Finding, Fixed, Rule, State};
use crate::sweep::policy::Day;
use crate::text::Safe;

pub use file::Baseline;
use file::Entry;

/// What a baseline says of a run beside its findings.
#[derive(Default)]
pub struct Compared {
    /// Entries that were not found again.
    pub fixed: Vec<Fixed>,
    /// Sentences: entries that have expired, and findings that were known again by a part of their frames.
    pub notes: Vec<String>,
}

impl Baseline {
    /// Says of each leak whether the baseline has it.
    pub fn apply(&self, path: &Path, findings: &mut [Finding], today: Day) -> Compared {
        let mut compared = Compared::default();
        let exact: HashMap<&str, usize> =
            self.entries.iter().enumerate().map(|(place, entry)| (entry.fingerprint.as_str(), place)).collect();
        let mut used: HashSet<usize> = HashSet::new();
        let mut matched: Vec<Option<usize>> = Vec::new();
        for finding in findings.iter() {
            let place = exact.get(finding.fingerprint.as_str()).copied().filter(|_| finding.rule.is_acceptable());
            used.extend(place);
            matched.push(place);
        }
        for (finding, place) in findings.iter().zip(&mut matched).filter(|(finding, _)| finding.rule.is_acceptable()) {
            if place.is_none() {
                let trail = Trail(finding.trail.clone());
                let close = |(place, entry): &(usize, &Entry)| {
                    !used.contains(place)
                        && entry.kind_is_of(finding)
                        && entry.has_size_of(finding)
                        && Trail(entry.trail.clone()).is_close(&trail)
                };
                // The one with the most frames in common.
                let best = self
                    .entries
                    .iter()
                    .enumerate()
                    .filter(close)
                    .min_by_key(|(_, entry)| entry.trail.len().abs_diff(finding.trail.len()));
                if let Some((found, entry)) = best {
                    used.insert(found);
                    *place = Some(found);
                    compared.notes.push(format!(
                        "{} is taken for {} of the baseline: the same functions, but for calls that compilers leave out",
                        finding.fingerprint, entry.fingerprint
                    ));
                }
            }
        }
        for (finding, place) in findings.iter_mut().zip(matched) {
            let Some(entry) = place.and_then(|place| self.entries.get(place)) else { continue };
            finding.baseline = Some(entry.fingerprint.clone());
            match entry.expires.filter(|&last| today > last) {
                Some(last) => compared.notes.push(format!(
                    "baseline `{}`: {} ended with {last} and no longer accepts anything",
                    Safe(&path.display().to_string()),
                    entry.fingerprint
                )),
                None if finding.state == State::New => entry.accept(finding),
                None => {}
            }
        }
        let gone = self.entries.iter().enumerate().filter(|(place, _)| !used.contains(place));
        compared.fixed = gone
            .map(|(_, entry)| Fixed {
                fingerprint: entry.fingerprint.clone(),
                trail: entry.trail.clone(),
                bytes: entry.bytes,
            })
            .collect();
        compared
    }
}

impl Entry {
    /// Whether both are leaks, or heap errors.
    fn kind_is_of(&self, finding: &Finding) -> bool {
        (self.kind == Rule::HeapError.id()) == (finding.rule == Rule::HeapError)
    }

    /// Whether its blocks are of the same size, on the average: how many there are may vary.
    fn has_size_of(&self, finding: &Finding) -> bool {
        let product = |one: u64, other: u64| u128::from(one) * u128::from(other);
        product(self.bytes, finding.all_blocks()) == product(finding.all_bytes(), self.blocks)
    }

    /// Takes a leak for known, or for grown.
    fn accept(&self, finding: &mut Finding) {
        let (blocks, bytes) = (finding.all_blocks(), finding.all_bytes());
        let is_grown = blocks > self.blocks || bytes > self.bytes;
        finding.state = if is_grown { State::Grown } else { State::Known };
        finding.before = is_grown.then_some(Before { blocks: self.blocks, bytes: self.bytes });
        finding.accepted = Some(Accepted {
            by: "baseline".into(),
            reason: self.reason.clone(),
            expires: self.expires.map(|day| day.to_string()),
        });
    }

    /// The entry of a leak.
    pub fn of(finding: &Finding, reason: &str, expires: Option<Day>) -> Entry {
        Entry {
            fingerprint: finding.fingerprint.clone(),
            kind: finding.rule.id().into(),
            blocks: finding.all_blocks(),
            bytes: finding.all_bytes(),
            trail: finding.trail.clone(),
            reason: reason.to_owned(),
            expires,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::blank;
    use super::*;

    fn leak(trail: &str, blocks: u64, bytes: u64) -> Finding {
        let trail = Trail(trail.split(' ').map(str::to_owned).collect());
        Finding { blocks, bytes, ..blank(Rule::DefinitelyLost, trail) }
    }

    fn baseline(entries: &[(&str, u64, u64, Option<&str>)]) -> Baseline {
        let entry = |&(trail, blocks, bytes, expires): &(&str, u64, u64, Option<&str>)| {
            Entry::of(&leak(trail, blocks, bytes), "so", expires.and_then(Day::parse))
        };
        Baseline { entries: entries.iter().map(entry).collect() }
    }

    fn states(baseline: &Baseline, findings: &mut [Finding]) -> (Vec<State>, Compared) {
        let compared = baseline.apply(Path::new("b.json"), findings, Day::parse("2026-06-15").unwrap());
        (findings.iter().map(|finding| finding.state).collect(), compared)
    }

    #[test]
    fn leaks_are_new_known_grown_or_fixed() {
        let baseline = baseline(&[("a main", 2, 20, None), ("b main", 1, 8, None), ("c main", 1, 1, None)]);
        let mut findings = [leak("a main", 2, 20), leak("b main", 1, 9), leak("d main", 1, 1)];
        let (states, compared) = states(&baseline, &mut findings);
        assert_eq!(states, [State::Known, State::Grown, State::New]);
        assert_eq!(findings[1].before, Some(Before { blocks: 1, bytes: 8 }));
        assert_eq!(findings[0].accepted.as_ref().map(|accepted| accepted.reason.as_str()), Some("so"));
        assert_eq!(compared.fixed.iter().map(|fixed| fixed.trail[0].as_str()).collect::<Vec<_>>(), ["c"]);
        assert!(compared.notes.is_empty());
    }

    #[test]
    fn an_entry_whose_last_day_is_over_accepts_nothing_and_is_named() {
        let baseline = baseline(&[("a main", 1, 1, Some("2026-06-14")), ("b main", 1, 1, Some("2026-06-15"))]);
        let (states, compared) = states(&baseline, &mut [leak("a main", 1, 1), leak("b main", 1, 1)]);
        assert_eq!(states, [State::New, State::Known]);
        assert!(compared.notes[0].contains("ended with 2026-06-14 and no longer accepts"), "{:?}", compared.notes);
        assert!(compared.fixed.is_empty());
    }

    #[test]
    fn a_close_trail_is_taken_for_an_entry_that_this_run_has_not() {
        let baseline = baseline(&[("load fill main", 1, 10, None)]);
        let (found, compared) = states(&baseline, &mut [leak("load main", 1, 10)]);
        assert_eq!(found, [State::Known]);
        assert!(compared.notes[0].contains("is taken for"));
        // The exact one is there: the other is another leak.
        let (found, _) = states(&baseline, &mut [leak("load main", 1, 10), leak("load fill main", 1, 10)]);
        assert_eq!(found, [State::New, State::Known]);
        // Other blocks are another leak.
        let (found, _) = states(&baseline, &mut [leak("load main", 1, 11)]);
        assert_eq!(found, [State::New]);
        let (found, _) = states(&baseline, &mut [leak("load main", 2, 20)]);
        assert_eq!(found, [State::Grown]);
        // An entry accepts one.
        let (found, _) = states(&baseline, &mut [leak("load main", 1, 10), leak("fill main", 1, 10)]);
        assert_eq!(found, [State::Known, State::New]);
    }
}
