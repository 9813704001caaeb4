//! Programs that are hostile but legal behave as without memtrace, and what they plant is found.
//!
//! Each file of `hosts/` is one case. It runs natively, with the library preloaded, and under `memtrace run`: stdout,
//! status and what it says itself on stderr must be the same. `planted` loses 7 blocks of 4,321 bytes: where live
//! blocks were classified, they are definitely lost, or what `held` says. The head says:
//!
//! ```text
//!   // case: what the program does          // planted: yes | run (not where no code of ours runs at the end) | no
//!   // status: 3   // status: SIGKILL       // env: NAME=VALUE       // flags: -pthread
//!   // held: WHY       some of the planted blocks are still reachable
//!   // possible: WHY   some of them are possibly lost
//!   // says: TEXT      on stderr, of ours   // library: a.so parts/a.c -DX      // program: parts/a.c   ($1 of a script)
//! ```
//!
//! `MEMTRACE_TEST_HOST=NAME` chooses some, by a piece of their names (more with commas); `MEMTRACE_TEST_TIMES=N` repeats each.
//! `tests/hosts.sh` does so, and prints the table.

#[path = "hosts/head.rs"]
mod head;
#[path = "hosts/peers.rs"]
mod peers;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use head::Head;
use memtrace_tests::{Ended, How, Place, Process, read_profile, workspace};

/// Programs at work at a time.
const WORKERS: usize = 2;
/// How long a daemon's profile may take to come after the end of `memtrace run`.
const LATE: Duration = Duration::from_secs(10);
/// The slowest take some seconds; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(180);
/// What `planted` loses.
const PLANTED: (u64, u64) = (7 * 4321, 7);
/// What is said of it: by the command, and by the library where the command could not be started.
const PLANTED_TEXTS: [&str; 2] = [
    "30,247 bytes in 7 blocks are definitely lost\n    at planted ",
    "short report\n30,247 bytes in 7 blocks live at the end\n    at planted+",
];

