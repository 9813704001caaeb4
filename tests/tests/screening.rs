//! `memtrace sweep --accel snapshot`: stacks fail in copies of the process first, which say what comes first, and which
//! nobody notices.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use memtrace_tests::{Ended, How, Json as Value, Place, pair, read_json, side_by_side, workspace};

const HEAD: &str = r#"
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#define APART __attribute__((noinline))
static APART int harmless(int size) { char *p = malloc(size); int is_there = p != NULL; free(p); return is_there; }
"#;

fn sweep(place: &Place, options: &[&str], program: &Path) -> (Ended, Value) {
    let file = place.join("app.sweep.json");
    let _ = std::fs::remove_file(&file);
    let job = place.job(How::Native, &pair().command).arg("sweep").arg("-o").arg(&file);
    let job = job.args(options.iter().copied()).arg("--").arg(program);
    let ended = job.input("one\ntwo\nthree\n".repeat(1000)).patience(Duration::from_secs(120)).run();
    let result = if file.is_file() { read_json(&file) } else { Value::Null };
    (ended, result)
}

fn app(place: &Place, source: &str) -> std::path::PathBuf {
    place.c("app", &format!("{HEAD}{source}"), &["-O0", "-g", "-fno-builtin", "-pthread"])
}

/// What came of the copies of the points whose first call asks for so many bytes.
fn screens(result: &Value, bytes: u64) -> BTreeSet<String> {
    let points = result["points"].as_array().unwrap().iter().filter(|point| point["bytes"] == bytes);
    points.map(|point| point["screen"].as_str().unwrap_or("none").to_owned()).collect()
}

fn screen(result: &Value, bytes: u64) -> String {
    screens(result, bytes).into_iter().collect::<Vec<_>>().join(", ")
}

/// `{}`.
fn nothing() -> Value {
    Value::Object(Default::default())
}

fn notes(result: &Value) -> Vec<&str> {
    result["notes"].as_array().unwrap().iter().filter_map(|note| note.as_str()).collect()
}

/// Whether a process has this file for its program.
fn is_living(program: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == program))
}

