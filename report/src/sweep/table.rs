//! The frames and stacks of several sweeps as one table.
//!
//! Invariant: of two numbers the smaller has the smaller content, whatever else is in the table. So points and findings
//! can be compared by their numbers, and the same sweeps always get the same table.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Finding, Frame, Sweep};

/// All frames and stacks, sorted.
pub struct Table {
    frames: Vec<Frame>,
    stacks: Vec<Vec<u32>>,
}

impl Table {
    /// Takes the tables of sweeps away, and gives their points and findings the numbers of this one.
    pub fn take(sweeps: &mut [Sweep]) -> Table {
        let frames: BTreeSet<&Frame> = sweeps.iter().flat_map(|sweep| &sweep.frames).collect();
        let numbers: BTreeMap<&Frame, u32> = frames.into_iter().zip(0..).collect();
        let of_frame = |sweep: &Sweep, frame: u32| Some(*numbers.get(sweep.frames.get(frame as usize)?)?);
        let renumbered: Vec<Vec<Vec<u32>>> = sweeps
            .iter()
            .map(|sweep| {
                let stack = |frames: &Vec<u32>| frames.iter().filter_map(|&frame| of_frame(sweep, frame)).collect();
                sweep.stacks.iter().map(stack).collect()
            })
            .collect();
        let frames: Vec<Frame> = numbers.into_keys().cloned().collect();
        let stacks: BTreeSet<&Vec<u32>> = renumbered.iter().flatten().collect();
        let numbers: BTreeMap<&Vec<u32>, u32> = stacks.into_iter().zip(0..).collect();
        for (sweep, own) in sweeps.iter_mut().zip(&renumbered) {
            let number = |stack: u32| own.get(stack as usize).and_then(|stack| numbers.get(stack)).copied();
            rename(sweep, |stack| number(stack).unwrap_or(0));
            (sweep.frames, sweep.stacks) = (Vec::new(), Vec::new());
        }
        let stacks = numbers.into_keys().cloned().collect();
        Table { frames, stacks }
    }

    /// Gives a sweep with the numbers of this table those frames and stacks that it uses.
    pub fn give(self, sweep: &mut Sweep) {
        let mut used = BTreeSet::new();
        rename(sweep, |stack| {
            used.insert(stack);
            stack
        });
        let stacks: Vec<&Vec<u32>> = used.iter().filter_map(|&stack| self.stacks.get(stack as usize)).collect();
        let frames: BTreeSet<u32> = stacks.iter().copied().flatten().copied().collect();
        let frame_numbers: BTreeMap<u32, u32> = frames.iter().copied().zip(0..).collect();
        let frame = |frame: &u32| frame_numbers.get(frame).copied();
        sweep.stacks = stacks.iter().map(|stack| stack.iter().filter_map(frame).collect()).collect();
        sweep.frames = frames.iter().filter_map(|&frame| self.frames.get(frame as usize).cloned()).collect();
        let numbers: BTreeMap<u32, u32> = used.into_iter().zip(0..).collect();
        rename(sweep, |stack| numbers.get(&stack).copied().unwrap_or(0));
    }
}

/// Gives every reference to a stack another number.
fn rename(sweep: &mut Sweep, mut number: impl FnMut(u32) -> u32) {
    sweep.points.iter_mut().for_each(|point| point.stack = number(point.stack));
    for stack in sweep.findings.iter_mut().flat_map(stacks_of) {
        *stack = number(*stack);
    }
}

fn stacks_of(finding: &mut Finding) -> impl Iterator<Item = &mut u32> {
    let crash = finding.crash.iter_mut().flat_map(|crash| crash.stack.iter_mut().chain(&mut crash.threads));
    let leaks = finding.leaks.iter_mut().map(|leak| &mut leak.stack);
    std::iter::once(&mut finding.failed.stack).chain(crash).chain(leaks)
}
