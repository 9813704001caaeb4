//! The options of `memtrace sweep` and `memtrace repro`: what is chosen, kept, resumed, judged from outside and repeated.

#[path = "sweeping/left.rs"]
mod left;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memtrace_tests::{Ended, How, Json as Value, Place, pair, read_json};

/// Three stacks: one is not looked at, one leaks what came before, one is handled.
const PROGRAM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define APART __attribute__((noinline))
static APART char *careless(void) { char *p = malloc(10); p[0] = 'c'; return p; }
static APART char *leaky(void) {
    char *a = malloc(20), *b;
    if (a == NULL) return NULL;
    b = malloc(30);
    if (b == NULL) return NULL;
    free(a);
    return b;
}
static APART char *careful(void) { return malloc(40); }
int main(void) {
    char line[100] = "";
    if (read(0, line, 99) < 0) return 9;
    char *a = careless(), *b = leaky(), *c = careful();
    int is_bad = b == NULL || c == NULL;
    free(a); free(b); free(c);
    if (is_bad) { write(2, "no memory\n", 10); return 1; }
    if (write(1, line, strlen(line)) < 0) return 8;
    return 0;
}
"#;

fn program(place: &Place) -> PathBuf {
    place.c("app", PROGRAM, &["-O0", "-g", "-fno-builtin"])
}

fn sweep(place: &Place, options: &[&str], program: &Path) -> Ended {
    let job = place.job(How::Native, &pair().command).arg("sweep").arg("-o").arg(place.join("app.sweep.json"));
    job.args(options.iter().copied()).arg("--").arg(program).patience(Duration::from_secs(90)).run()
}

fn result(place: &Place) -> Value {
    read_json(&place.join("app.sweep.json"))
}

fn outcomes(result: &Value) -> BTreeSet<String> {
    result["findings"].as_array().unwrap().iter().map(|finding| finding["outcome"].as_str().unwrap().into()).collect()
}

fn count(result: &Value, what: &str) -> usize {
    result[what].as_array().unwrap().len()
}

#[test]
fn each_stack_fails_once_and_for_ever_and_the_status_says_what_was_found() {
    let place = Place::new();
    let app = program(&place);
    let ended = sweep(&place, &[], &app);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("SWEEP SUMMARY: findings: 2 (null-dereference 1, leak 1)"), "{}", ended.stdout);
    let result = result(&place);
    assert_eq!((count(&result, "points"), count(&result, "runs")), (4, 8));
    assert_eq!(result["coverage"]["failed"], 4);
    for finding in result["findings"].as_array().unwrap() {
        assert_eq!((&finding["repeated"], &finding["repetitions"]), (&3.into(), &3.into()));
    }
    let ended = sweep(&place, &["--fail-on", "hang"], &app);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn parts_together_have_every_stack_once() {
    let place = Place::new();
    let app = program(&place);
    let ids = |part: &str| -> BTreeSet<String> {
        sweep(&place, &["--partition", part, "--modes", "once"], &app);
        let result = result(&place);
        let runs = result["runs"].as_array().unwrap();
        runs.iter().map(|run| run["points"][0].as_str().unwrap().to_owned()).collect()
    };
    for kind in ["slice", "hash"] {
        let (one, two) = (ids(&format!("{kind}:1/2")), ids(&format!("{kind}:2/2")));
        assert!(one.is_disjoint(&two), "{kind}");
        assert_eq!(one.len() + two.len(), 4, "{kind}");
    }
}

#[test]
fn stacks_are_chosen_by_function_and_by_module() {
    let place = Place::new();
    let app = program(&place);
    sweep(&place, &["--in", "leak*"], &app);
    assert_eq!(outcomes(&result(&place)), BTreeSet::from(["leak".to_owned()]));
    assert_eq!(count(&result(&place), "runs"), 4);
    let ended = sweep(&place, &["--module", "libnothing.so*"], &app);
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("was made to fail"), "{}", ended.stderr);
}

