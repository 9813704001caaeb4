//! Names on another machine than the one that recorded: from a bundle, a copy of its root, folders of debug files, a server.
//!
//! The other machine is this one once the program and its library are gone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use memtrace_tests::{Ended, How, Place, pair};

use crate::work::tool_path;

const LIBRARY: &str = "#include <stdlib.h>
__attribute__((noinline)) void *lose_in_library(int n) { char *p = malloc(n); p[0] = 1; return p; }
";
const PROGRAM: &str = "void *lose_in_library(int n);
static inline __attribute__((always_inline)) void helper(void) { lose_in_library(123); }
int main(void) { helper(); return 0; }
";
/// All names, with the inlined call.
const NAMED: &str = "    at lose_in_library (liblose.so.c:2)\n    by helper (uses.c:2)\n    by main (uses.c:3)\n";

/// A recording, and the program and its library in a folder beside.
struct Elsewhere {
    place: Place,
    recording: PathBuf,
    /// Where the two are now.
    kept: PathBuf,
}

impl Elsewhere {
    /// `is_stripped`: their debug information is apart, below `debug`, by build-id.
    fn new(is_stripped: bool) -> Elsewhere {
        let place = Place::new();
        place.c("liblose.so", LIBRARY, &["-fno-builtin", "-shared", "-fPIC", "-Wl,--build-id"]);
        place.c("uses", PROGRAM, &["-Wl,--build-id", "./liblose.so"]);
        if is_stripped {
            for name in ["liblose.so", "uses"] {
                let id = run(&place, &format!("readelf -n {name} | sed -n 's/.*Build ID: //p'"));
                let (first, rest) = id.trim().split_at(2);
                let apart = format!(
                    "mkdir -p debug/.build-id/{first} && objcopy --only-keep-debug {name} debug/.build-id/{first}/{rest}.debug && strip {name}"
                );
                run(&place, &apart);
            }
        }
        // Without the command beside it the library leaves its recording as a file.
        fs::create_dir(place.join("alone")).expect("the place can be written to");
        let library = place.join("alone/libmemtrace.so");
        fs::copy(&pair().library, &library).expect("the place can be written to");
        let ended = place.job(How::Bare, place.join("uses")).library(&library).run();
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let name =
            place.files(".memtrace").first().cloned().unwrap_or_else(|| panic!("no recording: {}", ended.stderr));
        let kept = place.join("kept").join(place.path().strip_prefix("/").expect("an absolute path"));
        Elsewhere { recording: place.join(&name), kept, place }
    }

    /// From now on it is another machine.
    fn leave(&self) {
        fs::create_dir_all(&self.kept).expect("the place can be written to");
        for name in ["liblose.so", "uses"] {
            fs::rename(self.place.join(name), self.kept.join(name)).expect("the place can be written to");
        }
    }

    fn memtrace(&self, words: &[&str], file: &Path) -> Ended {
        let job = self.place.job(How::Native, &pair().command).env("TMPDIR", self.place.path());
        job.args(words.iter().copied()).arg(file).run()
    }

    /// The report on a file.
    fn report(&self, words: &[&str], file: &Path) -> String {
        let ended = self.memtrace(&[&["report"], words].concat(), file);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        ended.stdout
    }
}

