//! Whole reports of small made-up sweeps.

use super::super::model::{Accepted, Coverage};
use super::super::sample::sweep;
use super::*;

fn print(sweep: &Sweep) -> String {
    let mut text = Vec::new();
    report(sweep, Style::default(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_report_has_outcomes_findings_coverage_and_a_last_line_in_fixed_words() {
    let text = "\
memtrace: sweep of ./app 'data file'
  3 stacks that can fail, 5 runs with a failure
  without a failure: exit status 0, 1,234 allocations and calls, 5 ms (2 runs)
  screened by copies of the process: 1 stack, 1 of which come first (7 ms)
  not screened: 1 (several threads)
  calls that fail: sockets
  only a part: slice:1/4

outcome           runs
null-dereference     2  memory at an address near 0 was used
hang-deadlocked      1  the program waited and did not end
leak                 1  blocks are lost that are not lost without the failure
clean-error          2  the program said that something failed, and ended with an error

null-dereference in parse, after malloc in read_all failed [0000000000f1]
  memory at an address near 0 was used
  failed: malloc of 24 bytes, and all after it
    at read_all (io.c:12)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  then: SIGSEGV at address 0xb8
    at parse (parse.c:33)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  ended: killed by SIGSEGV
  stderr:
    | app: reading data
    | app: cannot read\\u{1b}[2J
  repeated 3 of 3; 2 runs of the sweep came to it, by failures of 2 stacks
  repeat: memtrace repro app.sweep.json 0000000000f1
          memtrace repro --gdb app.sweep.json 0000000000f1
          MALLOC_FAIL_STACK=00000000000000a1 LD_PRELOAD=libmemtrace.so ./app data

leak of read_all, after calloc in copy failed [0000000000f2]
  blocks are lost that are not lost without the failure
  failed: calloc of 64 bytes
    at copy (copy.c:7, row_t *)
    by read_all (io.c:12)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  lost (definite): 2,048 bytes in 2 blocks, allocated
    at read_all (io.c:12)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  left: descriptor 5: /tmp/app.lock
  ended: exit status 1
  repeated 2 of 3; 1 run of the sweep came to it, by failures of 1 stack
  repeat: memtrace repro app.sweep.json 0000000000f2
          memtrace repro --gdb app.sweep.json 0000000000f2
          MALLOC_FAIL_STACK=00000000000000a2 LD_PRELOAD=libmemtrace.so ./app data

Accepted by the policy:
  known 0000000000f3 hang-deadlocked, after malloc in complain failed: waits for the new reader (until 2026-12-31)

coverage: 3 of 3 stacks failed at least once; all allocations failed of 3 of 3 functions
not complete: 1 run not made, because the sweep was interrupted
note: the time was up
SWEEP SUMMARY: findings: 2 (null-dereference 1, leak 1); accepted: 1; runs: 5; stacks failed: 3 of 3
";
    assert_eq!(print(&sweep()), text);
}

#[test]
fn of_a_pair_both_failures_are_shown_and_of_a_hang_all_threads() {
    let mut sweep = sweep();
    sweep.findings.drain(..1);
    sweep.findings[0].accepted = None;
    let text = "
hang-deadlocked, after malloc in complain failed [0000000000f3]
  the program waited and did not end
  failed first: malloc of 24 bytes
    at read_all (io.c:12)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  then failed: malloc of 100 bytes
    at complain (main.c:9)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  hung: thread 1 of 2
    at parse (parse.c:33)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  hung: thread 2 of 2
    at copy (copy.c:7, row_t *)
    by read_all (io.c:12)
    by main (main.c:40)
    by ??? (libc.so.6+0x27249)
  ended: it did not end
";
    assert!(print(&sweep).contains(text), "{}", print(&sweep));
}

#[test]
fn what_is_ignored_is_counted_and_what_is_clean_is_said() {
    let mut sweep = sweep();
    for finding in &mut sweep.findings {
        finding.accepted = Some(Accepted { rule: "ignore".into(), reason: "noise".into(), expires: None });
    }
    let text = print(&sweep);
    assert!(text.contains("\nAccepted by the policy:\n  ignored: 3 findings\n"), "{text}");
    let last = "SWEEP SUMMARY: findings: 0; accepted: 3; runs: 5; stacks failed: 3 of 3\n";
    assert!(text.ends_with(last) && !text.contains("noise"), "{text}");
    sweep.findings.clear();
    sweep.outcomes.clear();
    sweep.coverage =
        Coverage { points: 1234, failed: 1234, functions: 61, functions_failed: 60, ..Coverage::default() };
    let text = print(&sweep);
    let lines = "
Nothing wrong was found.
coverage: 1,234 of 1,234 stacks failed at least once; all allocations failed of 60 of 61 functions
note: ";
    assert!(text.contains(lines) && !text.contains("outcome  ") && !text.contains("not complete"), "{text}");
    sweep.coverage.not_run = 7;
    assert!(print(&sweep).contains("\nnot complete: 7 runs not made, because the time was up\n"));
}

#[test]
fn hostile_names_steer_no_terminal_and_make_no_lines() {
    let mut sweep = sweep();
    let odd = "a\u{1b}[31m\nSWEEP SUMMARY: findings: 0\u{202e}".to_owned();
    sweep.command = vec![odd.clone()];
    sweep.partition = Some(odd.clone());
    sweep.notes = vec![odd.clone()];
    sweep.frames.iter_mut().for_each(|frame| {
        (frame.function, frame.file, frame.module) =
            (Some(odd.clone()), frame.file.as_ref().map(|_| odd.clone()), None);
    });
    for finding in &mut sweep.findings {
        let (id, all) = (&mut finding.id, [&mut finding.title, &mut finding.failed.op, &mut finding.message]);
        *id = odd.clone();
        all.into_iter().for_each(|text| *text = odd.clone());
        let repeat = &mut finding.repeat;
        [&mut repeat.memtrace, &mut repeat.gdb, &mut repeat.plain].into_iter().for_each(|text| *text = odd.clone());
        finding.left = vec![odd.clone()];
        finding.leaks.iter_mut().for_each(|leak| leak.kind = odd.clone());
        if let Some(rule) = &mut finding.accepted {
            (rule.rule, rule.reason, rule.expires) = (odd.clone(), odd.clone(), Some(odd.clone()));
        }
    }
    let text = print(&sweep);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("SWEEP SUMMARY: ")).count(), 1, "{text}");
}

#[test]
fn long_lists_are_cut_and_counted() {
    let mut sweep = sweep();
    sweep.stacks[0] = vec![1; 100];
    let finding = &mut sweep.findings[2];
    finding.leaks = vec![finding.leaks[0].clone(); 20];
    finding.left = vec!["x".into(); 17];
    finding.message = "line\n".repeat(50);
    sweep.findings.drain(..2);
    let text = print(&sweep);
    assert_eq!(text.matches("\n    … 76 more frames\n").count(), 16, "{text}");
    assert!(text.contains("\n  and 4 more stacks\n") && text.contains("\n  and 1 more thing\n"), "{text}");
    assert!(text.contains("\n  the end of its stderr:\n") && text.matches("    | line\n").count() == 8, "{text}");
}

#[test]
fn colour_is_all_that_the_style_changes() {
    let mut coloured = Vec::new();
    report(&sweep(), Style { is_coloured: true, ..Style::default() }, &mut coloured).unwrap();
    let coloured = String::from_utf8(coloured).unwrap();
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(coloured.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""), print(&sweep()));
}
