//! Names that a target chooses steer nobody's terminal and break nobody's format, and nothing else of it gets out.
//!
//! The program has functions, source files, a module, threads, arguments and a name of its own with escape sequences,
//! turned directions, ends of markup and of lines, and bytes that are no UTF-8; its blocks and its environment hold a
//! secret. What is written of it is read by python's readers of JSON and XML, byte by byte where people read it.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use memtrace_tests::{Ended, How, Place, pair};

/// In front of every name that the target chooses.
const MARK: &str = "HOSTILE";
/// What blocks and variables hold.
const SECRET: &str = "hunter2-in-the-heap";

const PROGRAM: &str = r##"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#define SECRET "hunter2-" "in-the-heap"
__attribute__((noinline)) void *first(void) __asm__("\"HOSTILE\033[2J]]>&<'\"");
#line 7 "HOSTILE</script>\033]0;x\007\342\200\256.c"
void *first(void) { char *p = malloc(100); strcpy(p, SECRET); return p; }
static void *thread(void *unused) {
    prctl(PR_SET_NAME, "HOSTILE\033\n\377]]");
    void *volatile lost = first(); lost = 0;
    return unused;
}
int main(int count, char **arguments) {
    pthread_t t; pthread_create(&t, 0, thread, 0); pthread_join(t, 0);
    for (volatile int i = 0; i < 3; i++) { void *volatile lost = first(); lost = 0; }
    if (count > 1) { void *m = dlopen(arguments[1], RTLD_NOW); if (!m) return 9; ((void (*)(void))dlsym(m, "leak"))(); }
    return 0;
}
"##;

const MODULE: &str = "#include <stdlib.h>\n#include <string.h>\nvoid leak(void) { char *volatile p = malloc(50); strcpy(p, \"hunter2-\" \"in-the-heap\"); p = 0; }\n";

/// A place with the program and its module, under names of the kind.
struct Scene {
    place: Place,
    program: PathBuf,
    module: PathBuf,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        let plain = place.c("plain", PROGRAM, &["-pthread", "-w"]);
        let module = place.c("module.so", MODULE, &["-shared", "-fPIC", "-w"]);
        let name = |bytes: &[u8]| place.path().join(std::ffi::OsString::from_vec(bytes.to_vec()));
        let program = name(b"HOSTILE\x1b[31m\n<b>]]>\xe2\x80\xae\xff&\"'");
        let hostile_module = name(b"HOSTILE\x1b]8;;x\x07\n-->\xfe.so");
        std::fs::rename(&plain, &program).expect("any byte but a slash may be in a name");
        std::fs::rename(&module, &hostile_module).expect("any byte but a slash may be in a name");
        Scene { place, program, module: hostile_module }
    }

    fn run(&self, how: How) -> Ended {
        // Longer than a line that anybody wants to see, and than many buffers.
        let long = format!("{MARK}\x1b[1m{}", "x".repeat(100_000));
        let job = self.place.job(how, &self.program).arg(&self.module).arg(long);
        job.env("SECRET_OF_MINE", SECRET).record()
    }

    fn command(&self, arguments: &[&str]) -> Ended {
        self.place.job(How::Native, &pair().command).args(arguments).env("SECRET_OF_MINE", SECRET).run()
    }
}

/// What people read: lines, and nothing that does more than stand there.
fn is_harmless(text: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("no UTF-8: {error}"))?;
    let turns = |letter| matches!(letter, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let bad = text.char_indices().find(|&(_, letter)| letter.is_control() && !"\n\t".contains(letter) || turns(letter));
    match bad {
        None => Ok(()),
        Some((at, letter)) => {
            let around: String = text.get(at.saturating_sub(40)..).unwrap_or(text).chars().take(80).collect();
            Err(format!("{letter:?} in {around:?}"))
        }
    }
}

fn check(what: &str, text: &[u8]) {
    is_harmless(text).unwrap_or_else(|bad| panic!("{what}: {bad}"));
    keeps_secrets(what, text);
}

fn keeps_secrets(what: &str, text: &[u8]) {
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    assert!(!has(SECRET.as_bytes()), "{what} has what is in the heap, or a variable's value");
    assert!(!has(b"SECRET_OF_MINE"), "{what} has a variable of the program's");
}

/// Python reads all of the files as JSON or as XML.
fn python_reads(files: &[PathBuf], how: &str) {
    let script = "import sys, json, xml.dom.minidom as x\nfor f in sys.argv[1:]:\n    ".to_owned() + how;
    let status = Command::new("python3").arg("-c").arg(script).args(files).status();
    match status {
        Ok(status) => assert!(status.success(), "{files:?}"),
        Err(error) => println!("python3 cannot be started ({error}): {files:?} are not read"),
    }
}

