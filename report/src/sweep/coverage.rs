//! How far runs came, counted from them: what stays the same however they were divided among sweeps.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::model::{Coverage, Run, Sweep};
use super::outcome::Outcome;
use super::stacks::caller;
use crate::site::Wrappers;

/// Points and functions that failed. What was not run is not to be seen in the runs: it is taken over.
pub fn of(sweep: &Sweep) -> Coverage {
    let is_reached = |run: &&Run| run.outcome != Outcome::NotReached;
    let reached = sweep.runs.iter().filter(is_reached);
    let failed: HashSet<&str> = reached.flat_map(|run| &run.points).map(String::as_str).collect();
    let mut functions: HashMap<String, bool> = HashMap::new();
    let wrappers = Wrappers::of(sweep.wrappers.as_deref());
    for point in &sweep.points {
        let function = caller(sweep, point.stack, &wrappers).unwrap_or_default();
        let all_failed = functions.entry(function).or_insert(true);
        *all_failed &= failed.contains(point.id.as_str());
    }
    Coverage {
        points: sweep.points.len() as u64,
        failed: sweep.points.iter().filter(|point| failed.contains(point.id.as_str())).count() as u64,
        functions: functions.len() as u64,
        functions_failed: functions.values().filter(|all_failed| **all_failed).count() as u64,
        not_run: sweep.coverage.not_run,
        interrupted: sweep.coverage.interrupted,
    }
}

/// Runs by outcome, each outcome of a run once.
pub fn outcomes(runs: &[Run]) -> BTreeMap<Outcome, u64> {
    let mut outcomes = BTreeMap::new();
    for outcome in runs.iter().flat_map(|run| run.also.iter().chain([&run.outcome])) {
        *outcomes.entry(*outcome).or_default() += 1;
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::super::sample::sweep;
    use super::*;

    #[test]
    fn a_sample_counts_as_it_says() {
        let sweep = sweep();
        assert_eq!(of(&sweep), sweep.coverage);
        assert_eq!(outcomes(&sweep.runs), sweep.outcomes);
    }

    #[test]
    fn what_was_not_reached_has_not_failed_and_a_function_needs_all_its_points() {
        let mut sweep = sweep();
        sweep.points[1].stack = 0;
        for run in sweep.runs.iter_mut().filter(|run| run.points.len() == 2 || run.points[0] == sweep.points[1].id) {
            run.outcome = Outcome::NotReached;
        }
        let coverage = of(&sweep);
        // `read_all` has the first two points, of which the second was never reached.
        assert_eq!((coverage.points, coverage.failed, coverage.functions, coverage.functions_failed), (3, 1, 2, 0));
    }
}
