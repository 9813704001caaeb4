//! Calls that fail as allocations do: MALLOC_FAIL_CALLS with the second library, and `memtrace sweep --calls`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memtrace_tests::{Ended, How, Json, Place, pair, read_json};
use memtrace_wire::layout::Op;
use memtrace_wire::op::Failure;

fn c(place: &Place, name: &str, source: &str) -> PathBuf {
    place.c(name, source, &["-pthread"])
}

fn members(place: &Place) -> PathBuf {
    c(place, "members", include_str!("calls/members.c"))
}

/// What stands in LD_PRELOAD.
fn both() -> String {
    format!("{}:{}", pair().library.display(), pair().calls.display())
}

/// A program with both libraries and `NAME=VALUE` settings.
fn with(place: &Place, program: &Path, settings: &[&str]) -> Ended {
    let settings = settings.iter().map(|setting| setting.split_once('=').expect("NAME=VALUE"));
    let job = place.job(How::Bare, program).library(both()).arg(place.join("own"));
    settings.fold(job, |job, (name, value)| job.env(name, value)).env("MEMTRACE_OUT", "none").run()
}

/// Sweeps a program: what the JSON says, and what was printed.
fn sweep(place: &Place, program: &Path, arguments: &[&str]) -> (Json, String) {
    let path = place.join("sweep.json");
    let job = place.job(How::Native, &pair().command).arg("sweep").arg("-o").arg(&path);
    let ended = job.args(["--timeout", "2s"]).args(arguments.iter().copied()).arg("--").arg(program).run();
    assert!(path.is_file(), "{}\n{}\n{}", ended.command, ended.stdout, ended.stderr);
    (read_json(&path), ended.stdout)
}

/// Runs by outcome.
fn outcomes(sweep: &Json) -> BTreeMap<String, u64> {
    let counts = sweep["outcomes"].as_object().expect("they are there").iter();
    counts.map(|(name, count)| (name.clone(), count.as_u64().expect("a number"))).collect()
}

/// The finding of an outcome and a mode.
fn finding<'s>(sweep: &'s Json, outcome: &str, op: &str, mode: &str) -> &'s Json {
    let is_it =
        |finding: &&Json| finding["outcome"] == outcome && finding["failed"]["op"] == op && finding["mode"] == mode;
    let found = sweep["findings"].as_array().expect("a list").iter().find(is_it);
    found.unwrap_or_else(|| panic!("no {outcome} after {op}, {mode}: {:#}", sweep["findings"]))
}

fn calls() -> impl Iterator<Item = Op> {
    Op::all().filter(|op| op.is_call())
}

#[test]
fn every_call_fails_once_with_the_error_of_its_man_page() {
    let place = Place::new();
    let (swept, _) = sweep(&place, &members(&place), &["--calls", "all", "--calls-only", "--modes", "once"]);
    // Two sockets in one place are one point; each call is one.
    assert_eq!(outcomes(&swept), [("clean-error".to_owned(), calls().count() as u64)].into());
    assert_eq!(swept["coverage"]["failed"], swept["coverage"]["points"]);
    let points: BTreeMap<String, String> = swept["points"].as_array().expect("a list").iter().map(point).collect();
    for op in calls() {
        let call = op.call().expect("it is one");
        let point = points.get(op.name()).unwrap_or_else(|| panic!("{} is not among {points:?}", op.name()));
        let settings = ["MALLOC_FAIL_CALLS=all", &format!("MALLOC_FAIL_STACK={point}")];
        let ended = with(&place, &place.join("members"), &settings);
        let errno = if call.failure == Failure::Error { 0 } else { call.errno };
        assert_eq!(ended.stderr, format!("{} {} errno {errno}\n", op.name(), call.errno), "{}", ended.command);
        assert_eq!(ended.code(), Some(1));
    }
}

fn point(point: &Json) -> (String, String) {
    let text = |name: &str| point[name].as_str().expect("a text").to_owned();
    (text("op"), text("id"))
}