#[test]
fn a_later_sweep_takes_the_new_stacks_and_those_of_the_findings() {
    let place = Place::new();
    let app = program(&place);
    sweep(&place, &[], &app);
    std::fs::rename(place.join("app.sweep.json"), place.join("before.json")).unwrap();
    // The same program rebuilt, with one function more and all lines moved.
    let source = PROGRAM.replace(
        "int main(void) {",
        "static APART char *fresh(void) { return malloc(50); }\nint main(void) {\n    free(fresh());",
    );
    let app = place.c("app", &format!("\n\n{source}"), &["-O0", "-g", "-fno-builtin"]);
    let before = place.join("before.json");
    sweep(&place, &["--modes", "once", "--since", before.to_str().unwrap()], &app);
    let result = result(&place);
    assert_eq!(count(&result, "points"), 5);
    // fresh; careless, which had a finding; and of leaky the second call, which had one.
    assert_eq!(count(&result, "runs"), 3, "{result}");
    let sizes = |result: &Value| -> BTreeSet<u64> {
        let runs = result["runs"].as_array().unwrap().iter();
        let points = runs.map(|run| run["points"][0].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>();
        let all = result["points"].as_array().unwrap().iter();
        let tried = all.filter(|point| points.contains(point["id"].as_str().unwrap()));
        tried.map(|point| point["bytes"].as_u64().unwrap()).collect()
    };
    assert_eq!(sizes(&result), BTreeSet::from([10, 30, 50]));
    // A call more in leaky: nobody knows which of the three is the new one.
    let source = PROGRAM.replace("    free(a);\n    return b;", "    free(malloc(60)); free(a);\n    return b;");
    let app = place.c("app", &source, &["-O0", "-g", "-fno-builtin"]);
    sweep(&place, &["--modes", "once", "--since", before.to_str().unwrap()], &app);
    assert_eq!(sizes(&self::result(&place)), BTreeSet::from([10, 20, 30, 60]));
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_ended() {
    let place = Place::new();
    let app = program(&place);
    let journal = place.join("journal");
    let options = ["--resume", journal.to_str().unwrap()];
    sweep(&place, &options, &app);
    let whole = std::fs::read_to_string(&journal).unwrap();
    assert_eq!(whole.lines().count(), 9);
    // As a sweep leaves it that was killed in the middle of a line.
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    std::fs::write(&journal, lines[..4].concat() + &lines[4][..20]).unwrap();
    let ended = sweep(&place, &options, &app);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    assert_eq!((count(&result(&place), "runs"), outcomes(&result(&place)).len()), (8, 2));
    let again = std::fs::read_to_string(&journal).unwrap();
    assert!(again.starts_with(&lines[..4].concat()));
    let other = place.c("other", PROGRAM, &["-O0", "-fno-builtin"]);
    let ended = sweep(&place, &options, &other);
    assert_eq!(ended.code(), Some(2));
    assert!(ended.stderr.contains("expected those of"), "{}", ended.stderr);
}

#[test]
fn json_lines_have_each_run_when_it_is_made_and_are_the_whole_result_at_the_end() {
    let place = Place::new();
    let app = program(&place);
    place.write("lines", "of an earlier sweep");
    let (lines, counts) = (place.join("lines"), place.join("counts"));
    let setup = format!("sleep 0.1; grep -c '^{{\"run\"' {} >>{}", lines.display(), counts.display());
    let out = format!("jsonl:{}", lines.display());
    sweep(&place, &["--jobs", "1", "--setup", &setup, "--repeat", "1", "--out", &out], &app);
    let text = std::fs::read_to_string(&counts).unwrap();
    let counts: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    // Two runs without a failure find the earlier file, then come 8 with one, and the two findings again. Names of new
    // stacks let lines wait for a while.
    assert_eq!((counts.len(), &counts[..2], &counts[10..]), (12, &[0, 0][..], &[8, 8][..]), "{counts:?}");
    assert!(counts.is_sorted() && counts[9] >= 1, "{counts:?}");
    let report = place.job(How::Native, &pair().command).arg("report").arg(&lines).args(["--out", "json:whole"]).run();
    assert_eq!(report.code(), Some(0), "{}", report.stderr);
    assert_eq!(read_json(&place.join("whole")), result(&place));
    let ended = sweep(&place, &["--out", "jsonl:-"], &app);
    assert!(ended.stdout.starts_with("{\"sweep\":") && !ended.stdout.contains("SWEEP SUMMARY"), "{}", ended.stdout);
    assert!(ended.stdout.lines().last().unwrap().starts_with("{\"coverage\":"), "{}", ended.stdout);
}

#[test]
fn commands_around_each_run_and_one_that_judges_it() {
    let place = Place::new();
    let app = program(&place);
    // In the working directory, it would be taken for a file of the program's while runs are made side by side.
    std::fs::create_dir(place.join("aside")).unwrap();
    let log = place.join("aside/log");
    let setup = format!("echo setup >>{}; echo x >$TMPDIR/seed", log.display());
    let teardown = format!("test -f $TMPDIR/seed && echo down >>{}", log.display());
    // Nothing is right but an output of six bytes.
    let oracle = "test $(wc -c <$MEMTRACE_STDOUT) = 6";
    let options = ["--setup", &setup, "--teardown", &teardown, "--oracle", oracle, "--modes", "once", "--repeat", "0"];
    let job = place.job(How::Native, &pair().command).arg("sweep").arg("-o").arg(place.join("app.sweep.json"));
    let ended = job.args(options).arg("--").arg(&app).input("hello\n").patience(Duration::from_secs(90)).run();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!((text.matches("setup").count(), text.matches("down").count()), (6, 6), "{text}");
    assert!(!outcomes(&result(&place)).contains("silent-wrong"));
    let wrong = ["--oracle", "false", "--modes", "once", "--repeat", "1"];
    sweep(
        &place,
        &wrong,
        &place.c(
            "calm",
            "#include <stdlib.h>\nint main(void) { free(malloc(9)); return 0; }",
            &["-O0", "-fno-builtin"],
        ),
    );
    assert_eq!(outcomes(&result(&place)), BTreeSet::from(["silent-wrong".to_owned()]));
}

#[test]
fn a_finding_is_repeated_by_its_id_and_by_the_environment_alone() {
    let place = Place::new();
    let app = program(&place);
    sweep(&place, &[], &app);
    let result = result(&place);
    let findings = result["findings"].as_array().unwrap();
    let crash = findings.iter().find(|finding| finding["outcome"] == "null-dereference").unwrap();
    let id = crash["id"].as_str().unwrap();
    let repro = |options: &[&str]| {
        let job = place.job(How::Native, &pair().command).args(["repro", id]).args(options.iter().copied());
        job.arg("--from").arg(place.join("app.sweep.json")).run()
    };
    assert_eq!(repro(&[]).signal(), Some(libc::SIGSEGV));
    let printed = repro(&["--print"]);
    assert_eq!(printed.stdout.trim(), crash["repeat"]["plain"].as_str().unwrap());
    let ended = place.job(How::Native, "/bin/sh").args(["-c", &format!("{}; exit $?", printed.stdout.trim())]).run();
    assert_eq!(ended.code(), Some(128 + libc::SIGSEGV), "{}", ended.stderr);
    let gdb = repro(&["--gdb", "--print"]);
    assert!(gdb.stdout.starts_with("gdb ") && gdb.stdout.contains("MALLOC_FAIL_ACTION trap"), "{}", gdb.stdout);
    assert_eq!(place.job(How::Native, &pair().command).args(["repro", "ffff"]).run().code(), Some(2));
}

#[test]
fn a_file_that_is_no_result_is_not_written_over() {
    let place = Place::new();
    let app = program(&place);
    place.write("app.sweep.json", "precious");
    let ended = sweep(&place, &[], &app);
    assert_eq!(ended.code(), Some(3));
    assert!(ended.stderr.contains("no result of a sweep"), "{}", ended.stderr);
    assert_eq!(place.read("app.sweep.json"), "precious");
}

#[test]
fn nothing_is_left_behind() {
    let place = Place::new();
    // A child that outlives its parent, in a session of its own, and a file in TMPDIR.
    let source = r#"
        #include <fcntl.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            char name[300];
            snprintf(name, sizeof name, "%s/left", getenv("TMPDIR"));
            close(open(name, O_CREAT | O_WRONLY, 0600));
            if (fork() == 0) { setsid(); for (;;) pause(); }
            free(malloc(9));
            return 0;
        }"#;
    let app = place.c(&place.unused_name(), source, &["-O0", "-fno-builtin"]);
    let temporary = place.join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let job = place.job(How::Native, &pair().command).args(["sweep", "--modes", "once", "--"]).arg(&app);
    let ended = job.env("TMPDIR", &temporary).patience(Duration::from_secs(90)).run();
    assert_eq!(ended.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(is_living(&std::env::current_exe().unwrap()) && !is_living(&app));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

/// Whether a process has this file for its program.
fn is_living(program: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == program))
}

/// After the failure it works for half a second; three others want the same processor.
#[test]
fn a_run_that_waits_for_a_processor_is_no_hang() {
    const BUSY: &str = r#"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    void *block = malloc(10);
    if (block == NULL) {
        while (clock() < CLOCKS_PER_SEC / 2) { }
        write(2, "no memory\n", 10);
        return 1;
    }
    free(block);
    return 0;
}
"#;
    let place = Place::new();
    let app = place.c("app", BUSY, &["-O1", "-fno-builtin"]);
    let script = format!(
        "for other in 1 2 3; do while :; do :; done & done; trap 'kill $(jobs -p)' EXIT\n\
         {} sweep --timeout 1s --jobs 1 -o app.sweep.json -- {}",
        pair().command.display(),
        app.display()
    );
    let job = place.job(How::Native, "/usr/bin/taskset").args(["-c", "0", "bash", "-c", &script]);
    let ended = job.patience(Duration::from_secs(90)).run();
    assert_eq!(ended.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(count(&result(&place), "findings"), 0, "{}", ended.stdout);
}
