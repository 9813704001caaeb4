//! Suppressions for a profile that was read.
//!
//! A profile has sums by stack and kind, but not the pointers among lost blocks. So rows are matched one by one, and
//! what only suppressed blocks hold stays indirectly lost; a recording is judged again instead (`verdicts`).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::mem;

use super::Suppress;
use super::leaks::{Check, Kind, Suppression};
use super::model::{Process, Profile};

impl Profile {
    /// Hides the rows that a rule matches, of all checks. Rules that the profile names already are not listed again.
    pub fn hide(&mut self, suppress: &Suppress) {
        let places = self.list(suppress);
        for process in &mut self.processes {
            let mut checks = mem::take(&mut process.checks);
            for check in &mut checks {
                hide(check, process, suppress, &places, &mut self.suppressions);
            }
            process.checks = checks;
        }
    }

    /// The place in `suppressions` of each rule.
    fn list(&mut self, suppress: &Suppress) -> Vec<u32> {
        let mut known: HashMap<String, u32> = HashMap::new();
        for (place, suppression) in (0..).zip(&self.suppressions) {
            known.entry(suppression.name.clone()).or_insert(place);
        }
        let mut place = |name: &String| {
            *known.entry(name.clone()).or_insert_with(|| {
                self.suppressions.push(Suppression { name: name.clone(), blocks: 0, bytes: 0 });
                self.suppressions.len() as u32 - 1
            })
        };
        suppress.names().iter().map(&mut place).collect()
    }
}

fn hide(check: &mut Check, process: &Process, suppress: &Suppress, places: &[u32], hidden: &mut [Suppression]) {
    let rule = |kind: Kind, op: &str, stack: u32| {
        let number = suppress.first_match(kind, op, &process.called(stack))?;
        places.get(number).copied()
    };
    let summary = &mut check.summary;
    let mut count = |kind: Kind, rule: u32, blocks: u64, bytes: u64| {
        let sum = summary.of(kind);
        (sum.blocks, sum.bytes) = (sum.blocks.saturating_sub(blocks), sum.bytes.saturating_sub(bytes));
        summary.suppressed.add(blocks, bytes);
        if let Some(hidden) = hidden.get_mut(rule as usize) {
            hidden.add(blocks, bytes);
        }
    };
    for leak in &mut check.leaks {
        let Some(rule) = rule(leak.kind, &leak.op, leak.stack) else { continue };
        count(leak.kind, rule, leak.blocks, leak.bytes);
        (leak.kind, leak.suppression) = (Kind::Suppressed, Some(rule));
        // They stand in rows of their own.
        (leak.indirect_blocks, leak.indirect_bytes) = (0, 0);
    }
    check.leaks.sort_by_key(|leak| (leak.kind, Reverse(leak.all_bytes())));
    for held in check.held.iter_mut().filter(|held| held.suppression.is_none()) {
        let Some(rule) = rule(Kind::Reachable, &held.op, held.stack) else { continue };
        count(Kind::Reachable, rule, held.blocks, held.bytes);
        held.suppression = Some(rule);
    }
}

#[cfg(test)]
mod tests {
    use super::super::leaks::{Sum, Sums};
    use super::*;
    use crate::profile::sample::{held, leak, process};
    use crate::suppress::Rules;

    fn sum(blocks: u64, bytes: u64) -> Sum {
        Sum { blocks, bytes }
    }

    fn profile() -> Profile {
        let process = process(|maker| {
            let [plant, water, keep] = ["plant", "water", "keep"].map(|function| maker.stack(&[function, "main"]));
            let leaks = vec![
                leak(plant, Kind::Definite, 2, 64, sum(1, 16)),
                leak(plant, Kind::Possible, 1, 32, sum(0, 0)),
                leak(water, Kind::Indirect, 1, 16, sum(0, 0)),
            ];
            let (definite, possible, indirect, reachable) = (sum(2, 64), sum(1, 32), sum(1, 16), sum(1, 8));
            let summary = Sums { definite, possible, indirect, reachable, suppressed: sum(0, 0) };
            let (cause, rung) = ("end".into(), "alone".into());
            let check = Check { cause, rung, leaks, held: vec![held(keep, 1, 8)], summary, ..Check::default() };
            maker.process().checks.push(check);
        });
        Profile { processes: vec![process], ..Profile::without_processes() }
    }

    fn hidden(rules: &[&str]) -> Profile {
        let mut profile = profile();
        for text in rules {
            let rules = Rules::from_text("x", text.as_bytes()).unwrap();
            profile.hide(&Suppress::new(&rules).unwrap());
        }
        profile
    }

    #[test]
    fn rows_that_match_are_hidden_and_counted() {
        let profile = hidden(&["leak:none\nleak:plant"]);
        let check = &profile.processes[0].checks[0];
        let rows: Vec<_> = check.leaks.iter().map(|leak| (leak.kind, leak.all_bytes(), leak.suppression)).collect();
        let suppressed = Kind::Suppressed;
        assert_eq!(rows, [(Kind::Indirect, 16, None), (suppressed, 64, Some(1)), (suppressed, 32, Some(1))]);
        let Sums { definite, indirect, possible, reachable, suppressed } = check.summary;
        // What only suppressed blocks hold is not known here.
        assert_eq!((definite, indirect, possible), (sum(0, 0), sum(1, 16), sum(0, 0)));
        assert_eq!((reachable, suppressed), (sum(1, 8), sum(3, 96)));
        let used: Vec<_> = profile.suppressions.iter().map(|one| (one.name.as_str(), one.blocks, one.bytes)).collect();
        assert_eq!(used, [("leak:none (x:1)", 0, 0), ("leak:plant (x:2)", 3, 96)]);
    }

    #[test]
    fn reachable_rows_are_hidden_too_and_the_same_rules_again_change_nothing() {
        let once = hidden(&["leak:main"]);
        let check = &once.processes[0].checks[0];
        assert_eq!((check.held[0].suppression, check.summary.suppressed), (Some(0), sum(5, 120)));
        assert_eq!(check.summary.reachable, sum(0, 0));
        assert_eq!(hidden(&["leak:main", "leak:main"]), once);
    }
}
