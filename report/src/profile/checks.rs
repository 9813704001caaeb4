//! The checks of a process as they stand in a profile.

use memtrace_wire::layout::{self, Cause, Hindrance, Rung, check_flags};
use memtrace_wire::map::U64;

use super::hidden::Hiding;
use super::leaks::{Check, Heuristics, Leak, Sum};
use super::paths::Paths;
use super::stacks::Stacks;
use super::time::rfc3339;
use super::verdicts::{Rows, Verdict, Verdicts};
use crate::names::Answers;
use crate::recording::Process;

/// All checks, and the number of references that led nowhere. `answers`: what the ways to held blocks are named by;
/// `None`: they are left out.
pub fn build(
    process: &Process,
    stacks: &Stacks,
    verdicts: &Verdicts,
    answers: Option<&Answers>,
    mut hiding: Option<Hiding<'_, '_>>,
) -> (Vec<Check>, u64) {
    let mut damaged = verdicts.damaged;
    let paths = answers.map(|answers| Paths::new(process, stacks, answers));
    let mut build = |verdict: &Verdict<'_>| {
        let mut rows = match &mut hiding {
            Some(hiding) => verdict.suppressed_rows(process, stacks, hiding),
            None => verdict.rows(process, stacks),
        };
        damaged += rows.damaged;
        for (held, place) in &mut rows.held {
            let (Some(paths), Some(row)) = (&paths, verdict.check.held.get(*place)) else { continue };
            match paths.to(row) {
                Some(path) => held.path = path,
                None => damaged += 1,
            }
        }
        check(verdict.check.row, rows)
    };
    let checks = verdicts.checks.iter().map(&mut build).collect();
    (checks, damaged)
}

/// A check without what it found.
pub fn without_rows(row: &layout::Check) -> Check {
    check(row, Rows::default())
}

fn check(row: &layout::Check, rows: Rows) -> Check {
    let flags = [
        (check_flags::UNKNOWN_BLOCKS, "unknown-blocks"),
        (check_flags::CUT, "cut"),
        (check_flags::TAGGED, "tagged"),
        (check_flags::MOVING, "moving"),
    ];
    let numbers = |cells: &[U64; 4]| [0, 1, 2, 3].map(|place: usize| cells.get(place).map_or(0, U64::get));
    let (blocks, bytes) = (numbers(&row.heuristic_blocks), numbers(&row.heuristic_bytes));
    let heuristic = |place: usize| Sum { blocks: blocks[place], bytes: bytes[place] };
    Check {
        cause: cause(row.cause.get()).into(),
        rung: rung(row.rung.get()).into(),
        hindrance: hindrance(row.hindrance.get()).map(str::to_owned),
        flags: flags.iter().filter(|(flag, _)| row.flags.get() & flag != 0).map(|&(_, word)| word.into()).collect(),
        time: rfc3339(row.time_ns.get()),
        pause_ns: row.pause_ns.get(),
        cpu_ns: row.cpu_ns.get(),
        threads: row.threads.get(),
        threads_stopped: row.threads_stopped.get(),
        threads_whole: row.threads_whole.get(),
        root_bytes: row.root_bytes.get(),
        unreadable_bytes: row.unreadable_bytes.get(),
        work_bytes: row.work_bytes.get(),
        summary: rows.sums,
        heuristics: Heuristics::new([0, 1, 2, 3].map(heuristic)),
        leaks: rows.leaks,
        held: rows.held.into_iter().map(|(held, _)| held).collect(),
    }
}

impl Leak {
    /// Its own bytes and those that it leads to.
    pub fn all_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.indirect_bytes)
    }
}

fn cause(number: u32) -> &'static str {
    match Cause::from_number(number) {
        Some(Cause::End) => "end",
        Some(Cause::Program) => "program",
        Some(Cause::Command) => "command",
        Some(Cause::Round) => "round",
        Some(Cause::Death) => "death",
        None => "unknown",
    }
}

fn rung(number: u32) -> &'static str {
    match Rung::from_number(number) {
        Some(Rung::Alone) => "alone",
        Some(Rung::Stopped) => "stopped",
        Some(Rung::Waiting) => "waiting",
        Some(Rung::None) => "none",
        None => "unknown",
    }
}

