//! Folded stacks: a line for each, callers first, `;` between, and a number, as flame graphs are drawn from.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::calls::{Calls, title};
use super::rows::{Metric, weights};
use crate::profile::Process;

/// Writes the stacks of all processes; where there are several, each process is a root.
pub fn write(processes: &[&Process], metric: Metric, to: &mut dyn Write) -> io::Result<()> {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for process in processes {
        let calls = Calls::of(process);
        for (stack, weight) in weights(process, metric).unwrap_or_default() {
            let frames = calls.stack(stack);
            let names = frames.iter().rev().filter_map(|&frame| Some(part(&calls.get(frame)?.name)));
            let root = (processes.len() > 1).then(|| part(&title(process)));
            let line: Vec<String> = root.into_iter().chain(names).collect();
            let sum = lines.entry(line.join(";")).or_default();
            *sum = sum.saturating_add(weight);
        }
    }
    lines.iter().try_for_each(|(line, weight)| writeln!(to, "{line} {weight}"))
}

/// A name that ends where it should: `;` would begin another frame.
fn part(name: &str) -> String {
    if name.is_empty() { "???".into() } else { name.replace(';', ":") }
}
