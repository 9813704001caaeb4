//! `memtrace top`, and `memtrace report` where there is a terminal: seen and typed at through one of python's.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use memtrace_tests::{How, Place, pair, workspace};

/// A program that runs, and goes with the test.
struct Running {
    child: Child,
    /// The program's, not the launcher's.
    pid: String,
}

impl Running {
    fn start(place: &Place, how: How, program: &Path, arguments: &[&str]) -> Running {
        let mut command = match how {
            How::Run => {
                let mut command = Command::new(&pair().command);
                command.arg("run").arg("-o").arg(place.join(&place.unused_name())).arg("--").arg(program);
                command
            }
            How::Native | How::Bare => Command::new(program),
        };
        if how == How::Bare {
            command.env("LD_PRELOAD", &pair().library).env("MEMTRACE_QUIET", "1");
        }
        command.args(arguments).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut pid = String::new();
        let stdout = child.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut pid).expect("it says its process id");
        Running { child, pid: pid.trim().to_owned() }
    }

    fn grower(place: &Place, how: How) -> Running {
        let program = place.compile(&workspace().join("tests/tests/top/grower.c"), "grower", &["-rdynamic"]);
        Running::start(place, how, &program, &[])
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The launcher, its program and what that started; the shell's own kill takes groups.
        let group = format!("kill -KILL -{} 2>&-", self.child.id());
        let _ = Command::new("sh").args(["-c", &group]).status();
        let _ = self.child.wait();
    }
}

/// Runs memtrace on a terminal; `None`: there is no python that has one.
fn on_terminal(
    place: &Place,
    size: [&str; 2],
    steps: &[(&str, &str)],
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Option<String> {
    if !Path::new("/usr/bin/python3").is_file() {
        eprintln!("skipped: no python3 here, which has the terminal");
        return None;
    }
    let job = place.job(How::Native, "/usr/bin/python3").arg(workspace().join("tests/tests/top/terminal.py"));
    let mut job = job.args(size).arg("40");
    for (seen, typed) in steps {
        job = job.arg(*seen).arg(*typed);
    }
    for (name, value) in variables {
        job = job.env(*name, *value);
    }
    let ended = job.env("TERM", "xterm").arg("--").arg(&pair().command).args(arguments.iter().copied()).run();
    assert_eq!(ended.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.ends_with("restored\n"), "{}", ended.stdout);
    Some(ended.stdout)
}

fn top(place: &Place, arguments: &[&str]) -> memtrace_tests::Ended {
    place.job(How::Native, &pair().command).arg("top").args(arguments.iter().copied()).run()
}

/// The number that stands in this column of the row of a function.
fn cell<'t>(text: &'t str, function: &str, place: usize) -> Vec<&'t str> {
    let rows = text.lines().filter(|line| line.contains(function));
    rows.filter_map(|line| line.split_whitespace().nth(place)).collect()
}

#[test]
fn in_a_pipe_each_look_has_a_few_lines_and_the_numbers_are_the_programs() {
    let place = Place::new();
    let running = Running::grower(&place, How::Run);
    let ended = top(&place, &["--count", "3", "--interval", "500ms", "--sort", "growth", "--top", "2", &running.pid]);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    let text = &ended.stdout;
    assert_eq!(text.matches(" allocations, ").count(), 3, "{text}");
    assert!(text.contains("[growth/s]") && text.is_ascii(), "{text}");
    // `976.6 KiB`: value and unit are two words.
    let blocks: Vec<u64> =
        cell(text, "GROWER (grower.c", 2).iter().map(|n| n.replace(',', "").parse().unwrap()).collect();
    assert_eq!(blocks.len(), 3, "{text}");
    assert!(blocks.is_sorted_by(|one, next| one < next), "{blocks:?}");
    let passers = cell(text, "passer (grower.c", 2);
    assert!(passers.iter().all(|blocks| matches!(*blocks, "0" | "1")), "{text}");
    let tree = top(&place, &["--count", "1", "--tree", "--filter", "GROW", &running.pid]).stdout;
    assert!(tree.contains(" main\n") && tree.contains("GROWER\n") && !tree.contains("passer"), "{tree}");
}