fn hindrance(number: u32) -> Option<&'static str> {
    match Hindrance::from_number(number) {
        Some(Hindrance::None) => None,
        Some(Hindrance::Ptrace) => Some("ptrace"),
        Some(Hindrance::Copy) => Some("copy"),
        Some(Hindrance::Deadline) => Some("deadline"),
        Some(Hindrance::Memory) => Some("memory"),
        Some(Hindrance::Broken) => Some("broken"),
        Some(Hindrance::Sealed) => Some("sealed"),
        Some(Hindrance::Death) => Some("death"),
        Some(Hindrance::Maps) => Some("maps"),
        None => Some("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::leaks::{Held, Kind, Step};
    use super::super::{DAMAGED, Options, Profile, Suppress, build};
    use super::*;
    use crate::names::Places;
    use crate::recording::Recording;
    use crate::recording::builder::{Found, Target, file_of, recording, zero};
    use crate::suppress::Rules;
    use memtrace_wire::layout::{Holder, INSIDE, Side, lost_flags};

    fn build_with(target: Target, options: &Options) -> Profile {
        let recording = Recording::from_file(file_of(&recording(&[target])), "x").unwrap();
        build::profile(&recording, options, &Places::system())
    }

    fn sum(blocks: u64, bytes: u64) -> Sum {
        Sum { blocks, bytes }
    }

    /// Three sites with one stack each, 2 to 4, and a fourth with the stack of the first, in another thread.
    fn target() -> Target {
        let mut target = Target::new(1, "/bin/app");
        for frame in [0x1011, 0x2022, 0x3033, 0x1011] {
            let leaf = target.stack(&[frame, 0x50]);
            target.site(leaf, 16, 9, 9);
        }
        target
    }

    /// A block of site 2 holds one of site 3; the others stand alone, the last one with a pointer into it.
    fn found() -> Found {
        let lost = vec![(0x100, 2, &[1][..]), (0x200, 3, &[]), (0x300, 5, &[]), (0x400, 4, &[])];
        Found { lost, held: vec![(2, 3, 48, Vec::new()), (5, 1, 16, Vec::new())] }
    }

    fn checked() -> Target {
        let mut target = target();
        target.check(&found());
        target.lost[3].flags.set(lost_flags::ENTRY);
        target
    }

    type Row = (u32, Kind, u64, u64, u64, u64, Option<u32>);

    fn rows(check: &Check) -> Vec<Row> {
        let row = |leak: &Leak| {
            let Leak { blocks, bytes, indirect_blocks, indirect_bytes, suppression, .. } = *leak;
            (leak.stack, leak.kind, blocks, bytes, indirect_blocks, indirect_bytes, suppression)
        };
        check.leaks.iter().map(row).collect()
    }

    #[test]
    fn blocks_of_one_stack_and_kind_are_one_row() {
        let profile = build_with(checked(), &Options::default());
        let [check] = profile.processes[0].checks.as_slice() else { panic!() };
        let expected = [
            (0, Kind::Definite, 2, 32, 1, 16, None),
            (2, Kind::Possible, 1, 16, 0, 0, None),
            (1, Kind::Indirect, 1, 16, 0, 0, None),
        ];
        assert_eq!(rows(check), expected);
        assert_eq!(check.leaks[0].address, 0x100);
        assert_eq!((check.summary.definite, check.summary.indirect), (sum(2, 32), sum(1, 16)));
        assert_eq!((check.summary.possible, check.summary.reachable), (sum(1, 16), sum(4, 64)));
        let [held] = check.held.as_slice() else { panic!() };
        assert_eq!((held.stack, held.blocks, held.bytes, held.op.as_str()), (0, 4, 64, "malloc"));
        assert!(check.is_last_word());
    }

    #[test]
    fn what_a_suppression_matches_and_what_only_that_holds_is_suppressed() {
        let suppress = |kinds: &str| {
            let block = |name: &str, last: &str| {
                format!("{{\n{name}\nMemcheck:Leak\nmatch-leak-kinds: {kinds}\nfun:malloc\n{last}\n}}\n")
            };
            let text = block("first", "fun:nobody") + &block("second", "obj:*\n...");
            let rules = Rules::from_text("x", text.as_bytes()).unwrap();
            Options { suppress: Suppress::new(&rules).map(Into::into), largest: Some(0), ..Options::default() }
        };
        let profile = build_with(checked(), &suppress("definite"));
        let check = &profile.processes[0].checks[0];
        let expected = [
            (2, Kind::Possible, 1, 16, 0, 0, None),
            (1, Kind::Suppressed, 1, 16, 0, 0, None),
            (0, Kind::Suppressed, 2, 32, 0, 0, Some(1)),
        ];
        let mut found = rows(check);
        found.sort_by_key(|row| (row.1, std::cmp::Reverse(row.0)));
        assert_eq!(found, expected);
        assert_eq!((check.summary.suppressed, check.summary.definite), (sum(3, 48), sum(0, 0)));
        let hidden: Vec<_> =
            profile.suppressions.iter().map(|one| (one.name.as_str(), one.blocks, one.bytes)).collect();
        assert_eq!(hidden, [("first (x:2)", 0, 0), ("second (x:9)", 2, 32)]);
        // Reachable blocks can be hidden too.
        let profile = build_with(checked(), &suppress("reachable"));
        let check = &profile.processes[0].checks[0];
        assert_eq!((check.summary.suppressed, check.summary.reachable), (sum(4, 64), sum(0, 0)));
        assert_eq!(check.held[0].suppression, Some(1));
    }

    #[test]
    fn reasons_flags_and_heuristics_are_words() {
        let mut target = target();
        let check = target.check(&Found::default());
        check.cause.set(Cause::Round as u32);
        check.rung.set(Rung::None as u32);
        check.hindrance.set(Hindrance::Deadline as u32);
        check.flags.set(check_flags::UNKNOWN_BLOCKS | check_flags::MOVING);
        check.heuristic_blocks[2].set(7);
        check.heuristic_bytes[2].set(70);
        check.threads.set(3);
        let profile = build_with(target, &Options::default());
        let check = &profile.processes[0].checks[0];
        assert_eq!((check.cause.as_str(), check.rung.as_str()), ("round", "none"));
        assert_eq!((check.hindrance.as_deref(), check.threads), (Some("deadline"), 3));
        assert_eq!(check.flags, ["unknown-blocks", "moving"]);
        assert_eq!(check.heuristics.newarray, sum(7, 70));
        assert_eq!(check.time, "2023-11-14T22:13:20.000Z");
        assert!(!check.is_last_word());
    }

    /// A path from data of libc's, found by its symbol, through a block of site 3.
    fn path() -> (Target, u64) {
        let mut target = target();
        let libc = std::fs::canonicalize("/proc/self/exe").unwrap();
        let module = target.module(libc.to_str().unwrap(), 0x10_0000, &[]);
        module.end.set(u64::MAX);
        let side: Side = zero();
        side.address.set(0x7f00_0000_0108);
        side.bytes.set(40);
        side.site.set(3);
        target.sides.push(side);
        let global = 0x10_0000 + 0x1234;
        let steps =
            vec![(Holder::Global as u32, global, 0, 0), (Holder::Block as u32, 0x7f00_0000_0118, 0x7f00_0000_0108, 3)];
        target.check(&Found { held: vec![(2, 1, 16, steps)], ..Found::default() });
        (target, global)
    }

    #[test]
    fn a_path_leads_from_a_root_through_blocks() {
        let (target, global) = path();
        let profile = build_with(target, &Options::default());
        let [Held { path, address, address_bytes, .. }] = profile.processes[0].checks[0].held.as_slice() else {
            panic!()
        };
        assert_eq!((*address, *address_bytes), (0x7000, 16));
        let [root, block] = path.as_slice() else { panic!() };
        assert_eq!((root.holder.as_str(), root.at, root.module, root.block), ("global", global, Some(0), None));
        let expected = Step {
            holder: "block".into(),
            at: 0x7f00_0000_0118,
            module: None,
            symbol: None,
            symbol_offset: 0,
            tid: None,
            frame: None,
            block: Some(0x7f00_0000_0108),
            block_bytes: Some(40),
            block_offset: 16,
            stack: Some(1),
        };
        assert_eq!(*block, expected);
        // A report of the largest needs none.
        let (target, _) = self::path();
        let profile = build_with(target, &Options { largest: Some(5), ..Options::default() });
        assert!(profile.processes[0].checks[0].held[0].path.is_empty());
    }

    #[test]
    fn a_threads_roots_name_the_thread() {
        let mut target = target();
        let steps = vec![(Holder::Register as u32, 0, 0, 77)];
        target.check(&Found { held: vec![(2, 1, 16, steps)], ..Found::default() });
        let profile = build_with(target, &Options::default());
        let root = &profile.processes[0].checks[0].held[0].path[0];
        assert_eq!((root.holder.as_str(), root.tid, root.stack), ("register", Some(77), None));
    }

    #[test]
    fn a_root_in_a_stack_names_the_frame_by_the_call_in_it() {
        let named = |word| {
            let mut target = target();
            let steps = vec![(Holder::Stack as u32, 0x7ffc_0000_0010, 0, 77)];
            target.check(&Found { held: vec![(2, 1, 16, steps)], ..Found::default() });
            target.steps[0].frame.set(word);
            let profile = build_with(target, &Options::default());
            let frame = profile.processes[0].checks[0].held[0].path[0].frame;
            frame.map(|frame| profile.processes[0].frames[frame as usize].offset)
        };
        assert_eq!(named(0x7077), Some(0x7076));
        assert_eq!(named(0x7077 | memtrace_wire::layout::frame::EXACT), Some(0x7077));
        assert_eq!(named(0), None, "not known");
    }

    #[test]
    fn rows_that_lead_nowhere_are_counted_and_left_out() {
        let mut target = target();
        let lost = vec![(0x100, 99, &[7 | INSIDE][..]), (0x200, 2, &[])];
        target.check(&Found { lost, held: vec![(1 << 30, 1, 8, vec![(0, 0, 0, 0)])] });
        target.held[0].step_first.set(u32::MAX);
        let profile = build_with(target, &Options::default());
        let process = &profile.processes[0];
        assert_eq!(process.losses.get(DAMAGED), Some(&2));
        assert_eq!((process.checks[0].leaks.len(), process.checks[0].held.len()), (1, 0));
        assert_eq!(process.checks[0].summary.definite, sum(2, 32));
    }
}
