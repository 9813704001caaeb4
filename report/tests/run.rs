//! `memtrace run` from the outside: the target lives and dies as without it, and nothing stays behind.
//!
//! The library is a stub in C that only claims its place in the recording, so that the launcher is tested alone.
//! Most tests start the same command twice, natively and under `memtrace run`, and compare.

#[path = "run/place.rs"]
mod place;

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use place::{Place, eventually, text};

#[test]
fn the_exit_status_is_the_targets() {
    let place = Place::new();
    for status in [0, 3, 127, 255] {
        let output = place.run(&["sh", "-c", &format!("exit {status}")]);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    }
}

#[test]
fn a_target_that_a_signal_killed_is_seen_to_be_killed_by_it() {
    let place = Place::new();
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV, libc::SIGABRT, libc::SIGINT, libc::SIGUSR1] {
        let output = place.run(&["sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!(output.status.signal(), Some(signal), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("memtrace: next: memtrace report sh."));
    }
}

#[test]
fn the_launcher_leaves_no_core_file_of_its_own() {
    let place = Place::new();
    let script = format!("ulimit -c unlimited; exec {} sh -c 'ulimit -c 0; kill -ABRT $$'", place.launch().join(" "));
    let output = place.command("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    assert!(!output.status.core_dumped());
}

#[test]
fn stdout_is_the_targets_alone_and_stderr_ends_with_three_lines() {
    let place = Place::new();
    let output = place.run(&["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(text(&output.stdout), "out\n");
    let profile = place.profiles().pop().expect("a profile was written");
    let stderr = text(&output.stderr);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{stderr}");
    assert_eq!(lines[0], "err");
    assert_eq!(lines[2], format!("memtrace: 1 process, profile {profile}"));
    assert_eq!(lines[3], format!("memtrace: next: memtrace report {profile}"));
    assert!(profile.starts_with("sh.") && profile.ends_with(".memtrace.json"));
    assert_eq!(std::fs::metadata(place.path().join(profile)).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn the_target_starts_as_it_would_natively() {
    let place = Place::new();
    let probe = place.compile("probe", include_str!("run/probe.c"), &[]);
    // Each line is what a shell or service manager may hand over.
    for wrapper in [
        "exec \"$@\"",
        "trap '' PIPE; exec \"$@\"",
        "trap '' HUP INT TERM USR1 CHLD; exec \"$@\"",
        "exec env --ignore-signal=CHLD \"$@\"",
        "exec env --block-signal=USR1,TERM,CHLD \"$@\"",
        "exec env --default-signal=PIPE \"$@\"",
        "exec \"$@\" 5</dev/null 7>&1",
        "exec \"$@\" <&-",
        "exec \"$@\" <&- 2>&-",
        "ulimit -c 0; exec \"$@\"",
        "MEMTRACE_QUIET=1 LD_LIBRARY_PATH=/x exec \"$@\"",
    ] {
        let started = |command: &mut Command| text(&command.stdin(Stdio::null()).output().unwrap().stdout);
        let native = started(place.command("sh").args(["-c", wrapper, "sh"]).arg(&probe).arg("a b"));
        let run = started(place.command("sh").args(["-c", wrapper, "sh"]).args(place.launch()).arg(&probe).arg("a b"));
        let (added, kept): (Vec<&str>, Vec<&str>) =
            run.lines().partition(|line| line.contains("LD_PRELOAD=") || line.contains("MEMTRACE_RUN="));
        assert_eq!(kept, native.lines().collect::<Vec<_>>(), "{wrapper}");
        assert_eq!(added.len(), 2, "{wrapper}");
        let fd = added[1].split(':').nth(1).and_then(|fd| fd.parse::<u32>().ok());
        assert!(fd.is_some_and(|fd| fd > 2), "the recording is never stdin, stdout or stderr: {added:?}");
        assert_eq!(added[0], format!("variable LD_PRELOAD={}", place.path().join("libmemtrace.so").display()));
    }
}

#[test]
fn the_terminal_is_the_targets() {
    let place = Place::new();
    let probe = place.compile("probe", include_str!("run/probe.c"), &[]);
    let native = place.in_terminal(&format!("{} | cat; {}", probe.display(), probe.display()));
    let launch = place.launch().join(" ");
    let run = place.in_terminal(&format!("{launch} {p} | cat; {launch} {p}", p = probe.display()));
    let state = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("terminal") || line.starts_with("fd"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(state(&native).contains(&"terminal 1 1 1, in front 1".to_owned()), "{native}");
    assert_eq!(state(&run), state(&native), "{run}");
}

#[test]
fn a_shell_sees_a_stopped_job_and_wakes_it() {
    let place = Place::new();
    let job = place.script("job", "#!/bin/sh\nkill -STOP $$\necho went on\nexit 5\n");
    let shell = |launch: &str| {
        let text = format!("#!/bin/bash -m\n{launch} {}\necho stop $?\nfg >/dev/null\necho end $?\n", job.display());
        let output = place.in_terminal(&place.script("shell", &text).display().to_string());
        let is_news = |line: &&str| ["stop ", "went ", "end "].iter().any(|word| line.starts_with(word));
        output.lines().filter(is_news).map(str::to_owned).collect::<Vec<_>>()
    };
    let native = shell("");
    assert_eq!(native, ["stop 147", "went on", "end 5"]);
    assert_eq!(shell(&place.launch().join(" ")), native);
}

#[test]
fn a_target_that_is_stopped_and_woken_without_a_terminal_goes_on() {
    let place = Place::new();
    let script = "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 6";
    assert_eq!(place.run(&["sh", "-c", script]).status.code(), Some(6));
}

#[test]
fn term_and_hup_are_passed_on_and_int_and_quit_are_left_to_the_terminal() {
    let place = Place::new();
    let script = "trap 'exit 41' TERM; trap 'exit 42' HUP; trap 'exit 43' USR1; echo ready; \
                  while :; do sleep 0.02; done";
    for (signals, status) in [("TERM", 41), ("HUP", 42), ("USR1", 43), ("INT QUIT TERM", 41)] {
        let mut launcher = place.spawn(&["sh", "-c", script]);
        place::read_line(&mut launcher);
        for signal in signals.split(' ') {
            assert!(
                Command::new("kill")
                    .args([&format!("-{signal}"), &launcher.id().to_string()])
                    .status()
                    .unwrap()
                    .success()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
        assert_eq!(launcher.wait().unwrap().code(), Some(status), "{signals}");
    }
}

#[test]
fn twenty_runs_leave_twenty_profiles_and_no_process() {
    let place = Place::new();
    for _ in 0..20 {
        assert!(place.run(&["true"]).status.success());
        assert_eq!(place.processes(), [0; 0]);
    }
    assert_eq!(place.profiles().len(), 20);
}

#[test]
fn a_closed_stderr_changes_nothing() {
    let place = Place::new();
    for redirection in ["2>&-", "2>/dev/full", "2> >(:)"] {
        let script = format!("{} sh -c 'echo out; exit 9' {redirection}", place.launch().join(" "));
        let output = place.command("bash").args(["-c", &script]).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(9), "out\n"), "{redirection}");
    }
    assert_eq!(place.profiles().len(), 3);
}

#[test]
fn run_returns_at_once_and_the_keeper_completes_the_profile_when_the_last_process_ends() {
    let place = Place::new();
    let began = Instant::now();
    let output = place.run(&["sh", "-c", "sleep 2 >/dev/null 2>&1 & exit 4"]);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(4));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("1 process lives on: the profile is completed when it ends"), "{stderr}");
    let profile = place.path().join(place.profiles().pop().unwrap());
    let before = std::fs::metadata(&profile).unwrap();
    assert_eq!(place.processes().len(), 1);
    assert!(eventually(|| place.processes().is_empty()));
    let after = std::fs::metadata(&profile).unwrap();
    assert_ne!(before.ino(), after.ino());
    assert_eq!(after.mode() & 0o777, 0o600);
    assert_eq!(place.files(), 1, "no temporary file stays");
}

#[test]
fn a_process_that_has_not_begun_to_record_is_waited_for_too() {
    let place = Place::new();
    // The pause lets the background process get past its exec, so that nothing of it is recorded any more.
    let output = place.run(&["sh", "-c", "STUB_IS_SILENT=1 sleep 2 >/dev/null 2>&1 & sleep 0.5"]);
    assert!(text(&output.stderr).contains("1 process lives on"), "{}", text(&output.stderr));
    assert!(eventually(|| place.processes().is_empty()));
}

#[test]
fn a_profile_that_was_moved_is_not_written_again() {
    let place = Place::new();
    place.run(&["sh", "-c", "sleep 1 >/dev/null 2>&1 &"]);
    let profile = place.path().join(place.profiles().pop().unwrap());
    // The new file may get the inode of the old.
    std::fs::remove_file(&profile).unwrap();
    std::fs::write(&profile, "mine").unwrap();
    assert!(eventually(|| place.processes().is_empty()));
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), "mine");
}

#[test]
fn a_capturing_shell_waits_as_long_as_natively() {
    let place = Place::new();
    for (background, waits) in [("sleep 2 &", true), ("sleep 2 >/dev/null 2>&1 &", false)] {
        for launch in [String::new(), place.launch().join(" ")] {
            let began = Instant::now();
            let script = format!("x=$({launch} sh -c '{background}' 2>&1)");
            assert!(place.command("bash").args(["-c", &script]).status().unwrap().success());
            assert_eq!(began.elapsed() > Duration::from_millis(1900), waits, "{script}: {:?}", began.elapsed());
        }
    }
    assert!(eventually(|| place.processes().is_empty()));
}

#[test]
fn when_the_launcher_is_killed_the_keeper_writes_the_profile_after_the_target() {
    let place = Place::new();
    let mut launcher = place.spawn(&["sh", "-c", "echo ready; sleep 1"]);
    place::read_line(&mut launcher);
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    assert!(place.profiles().is_empty());
    assert!(eventually(|| place.profiles().len() == 1 && place.processes().is_empty()));
}

#[test]
fn split_writes_a_profile_for_each_process() {
    let place = Place::new();
    let options = ["--split", "-o", "%e.%p.part"];
    let output = place.run_with(&options, &["sh", "-c", "sleep 0 & (exit 1); wait"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let parts = std::fs::read_dir(place.path()).unwrap().flatten();
    let parts = parts.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part")).count();
    assert!(parts >= 3, "{parts} parts");
    assert!(text(&output.stderr).contains(&format!("{parts} processes, profile ")));
}

#[test]
fn a_library_that_does_not_report_in_is_exit_2() {
    let place = Place::new();
    let silent = ["env", "STUB_IS_SILENT=1"].into_iter().map(str::to_owned).chain(place.launch());
    let command: Vec<String> = silent.chain(["sh", "-c", "echo ran"].map(str::to_owned)).collect();
    let output = place.command(&command[0]).args(&command[1..]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), "ran\n"));
    assert!(text(&output.stderr).starts_with("memtrace: nothing was recorded: "));
    assert!(place.processes().is_empty() && place.profiles().is_empty());
}

#[test]
fn what_cannot_work_is_refused_before_anything_starts() {
    let place = Place::new();
    let fixed = place.compile("fixed", "int main(void) { return 0; }", &["-static"]);
    let script = place.script("script", &format!("#!{}\n", fixed.display()));
    let [fixed, script] = [&fixed, &script].map(|path| path.to_str().unwrap());
    for (command, said) in [
        (fixed, "statically linked"),
        (script, "is statically linked"),
        ("no-such-program-at-all", "not found in PATH"),
        ("/", "a directory"),
        ("/etc/passwd", "not executable"),
    ] {
        let output = place.run(&[command]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.starts_with(&format!("memtrace: cannot run `{command}`: ")) && stderr.contains(said),
            "{stderr}"
        );
    }
    assert!(place.profiles().is_empty() && place.processes().is_empty());
}

#[test]
fn suppressions_that_cannot_be_used_are_refused_before_anything_starts() {
    let place = Place::new();
    std::fs::write(place.path().join("good"), "leak:a\n").unwrap();
    std::fs::write(place.path().join("bad"), "leak:a\nrace:b\n").unwrap();
    let bad = "memtrace: cannot read suppressions `bad`: line 2: found `race:b`, expected `leak:PATTERN`\n";
    let missing = "memtrace: cannot read `none`: no such file or directory\n";
    for (options, said) in [
        (&["--suppressions", "good", "--suppressions", "bad"][..], bad),
        (&["--suppressions=none", "--suppressions=bad"], missing),
    ] {
        let output = place.run_with(options, &["touch", "started"]);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), said));
        // Where a report is made, the same: before the profile is looked at.
        let command = place.launch()[0].clone();
        let output = place.command(&command).arg("report").args(options).arg("no-such-profile").output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), said));
    }
    let output = place.command("env").arg("MEMTRACE_SUPPRESSIONS=good:bad").args(place.launch()).arg("true").output();
    assert_eq!(text(&output.unwrap().stderr), bad);
    assert!(!place.path().join("started").exists());
}

#[test]
fn a_profile_that_cannot_be_written_is_said_and_a_failure_of_the_target_stays() {
    let place = Place::new();
    for (status, expected) in [(0, 3), (6, 6)] {
        let output = place.run_with(&["-o", "%e/x"], &["sh", "-c", &format!("exit {status}")]);
        assert_eq!(output.status.code(), Some(expected));
        assert!(text(&output.stderr).starts_with("memtrace: cannot write `sh/x`: no such file or directory"));
    }
    assert!(place.processes().is_empty());
}

#[test]
fn a_script_without_a_first_line_is_run_by_the_shell() {
    let place = Place::new();
    let script = place.script("plain", "echo \"$0 $1\"; exit 8\n");
    let output = place.run(&[script.to_str().unwrap(), "one"]);
    assert_eq!(output.status.code(), Some(8));
    assert_eq!(text(&output.stdout), format!("{} one\n", script.display()));
    assert!(place.profiles()[0].starts_with("plain."));
}