#[test]
fn every_host_is_left_intact_and_its_planted_leak_is_found() {
    let files = hosts();
    memtrace_tests::pair();
    let times = std::env::var("MEMTRACE_TEST_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let next = AtomicUsize::new(0);
    let mut all: Vec<Found> = thread::scope(|scope| {
        let worker = || {
            let mut all = Vec::new();
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                // One that is not over in time must not hide what came of the others.
                all.extend(catch_unwind(|| check(file, times)).unwrap_or_else(|_| vec![Found::not_over(file)]));
            }
            all
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its panic has been printed")).collect()
    });
    all.sort_by(|one, other| one.host.cmp(&other.host));
    print(&all);
    for how in [How::Bare, How::Run] {
        let of = all.iter().filter(|found| found.how == how);
        let intact = of.clone().filter(|found| found.harm.is_none()).count();
        let asked = of.clone().filter(|found| found.planted.is_some()).count();
        let reported = of.clone().filter(|found| found.planted == Some(true)).count();
        println!("{how:?}: {intact} of {} left intact, planted leak found in {reported} of {asked}", of.count());
    }
    let mut wrong: Vec<&String> = all.iter().filter_map(|found| found.wrong()).collect();
    wrong.sort();
    let text: String = wrong.iter().map(|text| format!("\n{text}\n")).collect();
    assert!(wrong.is_empty(), "{} of {} runs are wrong:\n{text}", wrong.len(), all.len());
}

/// A row for each host: of how many runs it was left intact, and its leak found.
fn print(all: &[Found]) {
    println!("{:<36} {:>7} {:>16} {:>16}", "host", "native", "LD_PRELOAD", "run");
    for rows in all.chunk_by(|one, other| one.host == other.host) {
        let cell = |how| {
            let of: Vec<&Found> = rows.iter().filter(|found| found.how == how).collect();
            let intact = of.iter().filter(|found| found.harm.is_none()).count();
            let asked = of.iter().filter(|found| found.planted.is_some()).count();
            let found = of.iter().filter(|found| found.planted == Some(true)).count();
            let leak = if asked > 0 { format!(", {found}/{asked}") } else { String::new() };
            format!("{intact}/{}{leak}", of.len())
        };
        let host = rows.first().map_or("", |found| &found.host);
        println!("{host:<36} {:>7} {:>16} {:>16}", cell(How::Native), cell(How::Bare), cell(How::Run));
    }
}

/// What one way of running one host showed.
struct Found {
    host: String,
    how: How,
    /// How it differs from the native run.
    harm: Option<String>,
    /// Whether the planted leak was found; `None`: it is not asked for.
    planted: Option<bool>,
    /// What is missing otherwise.
    missing: Option<String>,
}

impl Found {
    fn not_over(file: &Path) -> Found {
        let harm = Some(format!("{}: not over in time, or not built: see above", name(file)));
        Found { host: name(file).to_owned(), how: How::Bare, harm, planted: None, missing: None }
    }

    fn wrong(&self) -> Option<&String> {
        self.harm.as_ref().or(self.missing.as_ref())
    }
}

fn hosts() -> Vec<PathBuf> {
    let chosen = std::env::var("MEMTRACE_TEST_HOST").unwrap_or_default();
    let entries = std::fs::read_dir(workspace().join("tests/hosts")).expect("hosts/ is there").flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| path.is_file());
    let mut files: Vec<PathBuf> =
        files.filter(|file| chosen.split(',').any(|piece| name(file).contains(piece))).collect();
    files.sort();
    assert!(!files.is_empty(), "no host is called `{chosen}`");
    files
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn check(file: &Path, times: usize) -> Vec<Found> {
    let head = Head::read(file);
    let place = Place::new();
    let (program, arguments) = build(&place, file, &head);
    let job = |how| {
        let job = place.job(how, &program).args(&arguments).patience(PATIENCE);
        head.variables.iter().fold(job, |job, (name, value)| job.env(name, value))
    };
    let native = job(How::Native).run();
    let mut all = vec![Found {
        host: name(file).to_owned(),
        how: How::Native,
        harm: unexpected(file, &head, &native),
        planted: None,
        missing: None,
    }];
    for how in [How::Bare, How::Run].repeat(times) {
        let ended = job(how).record();
        let say = |what: String| format!("{} {how:?}: {what}", name(file));
        let harm = difference(&native, &ended).map(|what| say(format!("{what}\n{}", indent(&ended.stderr))));
        let asked = head.planted == "yes" || head.planted == "run" && how == How::Run;
        let planted = asked.then(|| is_planted(&place, &head, &ended, how));
        let missing = match (&head.says, planted) {
            (_, Some(false)) => Some(say(format!("the planted leak is not reported\n{}", indent(&ended.stderr)))),
            (Some(text), _) if how == How::Bare && !ended.stderr.contains(text.as_str()) => {
                Some(say(format!("it does not say `{text}`\n{}", indent(&ended.stderr))))
            }
            _ => None,
        };
        all.push(Found { host: name(file).to_owned(), how, harm, planted, missing });
    }
    all
}

/// What is to be started, with its arguments.
fn build(place: &Place, file: &Path, head: &Head) -> (PathBuf, Vec<PathBuf>) {
    for library in &head.libraries {
        let [name, source, rest @ ..] = &library[..] else { panic!("`library:` has a name and a source") };
        let mut flags = vec!["-shared", "-fPIC"];
        flags.extend(rest.iter().map(String::as_str));
        place.compile(&file.with_file_name(source), name, &flags);
    }
    let part = head.program.as_ref().map(|part| place.compile(&file.with_file_name(part), "program", &[]));
    if file.extension().is_some_and(|ending| ending == "sh") {
        let arguments = std::iter::once(file.to_owned()).chain(part).collect();
        return (PathBuf::from("/bin/bash"), arguments);
    }
    let mut flags = vec!["-w"];
    flags.extend(head.flags.iter().map(String::as_str));
    (place.compile(file, "host", &flags), Vec::new())
}

/// A host that natively does not do what its head says proves nothing.
fn unexpected(file: &Path, head: &Head, native: &Ended) -> Option<String> {
    let status = match (native.code(), native.signal()) {
        (Some(code), _) => code.to_string(),
        (_, Some(libc::SIGABRT)) => "SIGABRT".to_owned(),
        (_, Some(libc::SIGKILL)) => "SIGKILL".to_owned(),
        (_, Some(libc::SIGSEGV)) => "SIGSEGV".to_owned(),
        (_, Some(libc::SIGTERM)) => "SIGTERM".to_owned(),
        (_, signal) => format!("{signal:?}"),
    };
    let expected = if head.status.is_empty() { "0" } else { &head.status };
    let is_right = (expected == "same" || status == expected) && native.stdout.ends_with("ok\n");
    (!is_right)
        .then(|| format!("{} Native: status {status}, not {expected}\n{}{}", name(file), native.stdout, native.stderr))
}

fn difference(native: &Ended, ended: &Ended) -> Option<String> {
    if (ended.code(), ended.signal()) != (native.code(), native.signal()) {
        return Some(format!("{}, natively {}; stdout {:?}", ended.status, native.status, ended.stdout));
    }
    if ended.stdout != native.stdout {
        return Some(format!("stdout is {:?}, natively {:?}", ended.stdout, native.stdout));
    }
    let is_said = native.stderr.lines().all(|line| ended.stderr.contains(line));
    (!is_said).then(|| format!("stderr does not hold {:?}", native.stderr))
}

/// Whether the leak is in the text or in a profile, that of a daemon included, which may come late.
fn is_planted(place: &Place, head: &Head, ended: &Ended, how: How) -> bool {
    let is_said = |text: &&str| ended.stderr.contains(*text);
    if how == How::Bare && PLANTED_TEXTS.iter().any(is_said) {
        return true;
    }
    let until = Instant::now() + LATE;
    loop {
        let profiles = place.files("profile-").into_iter().map(|file| place.join(&file));
        let of_this_run =
            profiles.filter(|path| ended.profiles.iter().any(|own| is_of(own, path)) || ended.profiles.is_empty());
        if of_this_run.flat_map(|path| read_profile(&path)).any(|process| leaks_the_planted(&process, head)) {
            return true;
        }
        if how == How::Bare || Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the blocks are in a process's profile: definitely lost, or live where nothing was classified.
fn leaks_the_planted(process: &Process, head: &Head) -> bool {
    let kinds = [("definite", true), ("reachable", head.is_held), ("possible", head.is_possible)];
    let kinds: Vec<&str> = kinds.iter().filter(|(_, is_meant)| *is_meant).map(|(kind, _)| *kind).collect();
    let found = match process.last_word() {
        Some(_) => kinds.iter().fold((0, 0), |(bytes, blocks), kind| {
            let of_kind = process.of_kind("planted", kind);
            (bytes + of_kind.0, blocks + of_kind.1)
        }),
        None => process.live("planted"),
    };
    found == PLANTED
}

/// Whether a profile has the name of this one, or this one with something behind it.
fn is_of(own: &Path, path: &Path) -> bool {
    name(path).starts_with(name(own).split(".json").next().unwrap_or_default())
}

fn indent(text: &str) -> String {
    text.lines().take(12).map(|line| format!("    {line}\n")).collect()
}

/// Programs that the loader keeps us out of are refused before they start, by name.
#[test]
fn what_cannot_be_traced_is_refused_by_name() {
    let place = Place::new();
    let source = "int main(void) { return 0; }";
    let whole = place.c("static", source, &["-static"]);
    let plain = place.c("plain", source, &[]);
    let set_id = place.c("setid", source, &[]);
    let changed = Command::new("chmod").arg("6755").arg(&set_id).status().expect("chmod is there");
    assert!(changed.success());
    let mut narrow = std::fs::read(&plain).expect("it was just built");
    // EI_CLASS: 32 bits.
    narrow[4] = 1;
    let other = place.script("other", "");
    std::fs::write(&other, narrow).expect("the place can be written to");
    let text = place.write("text", "no program");
    for (program, word) in
        [(&whole, "static"), (&other, "32"), (&text, "not executable"), (&place.join("none"), "none")]
    {
        let ended = place.job(How::Run, program).run();
        assert_eq!(ended.code(), Some(2), "{}: {}", ended.command, ended.stderr);
        assert!(ended.stderr.contains(word), "{}: {}", ended.command, ended.stderr);
        assert!(ended.stdout.is_empty());
    }
    // The owner of a set-id program gains nothing by it, and may trace it.
    let ended = place.job(How::Run, &set_id).run();
    assert!([Some(0), Some(2)].contains(&ended.code()), "{}", ended.stderr);
}
