//! A small sweep for tests: something of everything, and nothing twice.

use super::model::{
    Accepted, Baseline, Coverage, Crash, End, FORMAT, Failed, Finding, Frame, Leak, Mode, Part, Point, Repeat, Run,
    Sweep, VERSION,
};
use super::outcome::Outcome;
use super::screening::{Screen, Screening};

/// The first point: `malloc` in `read_all`.
pub const READ: &str = "00000000000000a1";
/// The second: `calloc` in `copy`.
pub const COPY: &str = "00000000000000a2";
/// The third, opened by the first: `malloc` in `complain`.
pub const COMPLAIN: &str = "00000000000000a3";

/// A frame in the program's own source.
fn own(function: &str, file: &str, line: u32) -> Frame {
    Frame {
        function: Some(function.into()),
        file: Some(format!("/src/app/{file}")),
        line: Some(line),
        type_name: None,
        module: Some("/opt/app".into()),
        offset: 0x1000 + u64::from(line),
        inlined: false,
    }
}

fn point(id: &str, op: &str, bytes: u64, stack: u32, first: u64) -> Point {
    Point {
        id: id.into(),
        symbolic: id.replace('a', "b"),
        op: op.into(),
        bytes,
        count: 2,
        first,
        stack,
        order: 1,
        opened_by: None,
        screen: None,
    }
}

fn run(points: &[&str], mode: Mode, outcome: Outcome, end: End, findings: &[&str]) -> Run {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Run { points: owned(points), mode, outcome, also: Vec::new(), end, findings: owned(findings) }
}

/// A finding of one point, without crash or leak.
pub fn finding(id: &str, outcome: Outcome, title: &str, point: &str, failed: Failed) -> Finding {
    Finding {
        id: id.into(),
        outcome,
        title: title.into(),
        points: vec![point.into()],
        mode: Mode::Once,
        failed,
        end: End::Exited(0),
        crash: None,
        leaks: Vec::new(),
        left: Vec::new(),
        message: String::new(),
        repeated: 3,
        repetitions: 3,
        runs: 1,
        all_points: vec![point.into()],
        repeat: Repeat {
            memtrace: format!("memtrace repro app.sweep.json {id}"),
            gdb: format!("memtrace repro --gdb app.sweep.json {id}"),
            plain: format!("MALLOC_FAIL_STACK={point} LD_PRELOAD=libmemtrace.so ./app data"),
        },
        accepted: None,
    }
}

/// A crash, a hang that is accepted, and a leak that leaves a file.
pub fn sweep() -> Sweep {
    let failed =
        |op: &str, bytes, caller: &str, stack| Failed { op: op.into(), bytes, caller: Some(caller.into()), stack };
    let crash = Finding {
        mode: Mode::Forever,
        end: End::Killed(libc::SIGSEGV),
        crash: Some(Crash {
            signal: libc::SIGSEGV,
            address: Some(0xb8),
            function: Some("parse".into()),
            stack: Some(2),
            ..Crash::default()
        }),
        message: "app: reading data\napp: cannot read\u{1b}[2J".into(),
        runs: 2,
        all_points: vec![READ.into(), COPY.into()],
        ..finding(
            "0000000000f1",
            Outcome::NullDereference,
            "null-dereference in parse, after malloc in read_all failed",
            READ,
            failed("malloc", 24, "read_all", 0),
        )
    };
    let hang = Finding {
        points: vec![READ.into(), COMPLAIN.into()],
        mode: Mode::Pair,
        end: End::TimedOut,
        crash: Some(Crash { threads: vec![2, 1], handled: true, ..Crash::default() }),
        accepted: Some(Accepted {
            rule: "known".into(),
            reason: "waits for the new reader".into(),
            expires: Some("2026-12-31".into()),
        }),
        ..finding(
            "0000000000f3",
            Outcome::HangDeadlocked,
            "hang-deadlocked, after malloc in complain failed",
            COMPLAIN,
            failed("malloc", 100, "complain", 3),
        )
    };
    let leak = Finding {
        leaks: vec![Leak {
            kind: "definite".into(),
            blocks: 2,
            bytes: 2048,
            caller: Some("read_all".into()),
            stack: 0,
        }],
        left: vec!["descriptor 5: /tmp/app.lock".into()],
        end: End::Exited(1),
        repeated: 2,
        ..finding(
            "0000000000f2",
            Outcome::Leak,
            "leak of read_all, after calloc in copy failed",
            COPY,
            failed("calloc", 64, "copy", 1),
        )
    };
    let mut runs = vec![
        run(&[READ], Mode::Once, Outcome::CleanError, End::Exited(1), &[]),
        run(&[READ], Mode::Forever, Outcome::NullDereference, End::Killed(libc::SIGSEGV), &["0000000000f1"]),
        run(&[COPY], Mode::Once, Outcome::Leak, End::Exited(1), &["0000000000f2"]),
        run(&[COPY], Mode::Forever, Outcome::NullDereference, End::Killed(libc::SIGSEGV), &["0000000000f1"]),
        run(&[READ, COMPLAIN], Mode::Pair, Outcome::HangDeadlocked, End::TimedOut, &["0000000000f3"]),
    ];
    runs[2].also = vec![Outcome::CleanError];
    let outcomes =
        [(Outcome::NullDereference, 2), (Outcome::Leak, 1), (Outcome::HangDeadlocked, 1), (Outcome::CleanError, 2)];
    Sweep {
        format: FORMAT.into(),
        version: VERSION,
        command: vec!["./app".into(), "data file".into()],
        program: "/opt/app".into(),
        directory: "/src/app".into(),
        calls: Some("sockets".into()),
        partition: Some("slice:1/4".into()),
        wrappers: Some("take_*".into()),
        given: Some("PYTHONHASHSEED=0".into()),
        baseline: Baseline {
            runs: 2,
            end: End::Exited(0),
            allocations: 1234,
            varies: vec!["some lines of stderr".into()],
            time_ms: 5,
            lost_blocks: 1,
        },
        screening: Some(Screening {
            screened: 1,
            suspicious: 1,
            not_screened: [(Screen::Threads, 1)].into(),
            time_ms: 7,
        }),
        frames: vec![
            own("read_all", "io.c", 12),
            own("main", "main.c", 40),
            Frame { module: None, offset: 0, type_name: Some("row_t *".into()), ..own("copy", "copy.c", 7) },
            own("parse", "parse.c", 33),
            Frame { module: Some("/lib/libc.so.6".into()), offset: 0x27249, ..Frame::default() },
            Frame { inlined: true, ..own("complain", "main.c", 9) },
        ],
        stacks: vec![vec![0, 1, 4], vec![2, 0, 1, 4], vec![3, 1, 4], vec![5, 1, 4]],
        points: vec![
            Point { screen: Some(Screen::Signal), ..point(READ, "malloc", 24, 0, 0) },
            Point { screen: Some(Screen::Threads), ..point(COPY, "calloc", 64, 1, 1) },
            Point { order: 2, opened_by: Some(READ.into()), ..point(COMPLAIN, "malloc", 100, 3, 2) },
        ],
        runs,
        findings: vec![crash, hang, leak],
        outcomes: outcomes.into(),
        coverage: Coverage { points: 3, failed: 3, functions: 3, functions_failed: 3, not_run: 1, interrupted: true },
        notes: vec!["the time was up".into()],
        parts: vec![Part { partition: Some("slice:1/4".into()), not_run: 1, interrupted: true }],
    }
}