#[test]
fn the_keys_sort_filter_and_quit_and_the_terminal_is_as_it_was() {
    let place = Place::new();
    let running = Running::grower(&place, How::Run);
    let steps = [
        ("[live]", "g"),
        ("[growth/s]", "r"),
        ("[calls/s]", "v"),
        ("main", "v"),
        ("[calls/s]", "/"),
        ("filter: _", "passer\\r"),
        ("filter: passer, 1 stacks match", "\\x1b"),
        ("GROWER", "h"),
        ("sort by live bytes", "h"),
        ("GROWER", " "),
        ("paused", " "),
        ("GROWER", "size:60:10"),
        // Eight rows less: the head is drawn again, and the names have room.
        ("GROWER", "q"),
    ];
    let arguments = ["top", "--interval", "200ms", &running.pid];
    let Some(seen) = on_terminal(&place, ["120", "20"], &steps, &[("LC_ALL", "C.UTF-8")], &arguments) else { return };
    assert!(seen.contains("status 0, waiting for []"), "{seen:?}");
    let (enter, leave) = ("\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l");
    assert_eq!((seen.matches(enter).count(), seen.matches(leave).count()), (1, 1), "{seen:?}");
    assert!(seen.contains('█'), "{seen:?}");
    assert!(Path::new("/proc").join(&running.pid).is_dir(), "the program goes on");
}

#[test]
fn signals_and_the_end_of_the_program_leave_the_terminal_as_it_was() {
    let place = Place::new();
    let running = Running::grower(&place, How::Run);
    let quick = ["top", "--interval", "200ms", &running.pid];
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let steps = [("GROWER", format!("signal:{signal}"))];
        let steps = steps.each_ref().map(|(seen, typed)| (*seen, typed.as_str()));
        let Some(seen) = on_terminal(&place, ["100", "20"], &steps, &[], &quick) else { return };
        assert!(seen.contains("\x1b[?1049l") && seen.contains("status 0, waiting for []"), "{seen:?}");
    }
    // Stopped and continued, it draws again.
    let (stop, go_on) = (format!("signal:{}", libc::SIGTSTP), format!("signal:{}", libc::SIGCONT));
    let steps = [("GROWER", stop.as_str()), ("\x1b[?1049l", &go_on), ("GROWER", "q")];
    let seen = on_terminal(&place, ["100", "20"], &steps, &[], &quick).expect("python was there");
    assert!(seen.contains("status 0, waiting for []"), "{seen:?}");
    let short = place.c("short", "#include <stdio.h>\n#include <unistd.h>\nint main(void) { printf(\"%d\\n\", getpid()); fflush(stdout); sleep(3); return 0; }", &[]);
    let running = Running::start(&place, How::Run, &short, &[]);
    let seen = on_terminal(&place, ["100", "20"], &[], &[], &["top", &running.pid]).expect("python was there");
    assert!(seen.contains(&format!("memtrace: process {} has ended", running.pid)), "{seen:?}");
}

#[test]
fn a_real_program_is_followed_and_hostile_names_steer_nothing() {
    let place = Place::new();
    let python = Path::new("/usr/bin/python3");
    if python.is_file() {
        let code = "import os, time\nprint(os.getpid(), flush=True)\nkept = []\n\
                    for i in range(600):\n    kept.append(bytearray(10000))\n    time.sleep(0.05)";
        let running = Running::start(&place, How::Run, python, &["-c", code]);
        let ended = top(&place, &["--count", "2", "--top", "500", &running.pid]);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        assert!(ended.stdout.contains(" allocations, "), "{}", ended.stdout);
    }
    let name = "app\x1b[2J\u{202e}evil";
    let program = place.compile(&workspace().join("tests/tests/top/grower.c"), name, &[]);
    let running = Running::start(&place, How::Run, &program, &[]);
    let steps = [("GROWER", "q")];
    let Some(seen) = on_terminal(&place, ["100", "20"], &steps, &[], &["top", &running.pid]) else { return };
    assert!(seen.contains("app\\u{1b}[2J\\u{202e}evil") && !seen.contains("\x1b[2J"), "{seen:?}");
}

