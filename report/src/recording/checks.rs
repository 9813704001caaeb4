//! The checks for leaks of a process, with the tables that go with them.
//!
//! Invariants of every check that is given out:
//! - it is whole, and its rows lie behind those of the check before it, so that all of them together are read once;
//! - the pointers of its lost blocks are no more than there are in the table;
//! - the paths of all held sites together have no more steps than there are in the table.

use std::cell::Cell;
use std::ops::Range;

use memtrace_wire::layout::{self, Cause, Edge, Held, Lost, ProcessHeader, Rung, Step, WindowKind as Kind};
use memtrace_wire::map::U64;

use super::directory::Directory;
use super::source::Source;
use crate::error::Error;

/// The tables.
pub struct Checks {
    /// In the order in which they were made.
    checks: Vec<layout::Check>,
    lost: Vec<Lost>,
    edges: Vec<Edge>,
    held: Vec<Held>,
    steps: Vec<Step>,
}

/// One check that is whole.
#[derive(Clone, Copy)]
pub struct Check<'r> {
    /// Everything that is not a table.
    pub row: &'r layout::Check,
    /// Its lost blocks.
    pub lost: &'r [Lost],
    /// The pointers among them.
    pub edges: &'r [Edge],
    /// Its held sites.
    pub held: &'r [Held],
}

impl Check<'_> {
    /// Whether it classified, at the end of its process: then its rows are what there is to say of live blocks.
    pub fn is_last_word(&self) -> bool {
        let (cause, rung) = (Cause::from_number(self.row.cause.get()), Rung::from_number(self.row.rung.get()));
        matches!(cause, Some(Cause::End | Cause::Death))
            && matches!(rung, Some(Rung::Alone | Rung::Stopped | Rung::Waiting))
    }
}

impl Checks {
    /// Reads the tables of a process.
    pub fn read(source: &Source, directory: &Directory, header: &ProcessHeader) -> Result<Checks, Error> {
        // What there is no window for is no news here: a check that needs it is damaged.
        Ok(Checks {
            checks: directory.table(source, Kind::Checks, header.check_count.get(), &mut 0)?,
            lost: directory.table(source, Kind::Lost, header.lost_count.get(), &mut 0)?,
            edges: directory.table(source, Kind::Edges, header.edge_count.get(), &mut 0)?,
            held: directory.table(source, Kind::Held, header.held_count.get(), &mut 0)?,
            steps: directory.table(source, Kind::Steps, header.step_count.get(), &mut 0)?,
        })
    }

    /// The checks that are whole, and the number of those that claim to be and lead nowhere.
    pub fn whole(&self) -> (Vec<Check<'_>>, u64) {
        let (mut whole, mut damaged) = (Vec::new(), 0);
        let (mut lost_end, mut edge_end, mut held_end) = (0, 0, 0);
        for row in self.checks.iter().filter(|row| row.ready.get() == 1) {
            let check = (|| {
                let lost = range(&row.lost_first, &row.lost_count, lost_end)?;
                let edge = range(&row.edge_first, &row.edge_count, edge_end)?;
                let held = range(&row.held_first, &row.held_count, held_end)?;
                let check = Check {
                    row,
                    lost: self.lost.get(lost.clone())?,
                    edges: self.edges.get(edge.clone())?,
                    held: self.held.get(held.clone())?,
                };
                let pointers = check.lost.iter().map(|block| u64::from(block.edge_count.get())).sum::<u64>();
                if pointers > check.edges.len() as u64 {
                    return None;
                }
                (lost_end, edge_end, held_end) = (lost.end, edge.end, held.end);
                Some(check)
            })();
            damaged += u64::from(check.is_none());
            whole.extend(check);
        }
        (whole, damaged)
    }

    /// Code of the frames that ways begin in, each as often as it is named.
    pub fn frames(&self) -> impl Iterator<Item = u64> {
        self.steps.iter().map(|step| step.frame.get()).filter(|&word| word != 0)
    }

