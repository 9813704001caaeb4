//! Leaks in Memcheck's words, which others search for: they do not change, plurals included.

use std::io::{self, Write};

use memtrace_wire::leaks::{Kinds, heuristic};

use super::number::{bytes, bytes_in, count, thousands};
use crate::profile::leaks::{Check, Kind, Sum, Sums};
use crate::profile::{Process, Profile};
use crate::views::leaks::{LeakRow, last_word};

/// The first line of a row.
pub fn head(row: &LeakRow) -> String {
    let bytes = match row.indirect.bytes {
        0 => thousands(row.direct.bytes),
        indirect => {
            let (all, direct) = (thousands(row.all_bytes()), thousands(row.direct.bytes));
            format!("{all} ({direct} direct, {} indirect)", thousands(indirect))
        }
    };
    format!("{bytes} bytes in {} blocks are {}", thousands(row.direct.blocks), words(row.kind))
}

/// What a kind is called.
pub fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Definite => "definitely lost",
        Kind::Possible => "possibly lost",
        Kind::Indirect => "indirectly lost",
        Kind::Reachable => "still reachable",
        Kind::Suppressed => "suppressed",
    }
}

/// How the check was made, and its sums.
pub fn summary(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    let of_the_end = |check: &&Check| matches!(check.cause.as_str(), "end" | "death");
    let Some(check) = process.checks.last().filter(of_the_end) else { return Ok(()) };
    if let Some(how) = how(check) {
        writeln!(to, "  {how}")?;
    }
    for flag in &check.flags {
        writeln!(to, "  {}", meaning(flag))?;
    }
    if check.unreadable_bytes > 0 {
        writeln!(to, "  could not be read: {} of roots and blocks", bytes(check.unreadable_bytes))?;
    }
    if check.is_last_word() { sums(check, process.summary.sample_bytes > 0, to) } else { Ok(()) }
}

fn sums(check: &Check, is_sampled: bool, to: &mut dyn Write) -> io::Result<()> {
    let Sums { definite, indirect, possible, reachable, suppressed } = check.summary;
    let of = |sum: Sum| format!("{} bytes in {} blocks", thousands(sum.bytes), thousands(sum.blocks));
    // Not scaled: a lost block that only unrecorded ones hold counts as reachable, so the sums are no estimates.
    if is_sampled {
        writeln!(to, "  of leaks only the samples are counted: each stands for others that were not recorded")?;
    }
    writeln!(to, "LEAK SUMMARY:")?;
    writeln!(to, "   definitely lost: {}", of(definite))?;
    writeln!(to, "   indirectly lost: {}", of(indirect))?;
    writeln!(to, "     possibly lost: {}", of(possible))?;
    writeln!(to, "   still reachable: {}", of(reachable))?;
    let heuristics = heuristic::NAMES.iter().zip(check.heuristics.sums()).filter(|(_, sum)| *sum != Sum::default());
    for (place, (name, sum)) in heuristics.enumerate() {
        if place == 0 {
            writeln!(to, "                      of which reachable via heuristic:")?;
        }
        writeln!(to, "                        {name:<19}: {}", of(sum))?;
    }
    writeln!(to, "        suppressed: {}", of(suppressed))?;
    let mut leaked = definite;
    leaked.add(indirect.blocks, indirect.bytes);
    leaked.add(possible.blocks, possible.bytes);
    if leaked.blocks == 0 {
        return Ok(());
    }
    // Without separators, for programs that read it.
    writeln!(to, "SUMMARY: memtrace: {} byte(s) leaked in {} allocation(s).", leaked.bytes, leaked.blocks)
}