#[test]
fn other_forms_of_a_call_count_as_it() {
    let place = Place::new();
    let plain = ["MALLOC_FAIL_CALLS=all", "MALLOC_FAIL_AFTER=1"];
    let large = place.c(
        "large",
        include_str!("calls/members.c"),
        &["-pthread", "-D_FILE_OFFSET_BITS=64", "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
    );
    let (swept, _) = sweep(&place, &large, &["--calls", "all", "--calls-only", "--modes", "once"]);
    assert_eq!(outcomes(&swept), [("clean-error".to_owned(), calls().count() as u64)].into());
    for program in [members(&place), large] {
        assert_eq!(with(&place, &program, &plain).stderr, "dup 24 errno 24\n");
    }
}

#[test]
fn only_what_is_named_fails() {
    let place = Place::new();
    let program = members(&place);
    for (named, said) in [
        ("sockets", "socket 24 errno 24\n"),
        ("listen,network", "listen 98 errno 98\n"),
        ("network", "send 104 errno 104\n"),
        ("pipes", "pipe 24 errno 24\n"),
        ("threads", "pthread_attr_init 12 errno 0\n"),
        ("mremap", "mremap 12 errno 12\n"),
    ] {
        let ended = with(&place, &program, &[&format!("MALLOC_FAIL_CALLS={named}"), "MALLOC_FAIL_COUNT=inf"]);
        assert_eq!(ended.stderr, said, "{named}");
    }
}

#[test]
fn nothing_changes_where_no_call_is_named() {
    let place = Place::new();
    let program = members(&place);
    let native = place.job(How::Native, &program).run();
    assert_eq!((native.stdout.as_str(), native.code()), ("done\n", Some(0)), "{}", native.stderr);
    let alone = place.job(How::Bare, &program).library(&pair().calls).env("MALLOC_FAIL_CALLS", "all").run();
    for ended in [with(&place, &program, &[]), alone] {
        assert_eq!((&ended.stdout, &ended.stderr, ended.code()), (&native.stdout, &native.stderr, Some(0)));
    }
    // Allocations have the same numbers: the calls are not among them.
    let index = |library: String| {
        let job = place.job(How::Bare, &program).library(library).env("MALLOC_FAIL_AFTER", "1");
        job.record().process().faults.iter().map(|fault| (fault.index, fault.bytes)).collect::<Vec<_>>()
    };
    let first = index(both());
    assert_eq!((first.len(), &first), (1, &index(pair().library.display().to_string())));
}

#[test]
fn children_are_left_alone_and_so_is_what_is_said() {
    let place = Place::new();
    let program = c(&place, "children", include_str!("calls/children.c"));
    let said = |settings: &[&str]| {
        let ended = with(&place, &program, settings);
        assert_eq!(ended.stderr, "said\n");
        ended.stdout
    };
    assert_eq!(said(&[]), "vforked 1 forked 1 own 1 mode 640\n");
    let lasting = ["MALLOC_FAIL_CALLS=open,write", "MALLOC_FAIL_COUNT=inf"];
    assert_eq!(said(&lasting), "vforked 1 forked 1 own 0 mode 0\n");
    let everywhere = [lasting.as_slice(), &["MALLOC_FAIL_CHILDREN=all"]].concat();
    assert_eq!(said(&everywhere), "vforked 1 forked 0 own 0 mode 0\n");
}

#[test]
fn a_report_names_the_call_and_one_that_never_fired_says_what_it_needs() {
    let place = Place::new();
    let program = members(&place);
    let job = || place.job(How::Bare, &program).env("MALLOC_FAIL_CALLS", "connect");
    let ended = job().library(both()).run();
    assert!(ended.stderr.contains("\ncall 1 (index 0) was made to fail: connect\n    at sockets "), "{}", ended.stderr);
    let said = "\nMALLOC_FAIL_CALLS=connect armed and never fired: 0 calls were seen, \
                expected some if libmemtrace_calls.so is loaded behind libmemtrace.so\n";
    let ended = job().run();
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn an_error_path_after_a_failed_send_leaks_and_the_plain_command_shows_it() {
    let place = Place::new();
    let program = c(&place, "send_leaks", include_str!("calls/send_leaks.c"));
    let (swept, text) = sweep(&place, &program, &["--calls", "network"]);
    let leak = finding(&swept, "leak", "send", "once");
    assert_eq!((&leak["failed"]["caller"], &leak["leaks"][0]["bytes"]), (&"request".into(), &64.into()));
    assert_eq!(leak["repeated"], 3);
    assert_eq!(swept["findings"].as_array().map(Vec::len), Some(1), "{:#}", swept["findings"]);
    assert!(text.contains("\n  calls that fail: network\n") && text.contains("\n  failed: send\n"), "{text}");
    let plain = leak["repeat"]["plain"].as_str().expect("a command");
    let ended = place.job(How::Native, "/bin/sh").args(["-c", plain]).run();
    assert!(ended.stderr.starts_with("cannot send: Connection reset by peer\nno request\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("64 bytes in 1 blocks are definitely lost"), "{}", ended.stderr);
    let id = leak["id"].as_str().expect("a text");
    let again = place.job(How::Native, &pair().command).args(["repro", id, "--from"]).arg(place.join("sweep.json"));
    assert_eq!(again.run().stderr.lines().next(), Some("cannot send: Connection reset by peer"));
}

#[test]
fn a_lock_that_could_not_be_made_and_was_not_checked_hangs() {
    let place = Place::new();
    let program = c(&place, "mutex_unchecked", include_str!("calls/mutex_unchecked.c"));
    let (swept, _) = sweep(&place, &program, &["--calls", "threads", "--modes", "once"]);
    let hang = finding(&swept, "hang-deadlocked", "pthread_mutex_init", "once");
    assert_eq!((&hang["failed"]["caller"], &hang["repeated"]), (&"make_queue".into(), &3.into()));
    let threads = hang["crash"]["threads"].as_array().map_or(&[][..], Vec::as_slice);
    let stack = threads.first().and_then(|number| swept["stacks"][number.as_u64()? as usize].as_array());
    let frames = stack.into_iter().flatten().filter_map(|frame| frame.as_u64());
    let mut functions = frames.map(|frame| &swept["frames"][frame as usize]["function"]);
    assert!(functions.any(|name| name == "put"), "{hang:#}");
}

#[test]
fn a_connection_that_fails_for_ever_fails_in_every_attempt_and_memory_does_not() {
    let place = Place::new();
    let program = c(&place, "connect_retries", include_str!("calls/connect_retries.c"));
    let (swept, _) = sweep(&place, &program, &["--calls", "connect", "--order", "1"]);
    let leak = |mode: &str| {
        let leak = finding(&swept, "leak", "connect", mode);
        (leak["leaks"][0]["blocks"].as_u64(), leak["leaks"][0]["bytes"].as_u64(), leak["message"].as_str())
    };
    let message = "connect: Connection refused";
    // Once: the second attempt succeeds. The two ways are one finding, whose shortest way is the first.
    assert_eq!(leak("once"), (Some(1), Some(32), Some(message)));
    let run = |mode: &str, id: &Json| {
        let runs = swept["runs"].as_array().expect("a list").iter();
        let mut of_it = runs.filter(|run| run["mode"] == mode && run["points"][0] == *id);
        of_it.next().and_then(|run| run["end"]["exited"].as_u64())
    };
    let points = swept["points"].as_array().expect("a list");
    let id = &points.iter().find(|point| point["op"] == "connect").expect("it is a point")["id"];
    assert_eq!([run("once", id), run("forever", id)], [Some(0), Some(1)]);
    let settings = [
        "MALLOC_FAIL_CALLS=connect",
        "MALLOC_FAIL_OPS=all",
        "MALLOC_FAIL_COUNT=inf",
        &format!("MALLOC_FAIL_STACK={}", id.as_str().expect("a text")),
    ];
    assert_eq!(with(&place, &program, &settings).stderr, format!("{message}\n").repeat(5));
}

#[test]
fn what_is_no_call_is_refused_by_name() {
    let place = Place::new();
    let ended = place.job(How::Native, &pair().command).args(["sweep", "--calls", "sockets,opn", "--", "true"]).run();
    assert_eq!(ended.code(), Some(2));
    assert!(ended.stderr.contains("`opn` is no call, expected `all`, functions like `connect`"), "{}", ended.stderr);
}
