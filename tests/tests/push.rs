//! `memtrace push`: whatever the store does, nothing is lost.
//!
//! The store is a process of its own, so that it can be killed in the middle of a request and started again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use memtrace_tests::{Ended, How, PATIENCE, Place, pair};

/// Keeps each body in a file named by its key before it answers. `plan` has what it does with the requests one after the
/// other: a status, `die` (reads half and is gone), `keep` (keeps the body and is gone without an answer); then 200 for ever.
const STORE: &str = r#"
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
port, kept, plan = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
class Store(BaseHTTPRequestHandler):
    def do_POST(self):
        step = plan.pop(0) if plan else "200"
        length = int(self.headers["Content-Length"])
        if step == "die":
            self.rfile.read(length // 2)
            os._exit(9)
        body = self.rfile.read(length)
        with open(os.path.join(kept, "log"), "a") as log:
            head = [self.path, self.headers["Content-Type"], self.headers.get("X-Scope", "-")]
            log.write(" ".join([step, *head]) + "\n")
        if step in ("200", "204", "keep"):
            with open(os.path.join(kept, "body." + self.headers["Idempotency-Key"]), "wb") as to:
                to.write(body)
        if step == "keep":
            os._exit(9)
        self.send_response(int(step))
        if step == "503":
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
class Server(HTTPServer):
    allow_reuse_address = True
server = Server(("127.0.0.1", port), Store)
print("ready", flush=True)
server.serve_forever()
"#;

/// A place with files to send, and a port that nobody has.
struct Work {
    place: Place,
    port: u16,
}

/// A store that goes away with the test.
struct Store(Child);

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Work {
    fn new() -> Work {
        let place = Place::new();
        place.write("store.py", STORE);
        for directory in ["kept", "spool"] {
            std::fs::create_dir(place.join(directory)).expect("the place can be written to");
        }
        for number in 0..5 {
            place.write(&format!("profile.{number}"), &format!("{number}").repeat(100_000 + number));
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port is free").port();
        Work { place, port }
    }

    fn store(&self, plan: &[&str]) -> Store {
        let mut command = Command::new("python3");
        command.arg(self.place.join("store.py")).arg(self.port.to_string()).arg(self.place.join("kept")).args(plan);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("python3 is there");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is a pipe")).read_line(&mut line).expect("it can be read");
        assert_eq!(line, "ready\n");
        Store(child)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/ingest?name=app", self.port)
    }

    fn push(&self, words: &[&str], files: &[&str]) -> Ended {
        let spool = self.place.join("spool").display().to_string();
        let job = self.place.job(How::Native, &pair().command).args(["push", &self.url(), "--spool", &spool]);
        job.args(words.iter().copied()).args(files.iter().copied()).patience(5 * PATIENCE).run()
    }

    fn waiting(&self) -> usize {
        let entries = std::fs::read_dir(self.place.join("spool")).expect("it is there").flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".push")).count()
    }

    /// What the store has, by key.
    fn kept(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(self.place.join("kept")).expect("it is there").flatten();
        let bodies = entries.filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().strip_prefix("body.")?.to_owned();
            Some((name, std::fs::read(entry.path()).expect("it can be read")))
        });
        bodies.collect()
    }

    /// That the store has exactly these files, each under one key, and nothing waits.
    fn has(&self, files: &[&str]) {
        let mut expected: Vec<Vec<u8>> = files.iter().map(|file| self.place.read(file).into_bytes()).collect();
        expected.sort();
        let mut found: Vec<Vec<u8>> = self.kept().into_values().collect();
        found.sort();
        assert!(found == expected, "{} files of {}", found.len(), expected.len());
        assert_eq!(self.waiting(), 0);
    }

    fn log(&self) -> String {
        self.place.read("kept/log")
    }
}

