//! Whole reports of small made-up processes.

use super::*;
use crate::profile::sample::process;
use crate::views::{By, Sort};

fn profile(processes: Vec<Process>) -> Profile {
    Profile { processes, ..Profile::without_processes() }
}

fn print(processes: Vec<Process>, request: &Request) -> String {
    let mut text = Vec::new();
    report(&profile(processes), request, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn leaky() -> Process {
    process(|maker| {
        maker.site(&["plant", "main"], 4321, 7, 10);
        maker.site(&["water", "main"], 1, 1, 1);
    })
}

#[test]
fn a_report_has_header_blocks_and_summary_in_fixed_words() {
    let text = "\
memtrace: app (pid 1234)

30,247 bytes in 7 blocks live at the end
    at plant (plant.c:7)
    by main (libgarden.so+0x249)

1 byte in 1 block live at the end
    at water (water.c:7)
    by main (libgarden.so+0x249)

memtrace: summary of app (pid 1234)
  allocations: 11 (43,211 bytes)
  frees: 3 (12,963 bytes)
  peak: 30,248 bytes
  live at the end: 30,248 bytes (29.5 KiB) in 8 blocks from 2 stacks
  losses: none
";
    assert_eq!(print(vec![leaky()], &Request::default()), text);
}

#[test]
fn the_rest_is_counted_in_one_line() {
    let request = Request { choice: Choice { top: Some(1), ..Choice::default() }, ..Request::default() };
    let text = print(vec![leaky()], &request);
    assert!(text.contains("\n1 more stack not shown: 1 byte in 1 block live at the end\n"), "{text}");
    assert!(!text.contains("water"));
}

#[test]
fn a_fault_that_fired_stands_first_with_its_stack() {
    let faulty = process(|maker| {
        let stack = maker.stack(&["plant", "main"]);
        let fault = crate::profile::Fault { index: 10, bytes: 64, op: "malloc".into(), thread: Some(0), stack };
        let process = maker.process();
        process.faults.push(fault);
        process.summary.fault_armed = true;
        process.summary.fault_fired = 3;
        process.summary.fault_seen = 14;
    });
    let text = print(vec![faulty], &Request::default());
    let head = "\
memtrace: app (pid 1234)

allocation 11 (index 10) was made to fail: malloc of 64 bytes
    at plant (plant.c:7)
    by main (libgarden.so+0x249)

2 more allocations made to fail
";
    assert!(text.starts_with(head), "{text}");
}

#[test]
fn a_fault_that_never_fired_is_said() {
    let armed = process(|maker| {
        let process = maker.process();
        process.settings.insert("MALLOC_FAIL_AFTER".into(), "100".into());
        process.summary.fault_armed = true;
        process.summary.fault_seen = 12;
    });
    let text = print(vec![armed], &Request::default());
    assert!(text.contains("\nMALLOC_FAIL_AFTER=100 armed and never fired: 12 allocations were seen\n"), "{text}");
}

#[test]
fn warnings_losses_and_unnamed_modules_are_lines() {
    let odd = process(|maker| {
        let process = maker.process();
        let warning = crate::profile::Warning {
            setting: "MEMTRACE_TOP".into(),
            found: "x\u{1b}".into(),
            expected: "a whole number or `all`".into(),
        };
        process.warnings.push(warning);
        process.losses.insert("cut_depth".into(), 1234);
        process.losses.insert("from_the_future".into(), 1);
        process.modules[0].names = "changed".into();
        process.summary.failed = 2;
        process.end.signal = Some(9);
    });
    let text = print(vec![odd], &Request::default());
    for line in [
        "memtrace: cannot use MEMTRACE_TOP: found `x\\u{1b}`, expected a whole number or `all`",
        "  losses:",
        "    stacks cut at the most frames that are kept: 1,234",
        "    from_the_future: 1",
        "  no names from /lib/libgarden.so: the file is not the one that ran (another build-id)",
        "  failed allocations: 2",
        "  killed by signal: 9",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }
}

#[test]
fn suppressions_that_hid_nothing_are_named_once() {
    let suppression =
        |name: &str, blocks| crate::profile::leaks::Suppression { name: name.into(), blocks, bytes: 8 * blocks };
    let print = |count: u64| {
        let mut checked = leaky();
        checked.checks.push(crate::profile::leaks::Check { cause: "end".into(), ..Default::default() });
        let mut profile = profile(vec![checked.clone(), checked]);
        profile.suppressions = (0..count).map(|number| suppression(&format!("rule{number} (x:{number})"), 0)).collect();
        profile.suppressions.push(suppression("used (x:9)", 1));
        let mut text = Vec::new();
        report(&profile, &Request::default(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    assert!(!print(0).contains("suppressions not used"));
    let text = print(1);
    assert_eq!(text.matches("\n  suppressions not used: 1\n    rule0 (x:0)\n").count(), 1, "{text}");
    assert!(!text.contains("used (x:9)"));
    let text = print(22);
    assert!(text.contains("\n  suppressions not used: 22\n    rule0 (x:0)\n"), "{text}");
    assert!(text.contains("\n    rule19 (x:19)\n    and 2 more\n") && !text.contains("rule20 "), "{text}");
}

#[test]
fn a_passive_process_is_one_line() {
    let passive = process(|maker| maker.process().passive = Some("secure".into()));
    let line = "memtrace: app (pid 1234): nothing was recorded: it is set-id or has capabilities (AT_SECURE)\n";
    assert_eq!(print(vec![passive], &Request::default()), line);
}

#[test]
fn a_tree_of_processes_heads_their_reports() {
    let one = |pid, ppid, exe: &str| {
        let mut process = process(|_| ());
        (process.pid, process.ppid, process.exe) = (pid, ppid, exe.into());
        process
    };
    let mut processes = vec![one(1, 0, "/bin/sh"), one(2, 1, "sh"), one(2, 1, "ls"), one(3, 1, "cat"), one(9, 8, "x")];
    processes[1].end.how = "exec".into();
    processes[3].end.status = Some(1);
    let text = print(processes, &Request::default());
    let tree = "\
memtrace: 5 processes
  sh (pid 1): 0 bytes in 0 blocks live at the end
    sh (pid 2), exec: 0 bytes in 0 blocks live at the end
      ls (pid 2): 0 bytes in 0 blocks live at the end
    cat (pid 3), exit 1: 0 bytes in 0 blocks live at the end
  x (pid 9): 0 bytes in 0 blocks live at the end

memtrace: sh (pid 1)
";
    assert!(text.starts_with(tree), "{text}");
}

#[test]
fn names_of_the_target_cannot_steer_the_terminal() {
    let hostile = process(|maker| {
        maker.site(&["\x1b]0;own\x07\u{202e}", "a\nmemtrace: summary of"], 1, 1, 1);
        maker.process().exe = "/x/\x1b[2J".into();
    });
    for request in [
        Request::default(),
        Request { choice: Choice { by: By::Function, ..Choice::default() }, ..Request::default() },
        Request { tree: Some(Direction::TopDown), ..Request::default() },
    ] {
        let text = print(vec![hostile.clone()], &request);
        assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text}");
        assert_eq!(text.matches("\nmemtrace: summary of").count(), 1);
    }
}

#[test]
fn colour_adds_escapes_and_changes_nothing_else() {
    let coloured = Request { style: Style { is_coloured: true, ..Style::default() }, ..Request::default() };
    let text = print(vec![leaky()], &coloured);
    assert_eq!(text.replace("\x1b[1m", "").replace("\x1b[0m", ""), print(vec![leaky()], &Request::default()));
    assert!(text.contains("\x1b[1m30,247 bytes"));
}

#[test]
fn rows_by_function_and_trees_are_lines() {
    let by =
        Request { choice: Choice { by: By::Function, sort: Sort::Total, ..Choice::default() }, ..Request::default() };
    assert!(print(vec![leaky()], &by).contains("\nplant: 43,210 bytes in 10 allocations, 7 live at the end\n"));
    let tree = Request { tree: Some(Direction::TopDown), ..Request::default() };
    let lines = "\nmain: 30,248 bytes in 8 blocks live at the end\n- plant: 30,247 bytes in 7 blocks live at the end\n";
    let text = print(vec![leaky()], &tree);
    assert!(text.contains(lines), "{text}");
}

#[test]
fn three_numbers_sum_a_run_up() {
    let one = "11 allocations, peak 30,248 bytes (29.5 KiB), live at the end 30,248 bytes in 8 blocks";
    assert_eq!(three_numbers(&profile(vec![leaky()])), one);
    let two = |what: &str| {
        format!(
            "22 allocations in 2 {what}, highest peak 30,248 bytes (29.5 KiB), live at the end 60,496 bytes in 16 blocks"
        )
    };
    assert_eq!(three_numbers(&profile(vec![leaky(), leaky()])), two("programs"));
    let other = crate::profile::Process { pid: leaky().pid + 1, ..leaky() };
    assert_eq!(three_numbers(&profile(vec![leaky(), other])), two("processes"));
}
