//! Stacks laid over each other: from `main` down, or from the allocating functions up.
//!
//! Invariants:
//! - a branch's numbers are the sums of all wanted stacks that go through it, each counted once;
//! - only branches that one of the first `Choice::top` stacks goes through become lines.

use std::collections::HashMap;

use super::{Choice, Numbers, Sort, group, rows};
use crate::profile::{Frame, Process};

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
    /// It has siblings; else it goes on where the line above ended.
    pub is_branching: bool,
    /// The function.
    pub name: String,
    /// Sums of the stacks through it.
    pub numbers: Numbers,
}

struct Point {
    numbers: Numbers,
    children: HashMap<u32, usize>,
    name: u32,
    is_shown: bool,
}

impl Point {
    fn new(name: u32, is_shown: bool) -> Point {
        Point { numbers: Numbers::default(), children: HashMap::new(), name, is_shown }
    }
}

/// The lines of the tree over the chosen stacks.
pub fn branches(process: &Process, direction: Direction, choice: &Choice) -> Vec<Branch> {
    let mut names = Vec::new();
    let mut numbers_of_names = HashMap::new();
    let mut name_of = |name: String| {
        *numbers_of_names.entry(name).or_insert_with_key(|name: &String| {
            names.push(name.clone());
            names.len() as u32 - 1
        })
    };
    let of_frames: Vec<u32> = process.frames.iter().map(|frame| name_of(name(process, frame))).collect();
    let mut points = vec![Point::new(0, true)];
    let all = rows(process, &Choice { top: None, ..choice.clone() }).rows;
    for (rank, row) in all.iter().enumerate() {
        let is_shown = choice.top.is_none_or(|top| rank < top);
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
                points.push(Point::new(name, is_shown));
            }
            if let Some(point) = points.get_mut(at) {
                point.numbers.add(&row.numbers);
            }
        }
    }
    lines(&points, &names, choice.sort)
}

fn name(process: &Process, frame: &Frame) -> String {
    let function = group::function(process, frame);
    if frame.kind == "tag" { format!("in region {function}") } else { function }
}

/// Depth first, largest first; a chain without branches stays at one depth.
fn lines(points: &[Point], names: &[String], sort: Sort) -> Vec<Branch> {
    let name_of = |point: &Point| names.get(point.name as usize).cloned().unwrap_or_default();
    let mut lines = Vec::new();
    let mut waiting = vec![(0, 0, false)];
    while let Some((place, depth, is_branching)) = waiting.pop() {
        let Some(point) = points.get(place) else { continue };
        if place != 0 {
            lines.push(Branch { depth, is_branching, name: name_of(point), numbers: point.numbers });
        }
        let children = point.children.values().filter_map(|&child| Some((child, points.get(child)?)));
        let mut children: Vec<_> = children.filter(|(_, child)| child.is_shown).collect();
        // Smallest first: what is pushed last is taken first.
        children.sort_by(|(_, one), (_, other)| {
            let by_size = one.numbers.key(sort).cmp(&other.numbers.key(sort));
            by_size.then_with(|| name_of(other).cmp(&name_of(one)))
        });
        // Siblings that are not shown are siblings all the same.
        let branches = point.children.len() > 1;
        let deeper = depth + usize::from(branches);
        waiting.extend(children.into_iter().map(|(child, _)| (child, deeper, branches)));
    }
    lines
}