#[test]
fn the_report_at_the_end_shows_hostile_names_as_text() {
    let scene = Scene::new();
    let ended = scene.run(How::Bare);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    check("stderr", ended.stderr.as_bytes());
    assert!(ended.stderr.contains("300 bytes in 3 blocks are definitely lost"), "{}", ended.stderr);
    assert!(ended.stderr.contains("HOSTILE\\u{1b}[2J]]>&<'"), "{}", ended.stderr);
    assert_eq!(ended.profiles.len(), 1);
    for profile in &ended.profiles {
        keeps_secrets("profile", &std::fs::read(profile).expect("it was read before"));
        assert_eq!(std::fs::metadata(profile).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn every_report_of_a_hostile_program_is_read_by_its_readers() {
    let scene = Scene::new();
    let ended = scene.run(How::Run);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    check("stderr of run", ended.stderr.as_bytes());
    let profile = ended.profiles[0].to_str().expect("its name is the test's").to_owned();
    python_reads(&ended.profiles, "json.load(open(f))");
    keeps_secrets("profile", &std::fs::read(&profile).expect("it was read before"));
    let views: &[&[&str]] = &[
        &[],
        &["--by", "function"],
        &["--by", "module"],
        &["--by", "thread"],
        &["--by", "file"],
        &["--top-down"],
        &["--bottom-up"],
        &["--why", "*"],
        &["--suppress"],
        &["--suppress=valgrind"],
        &["--show", "all"],
    ];
    for view in views {
        let shown = scene.command(&[&["report"], *view, &[&profile]].concat());
        assert_eq!(shown.code(), Some(0), "{view:?}: {}", shown.stderr);
        check(&format!("report {view:?}"), shown.stdout.as_bytes());
        check(&format!("report {view:?}, stderr"), shown.stderr.as_bytes());
    }
    // What `--suppress` writes is read again, and hides all that it can name.
    let rules = scene.place.write("rules", &scene.command(&["report", "--suppress", &profile]).stdout);
    let hidden = scene.command(&["report", "--suppressions", rules.to_str().expect("a plain name"), &profile]);
    assert_eq!(hidden.code(), Some(0), "{}", hidden.stderr);
    let formats = ["text", "json", "jsonl", "junit", "sarif", "github", "markdown", "gitlab", "tap", "valgrind-xml"];
    let outs: Vec<String> = formats.iter().map(|format| format!("{format}:out.{format}")).collect();
    let mut arguments = vec!["check", profile.as_str()];
    arguments.extend(outs.iter().flat_map(|out| ["--out", out.as_str()]));
    let checked = scene.command(&arguments);
    assert_eq!(checked.code(), Some(1), "{}", checked.stderr);
    check("check", checked.stdout.as_bytes());
    for format in formats {
        let bytes = std::fs::read(scene.place.join(&format!("out.{format}"))).expect("it was written");
        keeps_secrets(format, &bytes);
        if !["json", "jsonl", "sarif", "gitlab", "valgrind-xml"].contains(&format) {
            check(format, &bytes);
        }
        // JSON escapes control characters itself; a line of it is one line.
        assert!(bytes.iter().all(|byte| *byte >= b' ' || *byte == b'\n' || *byte == b'\t'), "{format}");
    }
    let out = |format: &str| scene.place.join(&format!("out.{format}"));
    python_reads(&[out("json"), out("sarif"), out("gitlab")], "json.load(open(f))");
    python_reads(&[out("jsonl")], "[json.loads(line) for line in open(f)]");
    python_reads(&[out("junit"), out("valgrind-xml")], "x.parse(f)");
    // A command of the runner's begins a line; none is the target's.
    let github = scene.place.read("out.github");
    assert!(
        github.lines().all(|line| line.is_empty()
            || line.starts_with("::error")
            || line.starts_with("::warning")
            || line.starts_with("::notice")),
        "{github}"
    );
    let tap = scene.place.read("out.tap");
    assert!(!tap.lines().any(|line| line.starts_with(MARK)), "{tap}");
}

#[test]
fn reports_are_their_owners_alone_and_planted_files_lead_nowhere() {
    let scene = Scene::new();
    let ended = scene.run(How::Run);
    let profile = ended.profiles[0].to_str().expect("its name is the test's").to_owned();
    let at = |name: &str| scene.place.join(name);
    let write = |to: &str| scene.command(&["check", &profile, "--out", &format!("json:{to}")]);
    let is_report = |path: &Path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"{"));

    assert_eq!(write("plain").code(), Some(1));
    assert_eq!(std::fs::metadata(at("plain")).expect("it was written").permissions().mode() & 0o777, 0o600);

    // A directory: said, and left alone.
    std::fs::create_dir(at("directory")).expect("the place is ours");
    let refused = write("directory");
    assert_eq!(refused.code(), Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("memtrace: cannot write `directory`"), "{}", refused.stderr);

    // A link of our own is followed, as it was made for that.
    symlink(at("aim"), at("link")).expect("the place is ours");
    std::fs::write(at("aim"), "old").expect("the place is ours");
    assert_eq!(write("link").code(), Some(1));
    assert!(is_report(&at("aim")));

    // Nobody else's: neither a link nor a pipe.
    std::fs::write(at("precious"), "precious").expect("the place is ours");
    symlink(at("precious"), at("planted")).expect("the place is ours");
    assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo is there").success());
    let given = Command::new("chown").arg("-h").arg("65534").args([at("planted"), at("pipe")]).output();
    if !given.is_ok_and(|output| output.status.success()) {
        println!("files cannot be given to others here: planted ones are not tested");
        return;
    }
    for planted in ["planted", "pipe"] {
        let refused = write(planted);
        assert_eq!(refused.code(), Some(3), "{planted}: {}", refused.stderr);
        assert!(refused.stderr.contains("of user 65534"), "{}", refused.stderr);
    }
    assert_eq!(scene.place.read("precious"), "precious");
    assert_eq!(std::fs::symlink_metadata(at("planted")).expect("it is there").uid(), 65534);
    assert!(scene.place.files(".").iter().all(|name| !name.starts_with(".out") && !name.starts_with(".planted")));

    // What a run writes for a target is new, whatever stands there.
    for name in ["planted", "pipe", "directory"] {
        let ended = scene.place.job(How::Native, &pair().command);
        let ended = ended.args(["run", "-o", name, "--"]).arg(&scene.program).run();
        assert!([Some(0), Some(3)].contains(&ended.code()), "{name}: {}", ended.stderr);
    }
    assert_eq!(scene.place.read("precious"), "precious");
}