/// A line of shell in a place; what it prints.
fn run(place: &Place, line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).current_dir(place.path()).output().expect("there is a shell");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_bundle_is_read_like_a_recording() {
    for is_stripped in [false, true] {
        let elsewhere = Elsewhere::new(is_stripped);
        let debug = elsewhere.place.join("debug");
        let mut options = vec!["bundle"];
        if is_stripped {
            options.extend(["--debug-dir", debug.to_str().expect("a path in UTF-8")]);
        }
        for name in ["b.tar.zst", "b.tar.gz"] {
            let ended = elsewhere.memtrace(&[&options[..], &["-o", name]].concat(), &elsewhere.recording);
            assert!(ended.code() == Some(0) && ended.stderr.starts_with("memtrace: packed with "), "{}", ended.stderr);
        }
        let again = elsewhere.memtrace(&[&options[..], &["-o", "c.tar.gz"]].concat(), &elsewhere.recording);
        assert_eq!(again.code(), Some(0));
        let read = |name: &str| fs::read(elsewhere.place.join(name)).expect("it is there");
        assert!(read("b.tar.gz") == read("c.tar.gz"), "two bundles of the same are the same");
        elsewhere.leave();
        fs::rename(&debug, elsewhere.place.join("gone")).unwrap_or_default();
        assert!(!elsewhere.report(&[], &elsewhere.recording).contains(NAMED));
        for name in ["b.tar.zst", "b.tar.gz"] {
            let said = elsewhere.report(&[], &elsewhere.place.join(name));
            assert!(said.contains(NAMED), "{name}: {said}");
            let ended = elsewhere.memtrace(&["export", "--to", "folded", "-o", "-"], &elsewhere.place.join(name));
            assert!(ended.stdout.contains(";main;helper;lose_in_library 123\n"), "{}", ended.stdout);
        }
        assert_eq!(elsewhere.place.files("memtrace-bundle-"), [""; 0], "nothing of it stays");
        // What tar makes of it is a root.
        run(&elsewhere.place, "mkdir out && tar -xzf b.tar.gz -C out");
        assert!(elsewhere.report(&["--sysroot", "out/root"], &elsewhere.recording).contains(NAMED));
    }
}

