//! The same hosts under other tools: how many they leave intact, and in how many they find what was planted.
//!
//! Ignored: it takes half an hour, and is no test of memtrace. `tests/hosts.sh -p` starts it; `MEMTRACE_TEST_PEER=NAME`: one of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::head::Head;
use super::{build, hosts, name};
use memtrace_tests::{Ended, How, Place, side_by_side};

/// As long as a host may take under valgrind.
const PATIENCE: Duration = Duration::from_secs(100);

/// Another tool.
struct Peer {
    name: &'static str,
    /// It is there if this is.
    needs: &'static str,
    /// Before the host; `%d` is a folder for what it writes.
    command: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// Reads what it wrote, `$1`.
    read: &'static str,
    /// What stands there when it has found the leak.
    found: &'static [&'static str],
}

const PEERS: &[Peer] = &[
    Peer {
        name: "heaptrack",
        needs: "/usr/bin/heaptrack",
        command: &["heaptrack", "-o", "%d/trace"],
        variables: &[],
        read: "for f in \"$1\"/trace*; do heaptrack_print -f \"$f\" -l 1 -T 0 -p 0 -a 0 2>/dev/null; done",
        found: &["leaked over 7 calls from"],
    },
    Peer {
        name: "valgrind",
        needs: "/usr/bin/valgrind",
        command: &["valgrind", "--trace-children=yes", "--leak-check=full", "--log-file=%d/log.%p"],
        variables: &[],
        read: "cat \"$1\"/log.*",
        found: &["30,247 bytes in 7 blocks are definitely lost"],
    },
    Peer {
        name: "LSan",
        needs: "/usr/lib/x86_64-linux-gnu/liblsan.so.0",
        command: &["env", "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/liblsan.so.0"],
        variables: &[("LSAN_OPTIONS", "exitcode=0:log_path=%d/log")],
        read: "cat \"$1\"/log.*",
        found: &["Direct leak of 30247 byte(s) in 7 object(s)"],
    },
];

#[test]
#[ignore = "it takes half an hour, and is about others"]
fn other_tools_on_the_same_hosts() {
    let files = hosts();
    let chosen: Vec<PathBuf> = files.into_iter().filter(|file| !name(file).starts_with("scale_live")).collect();
    let only = std::env::var("MEMTRACE_TEST_PEER").ok();
    for peer in PEERS.iter().filter(|peer| only.as_deref().is_none_or(|name| name == peer.name)) {
        if !Path::new(peer.needs).exists() {
            println!("{}: not installed", peer.name);
            continue;
        }
        let rows = side_by_side(&chosen, |file| vec![row(peer, file)]);
        let count = |mark: &str| rows.iter().filter(|row| row.contains(mark)).count();
        let (intact, asked) = (rows.len() - count("HARMED"), rows.len() - count("not asked"));
        rows.iter().filter(|row| row.contains("HARMED") || row.contains("MISSED")).for_each(|row| println!("{row}"));
        println!(
            "{}: {intact} of {} left intact, planted leak found in {} of {asked}",
            peer.name,
            rows.len(),
            count(": found")
        );
    }
}

/// What came of one host under one tool.
fn row(peer: &Peer, file: &Path) -> String {
    let head = Head::read(file);
    let place = Place::new();
    let (program, arguments) = build(&place, file, &head);
    let own = head.variables.iter().filter(|(name, _)| !name.starts_with("MEMTRACE_"));
    let native = place.job(How::Native, &program).args(&arguments).run();
    let directory = place.join("peer");
    std::fs::create_dir(&directory).expect("the place can be written to");
    let text = |word: &str| word.replace("%d", &directory.to_string_lossy());
    let mut job = place.job(How::Native, Path::new("/usr/bin/timeout")).args(["-s", "KILL", "90"]);
    job = job.args(peer.command.iter().map(|word| text(word))).arg(&program).args(&arguments).patience(PATIENCE);
    job = own.fold(job, |job, (name, value)| job.env(name, value));
    job = peer.variables.iter().fold(job, |job, (name, value)| job.env(name, text(value)));
    let ended = job.run();
    let harm = harm(&native, &ended).map_or(String::new(), |what| format!(" HARMED ({what})"));
    let read = place.job(How::Native, "/bin/bash").arg("-c").arg(peer.read).arg("bash").arg(&directory).run();
    let found = match (&head.planted[..], peer.found.iter().any(|text| read.stdout.contains(text))) {
        ("no", _) => "not asked",
        (_, true) => "found",
        (_, false) => "MISSED",
    };
    format!("{} {}: {found}{harm}", peer.name, name(file))
}

/// `timeout` tells a death by signal as 128 + signal, and so do tools that start the program themselves. What a tool
/// says on stdout beside the program is no harm.
fn harm(native: &Ended, ended: &Ended) -> Option<String> {
    let code = |ended: &Ended| ended.code().or(ended.signal().map(|signal| 128 + signal));
    if code(native) != code(ended) {
        return Some(format!("status {:?}, natively {:?}", code(ended), code(native)));
    }
    let is_said = native.stdout.lines().all(|line| ended.stdout.lines().any(|own| own == line));
    (!is_said).then(|| format!("stdout {:?}, natively {:?}", ended.stdout, native.stdout))
}