#[test]
fn what_cannot_be_followed_is_said() {
    let place = Place::new();
    let said = |arguments: &[&str]| {
        let ended = top(&place, arguments);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        ended.stderr
    };
    assert!(said(&["4194304"]).contains("process 4194304"));
    for arguments in [&["x"][..], &["1", "--interval", "1ms"], &["1", "--sort", "x"], &[]] {
        said(arguments);
    }
    let native = Running::grower(&place, How::Native);
    assert!(said(&[&native.pid]).contains("memtrace is not in it"));
    let bare = Running::grower(&place, How::Bare);
    let stderr = said(&[&bare.pid]);
    assert!(stderr.contains("its recording lies in its own memory") && stderr.contains("memtrace run"), "{stderr}");
}

#[test]
fn a_report_on_a_terminal_has_its_width_its_letters_and_a_pager() {
    let place = Place::new();
    let source = "#include <stdlib.h>\n#include <unistd.h>\n\
        int main(void) { static void *kept[50]; for (int i = 0; i < 50; i++) { kept[i] = malloc(100); usleep(4000); }\n\
        return kept[0] == 0; }";
    let program = place.c("app", source, &[]);
    let ended = place.job(How::Run, &program).record();
    let file = ended.profiles[0].to_str().expect("a path");
    let see = |size, variables: &[(&str, &str)], arguments: &[&str]| {
        on_terminal(&place, size, &[], variables, &[&["report", file][..], arguments].concat())
    };
    let utf8 = ("LC_ALL", "C.UTF-8");
    let Some(seen) = see(["100", "30"], &[utf8, ("PAGER", "")], &[]) else { return };
    let curve = |seen: &str| {
        let line = seen.lines().find(|line| line.starts_with("  heap")).unwrap_or_else(|| panic!("{seen}"));
        line.chars().skip(12).take_while(|letter| *letter != ' ').collect::<String>()
    };
    assert!(curve(&seen).ends_with('█') && curve(&seen).chars().all(|letter| ('▁'..='█').contains(&letter)), "{seen}");
    assert_eq!(curve(&seen).chars().count(), 100 - 38);
    let narrow = see(["60", "30"], &[utf8], &["--no-pager"]).expect("python was there");
    assert_eq!(curve(&narrow).chars().count(), 60 - 38);
    let said = see(["60", "30"], &[utf8, ("COLUMNS", "120")], &["--no-pager"]).expect("python was there");
    assert_eq!(curve(&said).chars().count(), 120 - 38);
    let ascii = see(["100", "30"], &[], &["--no-pager"]).expect("python was there");
    assert!(ascii.is_ascii() && ascii.contains("\ntime: "), "{ascii}");
    let none = see(["100", "30"], &[utf8], &["--no-pager", "--overview", "never"]).expect("python was there");
    assert!(!none.contains("\ntime: ") && none.contains("memtrace: summary of app"), "{none}");
    // The pager gets the text, and the text alone.
    let paged = see(["100", "30"], &[("PAGER", "sed 's/^/> /'")], &[]).expect("python was there");
    assert!(paged.contains("> memtrace: app (pid"), "{paged}");
    let piped = place.job(How::Native, &pair().command).args(["report", file]).env("PAGER", "sed 's/^/> /'").run();
    assert!(piped.stdout.starts_with("memtrace: app (pid") && !piped.stdout.contains("time: "), "{}", piped.stdout);
}
