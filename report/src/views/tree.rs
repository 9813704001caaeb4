//! Stacks laid over each other: from `main` down, or from the allocating functions up.
//!
//! Invariant: a branch's numbers are the sums of the stacks that go through it, each counted once.

use std::collections::HashMap;

use super::{Choice, Numbers, Rows, Sort, group};
use crate::profile::Process;

/// Where a tree begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// At the outermost callers.
    TopDown,
    /// At the functions that allocate.
    BottomUp,
}

/// One line of a tree.
#[derive(PartialEq, Debug)]
pub struct Branch {
    /// Branching points above it.
    pub depth: usize,
    /// The function.
    pub name: String,
    /// Sums of the stacks through it.
    pub numbers: Numbers,
}

struct Point {
    numbers: Numbers,
    children: HashMap<u32, usize>,
    name: u32,
}

/// The lines of the tree over these rows, which are stacks.
pub fn branches(process: &Process, rows: &Rows, direction: Direction, choice: &Choice) -> Vec<Branch> {
    let mut names = Vec::new();
    let mut numbers_of_names = HashMap::new();
    let mut name_of = |name: String| {
        *numbers_of_names.entry(name).or_insert_with_key(|name: &String| {
            names.push(name.clone());
            names.len() as u32 - 1
        })
    };
    let of_frames: Vec<u32> = process.frames.iter().map(|frame| name_of(group::function(process, frame))).collect();
    let mut points = vec![Point { numbers: Numbers::default(), children: HashMap::new(), name: 0 }];
    for row in &rows.rows {
        let stack = row.stack.and_then(|stack| process.stacks.get(stack as usize)).map_or(&[][..], |stack| stack);
        let mut at = 0;
        for place in 0..stack.len() {
            let place = if direction == Direction::TopDown { stack.len() - 1 - place } else { place };
            let Some(&name) = stack.get(place).and_then(|&frame| of_frames.get(frame as usize)) else { continue };
            let next = points.len();
            at = match points.get_mut(at) {
                Some(point) => *point.children.entry(name).or_insert(next),
                None => break,
            };
            if at == next {
                points.push(Point { numbers: Numbers::default(), children: HashMap::new(), name });
            }
            if let Some(point) = points.get_mut(at) {
                point.numbers.add(&row.numbers);
            }
        }
    }
    lines(&points, &names, choice.sort)
}

/// Depth first, largest first; a chain without branches stays at one depth.
fn lines(points: &[Point], names: &[String], sort: Sort) -> Vec<Branch> {
    let mut lines = Vec::new();
    let mut waiting = vec![(0, 0)];
    while let Some((place, depth)) = waiting.pop() {
        let Some(point) = points.get(place) else { continue };
        let name_of = |point: &Point| names.get(point.name as usize).cloned().unwrap_or_default();
        if place != 0 {
            lines.push(Branch { depth, name: name_of(point), numbers: point.numbers });
        }
        let mut children: Vec<_> =
            point.children.values().filter_map(|&child| Some((child, points.get(child)?))).collect();
        // Smallest first: what is pushed last is taken first.
        children.sort_by(|(_, one), (_, other)| {
            let by_size = one.numbers.key(sort).cmp(&other.numbers.key(sort));
            by_size.then_with(|| name_of(other).cmp(&name_of(one)))
        });
        let deeper = if children.len() > 1 && place != 0 { depth + 1 } else { depth };
        waiting.extend(children.into_iter().map(|(child, _)| (child, deeper)));
    }
    lines
}
