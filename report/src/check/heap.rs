//! Heap errors as findings: each kind and place once, for all processes that had it, those that died of it included.

use std::collections::BTreeMap;

use super::findings::{Reach, add_to, blank, steps};
use super::fingerprint::{Trail, site};
use super::model::{Finding, Had, Related, Rule};
use crate::profile::Process;
use crate::profile::heap::{HeapError, is_of_own_operator};
use crate::text::heap_error;

/// The heap errors of some processes.
pub fn find(processes: &[&Process], reach: Reach) -> Vec<Finding> {
    let mut places: BTreeMap<Trail, (&Process, &HeapError, u64, Vec<Had>)> = BTreeMap::new();
    for &process in processes {
        for error in process.heap_errors.iter().filter(|error| heap_error(error).is_some()) {
            let stacks: Vec<u32> = [error.stack, error.allocated].into_iter().flatten().collect();
            // One without any stack is somebody's; nobody can tell whose.
            let counts = stacks.is_empty() || stacks.iter().any(|&stack| reach.takes(process, stack));
            if !counts || is_of_own_operator(process, error) {
                continue;
            }
            let trail = stacks.first().map(|&stack| Trail::of(process, stack)).unwrap_or_default();
            let trail = Trail(std::iter::once(error.kind.clone()).chain(trail.0).collect());
            let (.., count, had) = places.entry(trail).or_insert_with(|| (process, error, 0, Vec::new()));
            *count = count.saturating_add(error.count);
            add_to(had, process, error.count, 0);
        }
    }
    places
        .into_iter()
        .map(|(trail, (process, error, count, had))| finding(process, error, trail, count, had, reach))
        .collect()
}

fn finding(process: &Process, error: &HeapError, trail: Trail, count: u64, had: Vec<Had>, reach: Reach) -> Finding {
    let place = error.stack.or(error.allocated).map(|stack| site(process, stack));
    let at = place.as_ref().map(|place| format!(", in {place}")).unwrap_or_default();
    let related = |what: &str, stack: Option<u32>| {
        let stack = stack.filter(|stack| error.stack.is_some() || Some(*stack) != error.allocated)?;
        Some(Related { what: what.to_owned(), stack: steps(process, stack, reach) })
    };
    let allocated = format!("allocated by {}", error.allocator.as_deref().unwrap_or("malloc"));
    Finding {
        title: format!("{}{at}", heap_error(error).unwrap_or_default()),
        site: place,
        blocks: count,
        stack: error.stack.or(error.allocated).map(|stack| steps(process, stack, reach)).unwrap_or_default(),
        related: [related("freed first by", error.freed), related(&allocated, error.allocated)]
            .into_iter()
            .flatten()
            .collect(),
        processes: had,
        ..blank(Rule::HeapError, trail)
    }
}
