//! `--since`: what of a program an earlier sweep has tried already.
//!
//! Points are known again by the names of the functions on their stacks, which survive a rebuild. Several calls in one
//! function have the same names: they are told apart by the order of their offsets, which a rebuild keeps that does not
//! touch the function. Where their number has changed, something was touched, and all of them are new.

use std::collections::{HashMap, HashSet};

use super::course::Point;
use super::model::Sweep;
use super::stacks::Stacks;

/// Points with the same names: offsets of their frames from the outermost on, in order.
type Places = HashMap<u64, Vec<Vec<u64>>>;

/// An earlier result: what it has need not be swept again.
pub struct Earlier {
    /// The points of its runs without failures.
    places: Places,
    /// Of those with these names, which belong to findings.
    found: HashSet<(u64, usize)>,
    /// Names of points that only failures open and that belong to findings: for them any with these names will do.
    found_later: HashSet<u64>,
}

impl Earlier {
    /// What is to be known of it.
    pub fn of(sweep: &Sweep) -> Earlier {
        let name = |point: &super::model::Point| u64::from_str_radix(&point.symbolic, 16).unwrap_or(0);
        let is_first = |point: &&super::model::Point| point.order == 1;
        let offset = |frame: &u32| sweep.frames.get(*frame as usize).filter(|frame| !frame.inlined).map(|at| at.offset);
        let place = |point: &super::model::Point| -> Vec<u64> {
            sweep.stacks.get(point.stack as usize).into_iter().flatten().rev().filter_map(offset).collect()
        };
        let mut earlier = Earlier {
            places: sorted(sweep.points.iter().filter(is_first).map(|point| (name(point), place(point)))),
            found: HashSet::new(),
            found_later: HashSet::new(),
        };
        let ids: HashSet<&String> =
            sweep.findings.iter().flat_map(|finding| finding.points.iter().chain(&finding.all_points)).collect();
        for point in sweep.points.iter().filter(|point| ids.contains(&point.id)) {
            match earlier.number(name(point), &place(point)).filter(|_| is_first(&point)) {
                Some(number) => _ = earlier.found.insert((name(point), number)),
                None => _ = earlier.found_later.insert(name(point)),
            }
        }
        earlier
    }

    fn number(&self, name: u64, place: &[u64]) -> Option<usize> {
        self.places.get(&name)?.iter().position(|known| known == place)
    }

    /// Of these points those that are new, or belong to a finding: their names. Names of functions are resolved.
    pub fn wanted(&self, points: &[Point], stacks: &Stacks) -> HashSet<u64> {
        let named: Vec<(u64, u64, Vec<u64>)> = points
            .iter()
            .map(|point| {
                let mut place: Vec<u64> =
                    stacks.frames(point.stack).filter(|frame| !frame.inlined).map(|frame| frame.offset).collect();
                place.reverse();
                (point.id, stacks.symbolic(point.op, point.stack), place)
            })
            .collect();
        let now = sorted(named.iter().map(|(_, name, place)| (*name, place.clone())));
        let is_wanted = |(_, name, place): &&(u64, u64, Vec<u64>)| {
            let [before, now] =
                [self.places.get(name), now.get(name)].map(|places| places.map_or(&[][..], Vec::as_slice));
            let number = now.iter().position(|known| known == place).unwrap_or(0);
            before.len() != now.len() || self.found.contains(&(*name, number)) || self.found_later.contains(name)
        };
        named.iter().filter(is_wanted).map(|(id, ..)| *id).collect()
    }
}

fn sorted(points: impl Iterator<Item = (u64, Vec<u64>)>) -> Places {
    let mut places = Places::new();
    for (name, place) in points {
        places.entry(name).or_default().push(place);
    }
    places.values_mut().for_each(|places| places.sort_unstable());
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An earlier sweep with three calls by the same names, of which the second has a finding.
    fn earlier() -> Earlier {
        let places = sorted([(7, vec![1, 30]), (7, vec![1, 10]), (7, vec![1, 20]), (8, vec![1, 5])].into_iter());
        Earlier { places, found: HashSet::from([(7, 1)]), found_later: HashSet::new() }
    }

    #[test]
    fn calls_of_one_function_are_numbered_by_their_offsets() {
        let earlier = earlier();
        assert_eq!(earlier.number(7, &[1, 20]), Some(1));
        assert_eq!(earlier.number(7, &[1, 40]), None);
        assert_eq!(earlier.number(9, &[1, 20]), None);
    }

    #[test]
    fn a_sample_knows_its_findings_again() {
        let sweep = super::super::sample::sweep();
        let earlier = Earlier::of(&sweep);
        assert_eq!(earlier.places.values().map(Vec::len).sum::<usize>(), 2);
        // The third point is opened by a failure.
        assert!(!earlier.found.is_empty() && earlier.found_later.len() == 1, "{:?}", earlier.found_later);
    }
}
