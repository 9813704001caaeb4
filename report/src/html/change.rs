//! The difference of two runs on a page: each place that changed, by each of what is compared.

use std::collections::BTreeMap;

use serde::Serialize;

use super::number::number;
use super::source::Source;
use super::texts::Texts;
use crate::check::diff::{Measure, Table, table};
use crate::profile::Profile;
use crate::profile::leaks::Sum;
use crate::views::leaks::last_word;

/// What is compared, in the order in which the page has it.
const MEASURES: [Measure; 4] = [Measure::Leaked, Measure::Live, Measure::Peak, Measure::Total];

/// The difference.
#[derive(Serialize)]
pub struct Change {
    files: [u32; 2],
    /// Whether both sides say what is lost.
    is_judged: bool,
    /// What is shown first: a place in the sums.
    by: usize,
    /// Bytes and blocks before and after, by measure.
    sums: Vec<Pair>,
    /// Highest peaks, and allocations.
    peaks: [u64; 2],
    allocations: [u64; 2],
    node: Vec<u32>,
    name: Vec<u32>,
    fingerprint: Vec<u32>,
    /// By measure, for each place.
    values: Vec<Vec<Pair>>,
    left_out: u64,
    unchanged: u64,
    notes: Vec<u32>,
}

/// Bytes before, bytes after, blocks before, blocks after.
type Pair = [u64; 4];

fn pair(before: Sum, after: Sum) -> Pair {
    [before.bytes, after.bytes, before.blocks, after.blocks].map(number)
}

/// A place, and what each measure says of it.
#[derive(Default)]
struct Place {
    name: String,
    fingerprint: String,
    values: [Pair; 4],
}

/// Compares two runs. `by`: what is shown first; nothing: leaks, if both sides know them.
pub fn build(
    profiles: [&Profile; 2],
    files: [String; 2],
    by: Option<Measure>,
    rows_max: usize,
    texts: &mut Texts,
    source: &mut Source,
) -> Change {
    let tables: Vec<Table> = MEASURES.into_iter().map(|by| table(by, profiles, files.clone())).collect();
    let is_judged = profiles.iter().all(|profile| profile.processes.iter().any(|process| last_word(process).is_some()));
    let known = if is_judged { Measure::Leaked } else { Measure::Live };
    let by = MEASURES.iter().position(|measure| *measure == by.unwrap_or(known)).unwrap_or(0);
    let mut places: BTreeMap<&[String], Place> = BTreeMap::new();
    for (at, table) in tables.iter().enumerate() {
        for row in &table.rows {
            let place = places.entry(&row.trail).or_default();
            (place.name, place.fingerprint) = (row.site.clone(), row.fingerprint.clone());
            place.values[at] = pair(row.before, row.after);
        }
    }
    let mut places: Vec<(&[String], Place)> = places.into_iter().collect();
    let part = |sum: &Sum, value: u64| if sum.bytes == 0 { 0.0 } else { value as f64 / sum.bytes as f64 };
    let weight = |place: &Place| {
        let parts = place
            .values
            .iter()
            .zip(&tables)
            .map(|(value, table)| part(&table.sums[0], value[0]).max(part(&table.sums[1], value[1])));
        parts.fold(0.0, f64::max)
    };
    places.sort_by(|one, other| weight(&other.1).total_cmp(&weight(&one.1)).then_with(|| one.0.cmp(other.0)));
    let left_out = places.len().saturating_sub(rows_max) as u64;
    places.truncate(rows_max);
    let mut node = Vec::new();
    for (trail, _) in &places {
        node.push(source.trail(trail, texts));
    }
    let sum = |of: fn(&crate::profile::Process) -> u64| {
        profiles.map(|profile| number(profile.processes.iter().map(of).fold(0, u64::saturating_add)))
    };
    let peak = |profile: &Profile| profile.processes.iter().map(|process| process.summary.peak_bytes).max();
    Change {
        files: files.map(|file| texts.place(&file)),
        is_judged,
        by,
        sums: tables.iter().map(|table| pair(table.sums[0], table.sums[1])).collect(),
        peaks: profiles.map(|profile| number(peak(profile).unwrap_or(0))),
        allocations: sum(|process| process.summary.allocations),
        name: places.iter().map(|(_, place)| texts.place(&place.name)).collect(),
        fingerprint: places.iter().map(|(_, place)| texts.place(&place.fingerprint)).collect(),
        values: (0..MEASURES.len())
            .map(|at| places.iter().map(|(_, place)| place.values.get(at).copied().unwrap_or_default()).collect())
            .collect(),
        node,
        left_out,
        unchanged: number(tables.get(by).map_or(0, |table| table.unchanged)),
        notes: tables.first().map(|table| texts.all(&table.notes)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample;

    #[test]
    fn a_place_has_all_measures_and_the_most_telling_places_are_kept() {
        let run = |live: [u64; 2]| {
            let process = sample::process(|maker| {
                maker.site(&["big", "main"], 1000, live[0], 9);
                maker.site(&["small", "main"], 1, live[1], 9);
                maker.site(&["same", "main"], 1, 1, 1);
            });
            Profile { processes: vec![process], ..Profile::without_processes() }
        };
        let files = ["a".to_owned(), "b".to_owned()];
        let profiles = [&run([1, 1]), &run([3, 2])];
        let change =
            |rows_max| build(profiles, files.clone(), None, rows_max, &mut Texts::default(), &mut Source::default());
        let all = change(9);
        assert_eq!((all.is_judged, all.by, all.unchanged, all.left_out), (false, 1, 1, 0));
        assert_eq!(all.values[1], [[1000, 3000, 1, 3], [1, 2, 1, 2]]);
        assert_eq!(all.values[3], [[0; 4]; 2], "as much was allocated");
        assert_eq!(all.sums[1], [1002, 3003, 3, 6]);
        assert_eq!((change(1).node.len(), change(1).left_out), (1, 1));
    }
}