fn findings(result: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = result["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["id"]), text(&finding["title"]))).collect()
}

/// Twenty that do no harm, one that ends with an error, and one that crashes, deep.
const DEEP: &str = r#"
static APART void crash(void) { char *p = malloc(66); p[0] = 'c'; free(p); }
static APART void deeper(void) { crash(); }
static APART void deep(void) { deeper(); }
int main(void) {
    harmless(1); harmless(2); harmless(3); harmless(4); harmless(5); harmless(6); harmless(7); harmless(8);
    harmless(9); harmless(10); harmless(11); harmless(12); harmless(13); harmless(14); harmless(15); harmless(16);
    harmless(17); harmless(18); harmless(19); harmless(20);
    if (!harmless(55)) { write(2, "no memory\n", 10); return 1; }
    deep();
    harmless(44);
    return 0;
}
"#;

#[test]
fn a_crash_that_is_deep_comes_first_and_then_what_ended_with_an_error() {
    let place = Place::new();
    let app = app(&place, DEEP);
    let runs = |result: &Value| -> Vec<String> {
        let runs = result["runs"].as_array().unwrap().iter();
        runs.map(|run| format!("{} {}", run["mode"].as_str().unwrap(), run["outcome"].as_str().unwrap())).collect()
    };
    let (_, plain) = sweep(&place, &["--jobs", "1"], &app);
    let crash = runs(&plain).iter().position(|run| run == "once null-dereference").unwrap();
    assert!(crash >= 20 && plain.get("screening").is_none(), "{crash}");
    let (ended, result) = sweep(&place, &["--jobs", "1", "--accel", "snapshot", "--out", "jsonl:lines"], &app);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    assert_eq!(runs(&result)[..3], ["once null-dereference", "once clean-error", "once tolerated"]);
    let forever = runs(&result).iter().position(|run| run.starts_with("forever")).unwrap();
    assert_eq!(runs(&result)[forever], "forever null-dereference");
    assert_eq!([66, 55, 44].map(|bytes| screen(&result, bytes)), ["signal", "status", "clean"]);
    let screening = &result["screening"];
    assert_eq!((&screening["screened"], &screening["suspicious"]), (&23.into(), &2.into()), "{screening}");
    assert_eq!(findings(&result), findings(&plain));
    assert_eq!(notes(&result), notes(&plain));
    assert!(ended.stdout.contains("screened by copies of the process: 23 stacks, 2 of which come first ("));
    // The first run is the first line of one, and the lines are the whole result.
    let text = place.read("lines");
    assert!(text.lines().find(|line| line.starts_with("{\"run\"")).unwrap().contains("null-dereference"));
    assert!(text.starts_with("{\"sweep\":") && text.lines().next().unwrap().contains("\"screening\":{\"screened\":23"));
    let report = place.job(How::Native, &pair().command).args(["report", "lines", "--out", "json:whole"]).run();
    assert_eq!(report.code(), Some(0), "{}", report.stderr);
    assert_eq!(read_json(&place.join("whole")), result);
}

#[test]
fn what_a_copy_would_disturb_is_not_copied_and_the_reason_is_counted() {
    let thread = r#"
        static void *wait_there(void *until) { pthread_mutex_lock(until); return NULL; }
        static void begin(void) {
            static pthread_mutex_t until = PTHREAD_MUTEX_INITIALIZER;
            pthread_t thread;
            pthread_mutex_lock(&until);
            pthread_create(&thread, NULL, wait_there, &until);
        }"#;
    let child = r#"
        static pid_t child;
        static void begin(void) { child = fork(); if (child == 0) { for (;;) pause(); } }
        static void __attribute__((destructor)) end(void) { if (child > 0) kill(child, SIGKILL); }"#;
    let writing = r#"
        static void begin(void) {
            char name[400];
            snprintf(name, sizeof name, "%s/scratch", getenv("TMPDIR"));
            open(name, O_CREAT | O_RDWR, 0600);
            unlink(name);
        }"#;
    let filter = r#"
        static void begin(void) {
            struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
            struct sock_fprog program = { 1, all };
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
        }"#;
    let shared =
        "static void begin(void) { mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }";
    let cases = [
        ("threads", thread),
        ("children", child),
        ("channel", "static void begin(void) { static int ends[2]; pipe(ends); }"),
        ("channel", "static void begin(void) { static int ends[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, ends); }"),
        ("channel", "static void begin(void) { epoll_create1(0); }"),
        ("writing", writing),
        ("shared-memory", shared),
        ("filter", filter),
    ];
    let wrong = side_by_side(&cases, |(reason, begin)| {
        let place = Place::new();
        let app = app(&place, &format!("{begin}\nint main(void) {{ harmless(33); begin(); harmless(44); return 0; }}"));
        let (ended, result) = sweep(&place, &["--accel", "snapshot", "--modes", "once", "--repeat", "0"], &app);
        let found = (screen(&result, 33), screen(&result, 44));
        let is_counted = result["screening"]["not_screened"][*reason].as_u64().is_some_and(|count| count >= 1);
        let is_told = ended.stdout.contains("\n  not screened: ");
        let is_right = found == ("clean".to_owned(), (*reason).to_owned()) && is_counted && is_told;
        if is_right {
            Vec::new()
        } else {
            vec![format!("{reason}: {found:?} {}\n{}\n", result["screening"], ended.stdout)]
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// Looks at everything that a copy could change, and does in each copy what changes most.
const NOTICED: &str = r#"
static int told;
static void on_child(int signal) { told++; }
static const char *stray(void) {
    static char name[400];
    snprintf(name, sizeof name, "%s/stray", getenv("TMPDIR"));
    return name;
}
static APART void ruin(const char *why) {
    char line[4096];
    int fd;
    while (read(0, line, sizeof line) > 0) {}
    printf("ruin of %s\n", why);
    fflush(stdout);
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            usleep(400000);
            close(open(stray(), O_CREAT | O_WRONLY, 0600));
            for (;;) pause();
        }
        pause();
    }
    while ((fd = open("/dev/null", O_RDONLY)) < 60 && fd >= 0) {}
    execl("/bin/sh", "sh", "-c", "sleep 100 & exit 7", NULL);
}
static APART void *careful(int size) { void *p = malloc(size); if (p == NULL) ruin("careful"); return p; }
static APART void group(void) {
    void *p = malloc(78);
    if (p == NULL) { kill(0, SIGTERM); pause(); }
    free(p);
}
int main(void) {
    char line[100];
    long lines = 0, sum = 0;
    struct sigaction action = { .sa_handler = on_child };
    sigaction(SIGCHLD, &action, NULL);
    DIR *all = opendir("/proc/self");
    struct dirent *entry;
    int entries = 0;
    while ((entry = readdir(all)) != NULL) {
        if (entries++ % 8 == 0) free(careful(100 + entries % 2));
    }
    closedir(all);
    for (;;) {
        int bytes = read(0, line, 7);
        if (bytes <= 0) break;
        sum += bytes;
        if (lines++ % 500 == 0) free(careful(11));
        if (lines == 1000) free(careful(77));
    }
    printf("%ld reads, %ld bytes\n", lines, sum);
    free(careful(88));
    group();
    printf("children told %d, left %d, first fd %d\n", told, waitpid(-1, NULL, WNOHANG), open("/dev/null", O_RDONLY));
    usleep(600000);
    printf("entries %d, stray %d\n", entries, access(stray(), F_OK));
    return 0;
}
"#;

#[test]
fn a_process_does_not_notice_its_copies_and_nothing_of_them_is_left() {
    let place = Place::new();
    let app = place.c(&place.unused_name(), &format!("{HEAD}{NOTICED}"), &["-O0", "-g", "-fno-builtin"]);
    let (ended, result) =
        sweep(&place, &["--accel", "snapshot", "--modes", "once", "--repeat", "0", "--timeout", "3s"], &app);
    assert!(ended.code().is_some(), "{}", ended.stderr);
    assert_eq!(notes(&result), Vec::<&str>::new());
    assert_eq!(screen(&result, 77), "status");
    assert_eq!(screen(&result, 78), "signal");
    assert_eq!(result["screening"]["not_screened"], nothing(), "{}", result["screening"]);
    assert!(!is_living(&app));
}

#[test]
fn a_copy_keeps_the_threads_identity_and_memory_and_one_that_hangs_is_ended() {
    let source = r#"
        static pthread_mutex_t twice = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
        static APART void locked(void) {
            pthread_mutex_lock(&twice);
            void *p = malloc(33);
            // A thread of another id would wait for itself.
            pthread_mutex_lock(&twice);
            pthread_mutex_unlock(&twice);
            pthread_mutex_unlock(&twice);
            free(p);
        }
        static APART void waits(void) { void *p = malloc(44); if (p == NULL) for (;;) pause(); free(p); }
        static APART void spins(void) { void *p = malloc(55); if (p == NULL) for (;;) {} free(p); }
        int main(void) {
            // No fork child gets it, but a copy does.
            char *kept = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            madvise(kept, 4096, MADV_DONTFORK);
            locked(); harmless(22); waits(); spins();
            return kept[0];
        }"#;
    let place = Place::new();
    let app = app(&place, source);
    let options = ["--accel", "snapshot", "--modes", "once", "--repeat", "0", "--timeout", "1s", "--jobs", "1"];
    let (_, result) = sweep(&place, &options, &app);
    assert_eq!([33, 44, 55].map(|bytes| screen(&result, bytes)), ["clean", "hang", "hang"]);
    let first: Vec<&str> =
        result["runs"].as_array().unwrap().iter().map(|run| run["outcome"].as_str().unwrap()).collect();
    assert_eq!(first[..3], ["hang-deadlocked", "hang-spinning", "tolerated"]);
    assert!(result["screening"]["time_ms"].as_u64().is_some_and(|time_ms| (400..20_000).contains(&time_ms)));
}

#[test]
fn a_sweep_that_is_interrupted_while_stacks_are_screened_ends_at_once() {
    let source = r#"
        static APART void hangs(void) { void *p = malloc(9); if (p == NULL) for (;;) pause(); free(p); }
        #define TEN(x) x x x x x x x x x x
        int main(void) { TEN(TEN(hangs();)) return 0; }"#;
    let place = Place::new();
    let app = place.c(&place.unused_name(), &format!("{HEAD}{source}"), &["-O0", "-fno-builtin"]);
    let begin = std::time::Instant::now();
    let job = place.job(How::Native, "timeout").args(["-s", "INT", "-k", "60", "3"]).arg(&pair().command);
    let ended = job.args(["sweep", "--accel", "snapshot", "--"]).arg(&app).run();
    // All copies together take twenty seconds.
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
    assert!(ended.stderr.contains("ended by signal 2"), "{}", ended.stderr);
    assert!(!is_living(&app));
}

#[test]
fn a_program_that_a_copy_becomes_makes_no_copies() {
    // Each would become it again.
    let source = r#"
        int main(int count, char **arguments) {
            if (!harmless(33)) execv("/proc/self/exe", arguments);
            return 0;
        }"#;
    let place = Place::new();
    let app = app(&place, source);
    let (_, result) = sweep(&place, &["--accel", "snapshot", "--modes", "once", "--repeat", "0"], &app);
    assert_eq!(screen(&result, 33), "clean");
    assert_eq!(result["screening"]["screened"], 1);
}

#[test]
fn what_was_open_before_the_program_is_no_obstacle() {
    let place = Place::new();
    // Read in the copy, it would be gone.
    let app = app(
        &place,
        r#"
        int main(void) {
            char byte = '?';
            char *p = malloc(33);
            read(7, &byte, 1);
            if (p == NULL) return 0;
            free(p);
            return byte == 'x' || byte == '?' ? 0 : 9;
        }"#,
    );
    let command = pair().command.display().to_string();
    let script = format!(
        "printf xxxxxxxxxxxxxxxx | {{ {command} sweep --accel snapshot --repeat 0 --modes once -o r -- {} 7<&0 </dev/null; }}",
        app.display()
    );
    let ended = place.job(How::Native, "/bin/sh").args(["-c", &script]).run();
    let result = read_json(&place.join("r"));
    assert_eq!(screen(&result, 33), "clean", "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_program_that_writes_to_the_working_directory_is_not_screened() {
    let place = Place::new();
    let app = app(
        &place,
        r#"
        int main(void) { harmless(33); close(open("out", O_CREAT | O_WRONLY | O_APPEND, 0600)); unlink("gone"); write(open("out", O_WRONLY | O_TRUNC), "x", 1); return 0; }"#,
    );
    let (_, result) = sweep(&place, &["--accel", "snapshot", "--modes", "once"], &app);
    assert_eq!(screen(&result, 33), "not-reached");
    assert!(notes(&result).iter().any(|note| note.contains("nothing was screened")), "{:?}", notes(&result));
}

#[test]
fn copies_change_no_finding() {
    let directory = workspace().join("examples/safe_malloc");
    let main = directory.join("main.c");
    let head = std::fs::read_to_string(&main).unwrap();
    let sources = head.lines().find_map(|line| line.strip_prefix("// sources: main.c ")).unwrap().split(' ');
    let others: Vec<String> = sources.map(|name| directory.join(name).display().to_string()).collect();
    let mut flags = vec!["-O0", "-fno-builtin", "-pthread", "-DOOM_RETURNS_NULL"];
    flags.extend(others.iter().map(String::as_str));
    let place = Place::new();
    let reviewed = place.compile(&main, "reviewed", &flags);
    let ls = std::path::PathBuf::from("/bin/ls");
    for (program, options) in [(&reviewed, &["--timeout", "2s"][..]), (&ls, &["--order", "1"][..])] {
        let swept = |accel: &[&str]| sweep(&place, &[options, &["--repeat", "0"], accel].concat(), program).1;
        let (plain, screened) = (swept(&[]), swept(&["--accel", "snapshot"]));
        assert!(
            screened["screening"]["screened"].as_u64().is_some_and(|count| count >= 4),
            "{}",
            screened["screening"]
        );
        assert_eq!(findings(&screened), findings(&plain), "{}", program.display());
        assert_eq!(screened["outcomes"], plain["outcomes"], "{}", program.display());
    }
}