/// The rung, with the reason why it was not a better one; `None`: it could not have been better.
pub fn how(check: &Check) -> Option<String> {
    let why = check.hindrance.as_deref().map(|hindrance| format!(": {}", reason(hindrance))).unwrap_or_default();
    let whole = match check.threads_whole {
        0 => String::new(),
        whole => format!("; the stacks of {} were read whole", count(whole.into(), "thread")),
    };
    Some(match (check.rung.as_str(), check.threads) {
        ("alone", _) => return None,
        ("stopped", threads) if threads == check.threads_stopped => {
            format!("checked: with {} stopped, registers read", count(threads.into(), "other thread"))
        }
        ("stopped", threads) => {
            let threads = count(threads.into(), "other thread");
            format!("checked: with {} of {threads} stopped, registers read{why}{whole}", check.threads_stopped)
        }
        ("waiting", _) => {
            format!("checked without registers{why}{whole}; what one may have held is called possibly lost")
        }
        _ => format!("not classified{why}"),
    })
}

/// Why a check was no better.
pub fn reason(hindrance: &str) -> &'static str {
    match hindrance {
        "ptrace" => "ptrace was refused",
        "copy" => "no copy of the process could be made",
        "deadline" => "the deadline passed",
        "memory" => "there was no memory for its tables",
        "broken" => "the copy of the process came to a bad end",
        "sealed" => "the process is behind a filter of system calls",
        "death" => "the process ended without running any code of memtrace's",
        "maps" => "the list of its mappings could not be read",
        _ => "the reason is not known to this memtrace",
    }
}

/// What a flag of a check says.
pub fn meaning(flag: &str) -> &'static str {
    match flag {
        "unknown-blocks" => "heap memory of blocks that were never seen counted as a root",
        "cut" => "more was found than there was room for: not all rows are here",
        "tagged" => "pointers with tags counted as pointers (MEMTRACE_TAGGED)",
        "moving" => "threads may have moved pointers while the process was copied",
        _ => "a flag that is not known to this memtrace",
    }
}

/// Behind what a process has live at the end: how much of it is lost.
pub fn in_a_line(process: &Process) -> String {
    let Some(check) = last_word(process) else { return String::new() };
    let Sums { definite, possible, .. } = check.summary;
    let parts = [(Kind::Definite, definite), (Kind::Possible, possible)];
    let lost = parts.into_iter().filter(|(_, sum)| sum.blocks > 0);
    lost.map(|(kind, sum)| format!(", {} {}", bytes_in(sum.bytes, sum.blocks, "block"), words(kind))).collect()
}

/// A run's leaks of some kinds in one line; `None`: none of its processes was classified.
pub fn lost(profile: &Profile, kinds: Kinds) -> Option<String> {
    let mut sums = Sums::default();
    let mut any = false;
    for check in profile.processes.iter().filter_map(last_word) {
        any = true;
        let mut summary = check.summary;
        for kind in KINDS {
            let Sum { blocks, bytes } = *summary.of(kind);
            sums.of(kind).add(blocks, bytes);
        }
    }
    let shown = KINDS.into_iter().filter(|kind| kinds.has(kind.verdict()));
    let line = shown.map(|kind| {
        let Sum { blocks, bytes } = *sums.of(kind);
        format!("{} {}", words(kind), bytes_in(bytes, blocks, "block"))
    });
    let line: Vec<String> = line.collect();
    (any && !line.is_empty()).then(|| line.join(", "))
}

const KINDS: [Kind; 4] = [Kind::Definite, Kind::Possible, Kind::Indirect, Kind::Reachable];

#[cfg(test)]
mod tests {
    use super::super::{Request, report};
    use super::*;
    use crate::profile::leaks::Heuristics;
    use crate::profile::sample::{held, leak, process};
    use crate::views::Choice;

    const NONE: Sum = Sum { blocks: 0, bytes: 0 };

    fn profile(process: Process) -> Profile {
        Profile { processes: vec![process], ..Profile::without_processes() }
    }