#[test]
fn files_come_as_they_are_with_the_users_headers() {
    let work = Work::new();
    let _store = work.store(&["200", "204"]);
    work.place.write("profile.json", "{\"format\": 1}");
    let ended = work.push(&["--header", "X-Scope: team"], &["profile.0", "profile.json"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, format!("memtrace: 2 files delivered to {}\n", work.url()));
    work.has(&["profile.0", "profile.json"]);
    let line = |status: &str, kind: &str| format!("{status} /ingest?name=app {kind} team\n");
    assert_eq!(work.log(), line("200", "application/octet-stream") + &line("204", "application/json"));
}

#[test]
fn profiles_are_pushed_in_another_profilers_format() {
    let work = Work::new();
    let program = work.place.compile(&memtrace_tests::workspace().join("examples/leak.c"), "leak", &["-g"]);
    let ran = work.place.job(How::Run, &program).record();
    let [profile] = &ran.profiles[..] else { panic!("{}", ran.stderr) };
    let profile = profile.to_str().expect("names here are texts");
    let exported = work.place.join("leak.pb.gz").display().to_string();
    let export =
        work.place.job(How::Native, &pair().command).args(["export", profile, "--to", "pprof", "-o", &exported]);
    assert_eq!(export.run().code(), Some(0));
    let _store = work.store(&[]);
    let ended = work.push(&["--to", "pprof"], &[profile]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let kept: Vec<Vec<u8>> = work.kept().into_values().collect();
    assert!(kept == [std::fs::read(exported).expect("it was written")], "what was pushed is what export writes");
    // Nothing of two files is kept if one of them is no profile, and a format of one process is none for a push.
    for words in [["--to", "pprof"], ["--to", "dhat"]] {
        let ended = work.push(&words, &["profile.0"]);
        assert_eq!((ended.code(), work.waiting()), (Some(2), 0), "{}", ended.stderr);
    }
}

#[test]
fn what_a_store_that_is_not_there_does_not_take_is_kept_and_sent_by_the_next_push() {
    let work = Work::new();
    let began = Instant::now();
    let ended = work.push(&["--for", "1s"], &["profile.0", "profile.1"]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(20), "it goes on when its time is up");
    assert!(ended.stderr.starts_with("memtrace: 2 files are not delivered to http://"), "{}", ended.stderr);
    assert_eq!((work.waiting(), work.kept().len()), (2, 0));
    // The files themselves may be gone by now.
    std::fs::remove_file(work.place.join("profile.1")).expect("it is there");
    let _store = work.store(&[]);
    let ended = work.push(&[], &["profile.2"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    work.place.write("profile.1", &"1".repeat(100_001));
    work.has(&["profile.0", "profile.1", "profile.2"]);
}

#[test]
fn a_store_that_is_killed_in_a_request_and_started_again_gets_every_file() {
    let work = Work::new();
    let files: Vec<String> = (0..5).map(|number| format!("profile.{number}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut store = work.store(&["200", "die"]);
    std::thread::scope(|scope| {
        let push = scope.spawn(|| work.push(&["--for", "10m"], &files));
        // It has the first file and dies in the second; then it keeps the second, and dies before it says so.
        store.0.wait().expect("it dies");
        let mut store = work.store(&["keep"]);
        store.0.wait().expect("it dies again");
        let _store = work.store(&["503", "500", "429"]);
        let ended = push.join().expect("it ends");
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    });
    work.has(&files);
    let statuses: Vec<String> =
        work.log().lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(statuses, ["200", "keep", "503", "500", "429", "200", "200", "200", "200"]);
}

#[test]
fn a_push_that_is_killed_itself_has_lost_nothing() {
    let work = Work::new();
    let spool = work.place.join("spool");
    let mut command = Command::new(&pair().command);
    command.args(["push", &work.url(), "--for", "1m", "--spool"]).arg(&spool).current_dir(work.place.path());
    let mut push = command.args(["profile.0", "profile.1", "profile.2"]).spawn().expect("it is there");
    let until = Instant::now() + PATIENCE;
    while work.waiting() < 3 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    push.kill().expect("it runs");
    push.wait().expect("it was started");
    let _store = work.store(&[]);
    let ended = work.push(&[], &[]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    work.has(&["profile.0", "profile.1", "profile.2"]);
}

#[test]
fn what_the_store_does_not_want_is_kept_and_holds_nothing_up() {
    let work = Work::new();
    let _store = work.store(&["400"]);
    let ended = work.push(&[], &["profile.0", "profile.1"]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("memtrace: 1 file delivered") && ended.stderr.contains("status 400"),
        "{}",
        ended.stderr
    );
    assert_eq!((work.waiting(), work.kept().len()), (1, 1));
    let ended = work.push(&[], &[]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    work.has(&["profile.0", "profile.1"]);
}

#[test]
fn a_password_in_the_url_is_not_shown() {
    let work = Work::new();
    let url = work.url().replace("http://", "http://me:secret@");
    let spool = work.place.join("spool").display().to_string();
    let push = |file: &str| {
        let job =
            work.place.job(How::Native, &pair().command).args(["push", &url, "--spool", &spool, "--for", "1s", file]);
        job.patience(PATIENCE).run()
    };
    let ended = push("profile.0");
    assert!(ended.code() == Some(3) && !ended.stderr.contains("secret"), "{}", ended.stderr);
    assert_eq!(work.waiting(), 1);
    let _store = work.store(&[]);
    let ended = push("profile.1");
    assert!(ended.code() == Some(0) && !ended.stderr.contains("secret"), "{}", ended.stderr);
    work.has(&["profile.0", "profile.1"]);
}

#[test]
fn many_at_once_share_a_spool_and_each_file_arrives_once() {
    let work = Work::new();
    let _store = work.store(&[]);
    let ends: Vec<Option<i32>> = std::thread::scope(|scope| {
        let work = &work;
        let push = move |number: usize| work.push(&[], &[&format!("profile.{number}")]).code();
        let all: Vec<_> = (0..5).map(|number| scope.spawn(move || push(number))).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    assert_eq!(ends, [Some(0); 5]);
    work.has(&["profile.0", "profile.1", "profile.2", "profile.3", "profile.4"]);
    assert_eq!(work.log().lines().count(), 5);
}

#[test]
fn wrong_use_is_told_before_anything_is_kept() {
    let work = Work::new();
    let spool = work.place.join("spool").display().to_string();
    for (words, said) in [
        (vec!["store:4040", "profile.0"], "expected"),
        (vec!["http://127.0.0.1:1/", "nowhere"], "cannot read `nowhere`: no such file"),
        (vec!["http://127.0.0.1:1/", "--header", "x", "profile.0"], "expected `Name: value`"),
    ] {
        let job = work.place.job(How::Native, &pair().command).args(["push", "--spool", &spool]);
        let ended = job.args(words.iter().copied()).run();
        assert!(ended.code() == Some(2) && ended.stderr.contains(said), "{words:?}: {}", ended.stderr);
    }
    assert_eq!(work.waiting(), 0);
}