    /// The ways to all blocks.
    pub fn ways(&self) -> Ways<'_> {
        Ways { steps: &self.steps, left: Cell::new(self.steps.len()) }
    }
}

/// The ways from roots to blocks; each is to be asked for once.
pub struct Ways<'r> {
    steps: &'r [Step],
    /// Steps that may still be given out.
    left: Cell<usize>,
}

impl<'r> Ways<'r> {
    /// The steps from a root to a block of a held site; `None`: they lead nowhere.
    pub fn to(&self, held: &Held) -> Option<&'r [Step]> {
        let (first, count) = (held.step_first.get() as usize, held.step_count.get() as usize);
        let left = self.left.get().checked_sub(count)?;
        let steps = self.steps.get(first..first.checked_add(count)?)?;
        self.left.set(left);
        Some(steps)
    }
}

/// Rows of a table, if they lie behind `from`. Rows that are none lie anywhere.
fn range(first: &U64, count: &U64, from: usize) -> Option<Range<usize>> {
    let count = usize::try_from(count.get()).ok()?;
    if count == 0 {
        return Some(from..from);
    }
    let first = usize::try_from(first.get()).ok().filter(|&first| first >= from)?;
    Some(first..first.checked_add(count)?)
}

#[cfg(test)]
mod tests {
    use crate::recording::Recording;
    use crate::recording::builder::{Found, Target, file_of, recording};

    fn found() -> Found {
        Found { lost: vec![(0x100, 2, &[1]), (0x200, 2, &[])], held: vec![(2, 3, 24, vec![])] }
    }

    fn read(target: Target) -> Recording {
        Recording::from_file(file_of(&recording(&[target])), "x").unwrap()
    }

    fn target() -> Target {
        let mut target = Target::new(1, "app");
        let leaf = target.stack(&[0x1011]);
        target.site(leaf, 8, 4, 4);
        target.check(&found());
        target.check(&found());
        target
    }

    #[test]
    fn each_check_has_its_own_rows() {
        let read = read(target());
        let (whole, damaged) = read.processes[0].checks.whole();
        assert_eq!((whole.len(), damaged), (2, 0));
        for check in whole {
            assert_eq!((check.lost.len(), check.edges.len(), check.held.len()), (2, 1, 1));
            assert_eq!(check.lost[1].address.get(), 0x200);
        }
    }

    #[test]
    fn a_check_that_is_not_ready_is_none_and_one_that_leads_nowhere_is_damaged() {
        let broken = |change: fn(&Target)| {
            let target = target();
            change(&target);
            let read = read(target);
            let (whole, damaged) = read.processes[0].checks.whole();
            (whole.len(), damaged)
        };
        assert_eq!(broken(|target| target.checks[1].ready.set(0)), (1, 0));
        assert_eq!(broken(|target| target.checks[1].lost_count.set(3)), (1, 1));
        assert_eq!(broken(|target| target.checks[1].edge_first.set(u64::MAX)), (1, 1));
        assert_eq!(broken(|target| target.lost[3].edge_count.set(2)), (1, 1));
        // The rows of another check.
        assert_eq!(broken(|target| target.checks[1].held_first.set(0)), (1, 1));
    }

    #[test]
    fn paths_have_no_more_steps_than_there_are() {
        let mut target = target();
        let path = vec![(1, 0x10, 0, 0), (0, 0x20, 0x18, 2)];
        target.check(&Found { held: vec![(2, 1, 8, path.clone()), (2, 1, 8, path)], ..Found::default() });
        target.held[3].step_first.set(0);
        target.held[2].step_count.set(3);
        let read = read(target);
        let checks = &read.processes[0].checks;
        let whole = checks.whole().0;
        let ways = checks.ways();
        let steps = |place: usize| ways.to(&whole[2].held[place]).map(<[_]>::len);
        assert_eq!((steps(0), steps(1), steps(0)), (Some(3), None, None));
    }
}