    fn print(process: Process, request: &Request) -> String {
        let mut text = Vec::new();
        report(&profile(process), request, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// A process that leaks 32 bytes, which lead to 32 others, and 1,040 possibly; it has 8 still.
    fn leaky() -> Process {
        process(|maker| {
            let stacks = ["plant", "water", "dig", "keep"].map(|function| maker.stack(&[function, "main"]));
            let [plant, water, dig, keep] = stacks;
            let two = Sum { blocks: 2, bytes: 32 };
            let check = Check {
                cause: "end".into(),
                rung: "alone".into(),
                leaks: vec![
                    leak(plant, Kind::Definite, 1, 32, two),
                    leak(dig, Kind::Possible, 1, 1040, NONE),
                    leak(water, Kind::Indirect, 2, 32, NONE),
                ],
                held: vec![held(keep, 1, 8)],
                summary: Sums {
                    definite: Sum { blocks: 1, bytes: 32 },
                    indirect: two,
                    possible: Sum { blocks: 1, bytes: 1040 },
                    reachable: Sum { blocks: 1, bytes: 8 },
                    suppressed: NONE,
                },
                ..Check::default()
            };
            maker.process().checks.push(check);
        })
    }

    #[test]
    fn leaks_and_their_summary_are_in_memchecks_words() {
        let text = "\
memtrace: app (pid 1234)

64 (32 direct, 32 indirect) bytes in 1 blocks are definitely lost
    at plant (plant.c:7)
    by main (libgarden.so+0x249)
    suppress: leak:^plant$

1,040 bytes in 1 blocks are possibly lost
    at dig (dig.c:7)
    by main (libgarden.so+0x249)
    suppress: leak:^dig$

memtrace: summary of app (pid 1234)
  allocations: 0 (0 bytes)
  frees: 0 (0 bytes)
  peak: 0 bytes
  live at the end: 0 bytes in 0 blocks from 0 stacks
  losses: none
LEAK SUMMARY:
   definitely lost: 32 bytes in 1 blocks
   indirectly lost: 32 bytes in 2 blocks
     possibly lost: 1,040 bytes in 1 blocks
   still reachable: 8 bytes in 1 blocks
        suppressed: 0 bytes in 0 blocks
SUMMARY: memtrace: 1104 byte(s) leaked in 4 allocation(s).
";
        assert_eq!(print(leaky(), &Request::default()), text);
    }

    #[test]
    fn the_kinds_that_are_shown_are_asked_for() {
        let heads = |process: Process, show: Option<&str>| {
            let show = show.and_then(|kinds| Kinds::parse(kinds.as_bytes()));
            let text = print(process, &Request { show, ..Request::default() });
            let heads: Vec<String> = text.lines().filter(|line| line.contains(" are ")).map(String::from).collect();
            assert!(text.contains("   still reachable: 8 bytes in 1 blocks\n"), "the summary counts all");
            heads
        };
        let all = [
            "64 (32 direct, 32 indirect) bytes in 1 blocks are definitely lost",
            "1,040 bytes in 1 blocks are possibly lost",
            "32 bytes in 2 blocks are indirectly lost",
            "8 bytes in 1 blocks are still reachable",
        ];
        assert_eq!(heads(leaky(), Some("all")), all);
        assert_eq!(heads(leaky(), Some("reachable")), all[3..]);
        let mut process = leaky();
        process.settings.insert("MEMTRACE_SHOW".into(), "indirect,reachable".into());
        assert_eq!(heads(process.clone(), None), all[2..]);
        assert_eq!(heads(process, Some("definite")), all[..1]);
    }

    #[test]
    fn rows_beyond_the_top_are_counted() {
        let request = Request { choice: Choice { top: Some(1), ..Choice::default() }, ..Request::default() };
        let text = print(leaky(), &request);
        assert!(text.contains("\n1 more leak not shown: 1,040 bytes in 1 block\n"), "{text}");
        let filter = Some("dig".to_owned());
        let request = Request { choice: Choice { filter, ..Choice::default() }, ..Request::default() };
        let text = print(leaky(), &request);
        assert!(!text.contains("definitely lost\n") && text.contains("possibly lost\n"), "{text}");
    }

    #[test]
    fn without_a_verdict_the_report_is_of_live_blocks_and_says_why() {
        let mut process = process(|maker| {
            maker.site(&["plant"], 8, 1, 1);
        });
        let (cause, rung, hindrance) = ("end".into(), "none".into(), Some("deadline".into()));
        process.checks.push(Check { cause, rung, hindrance, ..Check::default() });
        let text = print(process.clone(), &Request::default());
        assert!(text.contains("\n8 bytes in 1 block live at the end\n    at plant"), "{text}");
        assert!(text.ends_with("  losses: none\n  not classified: the deadline passed\n"), "{text}");
        // A check that the program asked for says nothing of the end.
        process.checks[0].cause = "program".into();
        assert!(print(process, &Request::default()).ends_with("  losses: none\n"));
    }

    #[test]
    fn the_rung_and_the_flags_are_lines() {
        let line = |rung: &str, hindrance: Option<&str>, threads: [u32; 3]| {
            let check = Check {
                rung: rung.into(),
                hindrance: hindrance.map(String::from),
                threads: threads[0],
                threads_stopped: threads[1],
                threads_whole: threads[2],
                ..Check::default()
            };
            how(&check).unwrap_or_default()
        };
        assert_eq!(line("alone", None, [0; 3]), "");
        assert_eq!(line("stopped", None, [3, 3, 0]), "checked: with 3 other threads stopped, registers read");
        assert_eq!(
            line("stopped", Some("ptrace"), [3, 2, 1]),
            "checked: with 2 of 3 other threads stopped, registers read: ptrace was refused; \
             the stacks of 1 thread were read whole"
        );
        assert_eq!(
            line("waiting", Some("ptrace"), [1, 0, 0]),
            "checked without registers: ptrace was refused; what one may have held is called possibly lost"
        );
        assert_eq!(line("none", Some("memory"), [0; 3]), "not classified: there was no memory for its tables");
        let mut process = leaky();
        process.checks[0].flags = vec!["unknown-blocks".into()];
        process.checks[0].unreadable_bytes = 4096;
        let text = print(process, &Request::default());
        let lines = "\n  heap memory of blocks that were never seen counted as a root\n  \
                     could not be read: 4,096 bytes of roots and blocks\nLEAK SUMMARY:\n";
        assert!(text.contains(lines), "{text}");
    }

    #[test]
    fn heuristics_that_found_something_stand_below_the_reachable_blocks() {
        let mut process = leaky();
        let two = Sum { blocks: 2, bytes: 2000 };
        process.checks[0].heuristics = Heuristics { newarray: two, ..Heuristics::default() };
        let text = print(process, &Request::default());
        let lines = "   still reachable: 8 bytes in 1 blocks
                      of which reachable via heuristic:
                        newarray           : 2,000 bytes in 2 blocks
        suppressed: 0 bytes in 0 blocks
";
        assert!(text.contains(lines), "{text}");
    }

    #[test]
    fn sums_of_leaks_among_samples_are_no_estimates() {
        let mut process = leaky();
        process.summary.sample_bytes = 512 << 10;
        let text = print(process, &Request::default());
        assert!(text.contains(" was recorded; all numbers but those of leaks are estimates\n"), "{text}");
        let line =
            "\n  of leaks only the samples are counted: each stands for others that were not recorded\nLEAK SUMMARY:\n";
        assert!(text.contains(line), "{text}");
        assert!(!print(leaky(), &Request::default()).contains("samples"));
    }

    #[test]
    fn a_process_without_leaks_has_no_last_line() {
        let mut process = leaky();
        process.checks[0].summary = Sums { reachable: Sum { blocks: 1, bytes: 8 }, ..Sums::default() };
        assert!(!print(process, &Request::default()).contains("SUMMARY: memtrace"));
    }

    #[test]
    fn a_run_is_summed_up_in_a_line() {
        let line = "definitely lost 32 bytes in 1 block, possibly lost 1,040 bytes in 1 block";
        assert_eq!(lost(&profile(leaky()), Kinds::DEFAULT).as_deref(), Some(line));
        assert_eq!(lost(&profile(process(|_| ())), Kinds::ALL), None);
        assert_eq!(in_a_line(&leaky()), ", 32 bytes in 1 block definitely lost, 1,040 bytes in 1 block possibly lost");
    }
}