#[test]
fn a_profile_that_was_made_without_names_gets_them_later() {
    let elsewhere = Elsewhere::new(true);
    let root = elsewhere.place.join("kept").display().to_string();
    let debug = elsewhere.place.join("debug").display().to_string();
    elsewhere.leave();
    // At first there is nothing but addresses.
    let json = elsewhere.report(&["--format", "json"], &elsewhere.recording);
    let profile = elsewhere.place.write("p.json", &json);
    for file in [&elsewhere.recording, &profile] {
        assert!(elsewhere.report(&[], file).contains("    at ??? (liblose.so+0x"));
        // The stripped files: exported functions alone.
        let said = elsewhere.report(&["--sysroot", &root], file);
        assert!(said.contains("    at lose_in_library (liblose.so+0x") && !said.contains("helper"), "{said}");
        // Debug files alone, and both.
        assert!(elsewhere.report(&["--debug-dir", &debug], file).contains(NAMED));
        assert!(elsewhere.report(&["--debug-dir", &debug, "--sysroot", &root], file).contains(NAMED));
    }
    // A check and a difference take names from there, too.
    let ended = elsewhere.memtrace(&["check", "--debug-dir", &debug], &elsewhere.recording);
    assert!(
        ended.code() == Some(1) && ended.stdout.contains("allocated in lose_in_library"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    let ended = elsewhere.memtrace(&["diff", "--by", "total", "--debug-dir", &debug, "p.json"], &elsewhere.recording);
    assert!(ended.code() == Some(0) && ended.stdout.contains("unchanged: 1 place"), "{}{}", ended.stdout, ended.stderr);
    let ended = elsewhere.memtrace(&["bundle", "--debug-dir", &debug, "-o", "p.tar.gz"], &profile);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(elsewhere.report(&[], &elsewhere.place.join("p.tar.gz")).contains(NAMED));
    // A file that is not the one that ran names nothing.
    fs::create_dir_all(elsewhere.place.join("other")).expect("the place can be written to");
    run(
        &elsewhere.place,
        &format!("mkdir -p other/{0} && cp /bin/true other/{0}/uses", elsewhere.place.path().display()),
    );
    assert!(elsewhere.report(&["--sysroot", "other"], &profile).contains("    by ??? (uses+0x"));
}

/// A client that knows one folder, and writes down that it was asked.
const CLIENT: &str = "#!/bin/sh
echo \"$*\" >> \"${0%/*}/../asked\"
rest=${2#??}
file=\"${0%/*}/../debug/.build-id/${2%\"$rest\"}/$rest.debug\"
[ \"$1\" = debuginfo ] && [ -n \"$DEBUGINFOD_URLS\" ] && [ -f \"$file\" ] && echo \"$file\"
";

#[test]
fn a_server_is_asked_at_last_and_only_where_one_is_set_up() {
    let elsewhere = Elsewhere::new(true);
    elsewhere.leave();
    fs::create_dir(elsewhere.place.join("bin")).expect("the place can be written to");
    let client = elsewhere.place.write("bin/debuginfod-find", CLIENT);
    fs::set_permissions(client, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let path = format!("{}:{}", elsewhere.place.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let report = |servers: &str| {
        let job = elsewhere.place.job(How::Native, &pair().command).env("PATH", &path).env("DEBUGINFOD_URLS", servers);
        job.arg("report").arg(&elsewhere.recording).run().stdout
    };
    assert!(!report("").contains(NAMED) && elsewhere.place.files("asked").is_empty());
    assert!(report("http://127.0.0.1:9/").contains(NAMED));
    let asked = elsewhere.place.read("asked");
    assert!(asked.lines().all(|line| line.starts_with("debuginfo ")) && asked.lines().count() >= 2, "{asked}");
}

#[test]
fn the_systems_client_is_understood() {
    if tool_path("debuginfod-find").is_none() || tool_path("python3").is_none() {
        return;
    }
    let elsewhere = Elsewhere::new(true);
    elsewhere.leave();
    run(
        &elsewhere.place,
        "find debug -name '*.debug' | while read f; do id=$(basename $(dirname $f))$(basename $f .debug); \
         mkdir -p served/buildid/$id && cp $f served/buildid/$id/debuginfo; done",
    );
    let mut server = Command::new("python3")
        .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
        .current_dir(elsewhere.place.join("served"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 is there");
    let mut line = String::new();
    let said = BufReader::new(server.stdout.take().expect("it is a pipe")).read_line(&mut line);
    let port = line.split(" port ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let servers = format!("http://127.0.0.1:{}", port.unwrap_or("9"));
    let job = elsewhere.place.job(How::Native, &pair().command).env("DEBUGINFOD_URLS", &servers);
    let job = job.env("DEBUGINFOD_CACHE_PATH", elsewhere.place.join("cache"));
    let ended = job.arg("report").arg(&elsewhere.recording).run();
    server.kill().expect("it is ours");
    server.wait().expect("it is ours");
    assert!(said.is_ok_and(|length| length > 0), "the server said nothing");
    assert!(ended.stdout.contains(NAMED), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn what_is_no_bundle_is_said() {
    let elsewhere = Elsewhere::new(false);
    run(&elsewhere.place, "echo hello | gzip > text.gz; tar -czf other.tar.gz uses; : > empty; gzip empty");
    for name in ["text.gz", "other.tar.gz", "empty.gz"] {
        let ended = elsewhere.memtrace(&["report"], &elsewhere.place.join(name));
        assert!(
            ended.code() == Some(2) && ended.stderr.contains("it is packed, and no bundle of memtrace"),
            "{name}: {}",
            ended.stderr
        );
    }
    let ended = elsewhere.memtrace(&["bundle", "-o", "x.zip"], &elsewhere.recording);
    assert!(
        ended.code() == Some(2) && ended.stderr.contains("expected a name in `.tar.zst` or `.tar.gz`"),
        "{}",
        ended.stderr
    );
    let ended = elsewhere.memtrace(&["bundle", "-o", "x.tgz"], &elsewhere.place.join("text.gz"));
    assert!(ended.code() == Some(2) && ended.stderr.contains("it is packed already"), "{}", ended.stderr);
}
