//! The report of a bare process, from its recording to what is printed and answered.

use super::*;
use crate::recording::builder::{Found as Checked, Target, file_of, recording};
use memtrace_wire::layout::Passive;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

fn target(settings: &[&str], live: u64) -> Target {
    let mut target = Target::new(77, "/bin/app");
    let leaf = target.stack(&[0x1011]);
    target.site(leaf, 8, 3, live);
    target.settings = settings.iter().map(|&setting| setting.to_owned()).collect();
    target
}

/// What the command prints for this target, and whether it answered.
fn printed(target: Target) -> (String, bool) {
    let (mut report, mut answer) = (file_of(b""), file_of(b""));
    let recording = file_of(&recording(&[target]));
    command(recording.as_raw_fd(), report.as_raw_fd(), answer.as_raw_fd(), Wish::End);
    let text = |file: &mut File| {
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    };
    let answer = text(&mut answer);
    assert!(["", "k", "l"].contains(&answer.as_str()));
    (text(&mut report), answer == "k")
}

/// A process that lost blocks of 16 bytes and holds others.
fn checked(settings: &[&str], lost: u64, held: u64) -> Target {
    let mut target = target(settings, lost + held);
    target.check(&Checked {
        lost: (0..lost).map(|number| (0x100 * (number + 1), 2, &[][..])).collect(),
        held: (0..held).map(|_| (2, 1, 16, Vec::new())).collect(),
    });
    target
}

#[test]
fn leaks_are_printed_and_answered_and_what_is_held_is_not() {
    let leaky = printed(checked(&[], 1, 1));
    assert!(leaky.0.contains("\n16 bytes in 1 blocks are definitely lost\n") && !leaky.1, "{}", leaky.0);
    assert!(!leaky.0.contains(" are still reachable"));
    assert_eq!(printed(checked(&[], 0, 1)), (String::new(), true));
    assert!(printed(checked(&["MEMTRACE_SUMMARY=1"], 0, 1)).0.contains("   still reachable: 16 bytes in 1 blocks\n"));
    let shown = printed(checked(&["MEMTRACE_SHOW=reachable"], 0, 1));
    assert!(shown.0.contains("\n16 bytes in 1 blocks are still reachable\n") && shown.1);
    assert_eq!(printed(checked(&["MEMTRACE_SHOW=reachable"], 0, 0)), (String::new(), true));
    // Leaks are told even where other kinds are asked for.
    assert!(printed(checked(&["MEMTRACE_SHOW=reachable"], 1, 0)).0.contains("definitely lost: 16 bytes in 1 blocks"));
    // The answer does not depend on what is printed.
    assert_eq!(printed(checked(&["MEMTRACE_QUIET=1"], 1, 0)), (String::new(), false));
    assert_eq!(printed(checked(&["MEMTRACE_OUT=none"], 1, 0)), (String::new(), false));
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("memtrace-end-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_process_without_findings_prints_nothing_unless_it_is_asked() {
    assert_eq!(printed(target(&[], 0)), (String::new(), true));
    let text = printed(target(&["MEMTRACE_SUMMARY=1"], 0)).0;
    assert!(text.contains("memtrace: summary of app (pid 77)\n  allocations: 3 (24 bytes)\n"), "{text}");
    assert_eq!(printed(target(&["MEMTRACE_QUIET=1"], 3)).0, "");
}

#[test]
fn live_blocks_warnings_armed_faults_and_passive_reasons_are_findings() {
    assert!(printed(target(&[], 2)).0.contains("16 bytes in 2 blocks live at the end\n"));
    assert!(printed(target(&["MEMTRACE_TOP=x"], 0)).0.contains("cannot use MEMTRACE_TOP: found `x`"));
    let armed = target(&["MALLOC_FAIL_AFTER=9"], 0);
    armed.header.fault_armed.set(1);
    assert!(printed(armed).0.contains("never fired: 0 allocations were seen"));
    let passive = |reason| {
        let target = target(&[], 0);
        target.header.passive.set(reason as u32);
        printed(target).0
    };
    assert!(passive(Passive::Sanitizer).contains("nothing was recorded"));
    assert_eq!(passive(Passive::Excluded), "");
}

#[test]
fn top_limits_the_stacks() {
    let mut target = target(&["MEMTRACE_TOP=1"], 2);
    let other = target.stack(&[0x2022]);
    target.site(other, 8, 1, 1);
    let text = printed(target).0;
    assert!(text.contains("\n1 more stack not shown: 8 bytes in 1 block live at the end\n"), "{text}");
}

#[test]
fn out_and_json_name_files_by_their_patterns() {
    let folder = folder("files");
    let out = format!("MEMTRACE_OUT={}/%e.%p.txt", folder.display());
    let json = format!("MEMTRACE_JSON={}/%e.json", folder.display());
    assert_eq!(printed(target(&[&out, &json], 2)), (String::new(), true));
    let text = std::fs::read_to_string(folder.join("app.77.txt")).unwrap();
    assert!(text.starts_with("memtrace: app (pid 77)\n"), "{text}");
    let json = std::fs::read(folder.join("app.json")).unwrap();
    assert_eq!(Profile::from_json(&json, "x").unwrap().processes.len(), 1);
    // The second run goes beside the first.
    printed(target(&[&out], 2));
    assert!(folder.join("app.77.txt.77").exists());
    assert_eq!(printed(target(&["MEMTRACE_OUT=none"], 2)), (String::new(), true));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_cannot_be_made_is_said_in_one_line() {
    let (text, answered) = printed(target(&["MEMTRACE_OUT=/no/such/folder/%e"], 2));
    assert_eq!(text, "memtrace: cannot write `/no/such/folder/app`: no such file or directory\n");
    assert!(answered, "the shim need not say it again");
}

#[test]
fn a_full_pipe_is_left_at_the_deadline() {
    let (reader, writer) = io::pipe().unwrap();
    let mut target = target(&["MEMTRACE_DEADLINE=1"], 2);
    for number in 0..20_000 {
        let leaf = target.stack(&[0x10_0000 + number]);
        target.site(leaf, 8, 1, 1);
    }
    target.settings.push("MEMTRACE_TOP=all".into());
    let (recording, answer) = (file_of(&recording(&[target])), file_of(b""));
    let began = Instant::now();
    command(recording.as_raw_fd(), writer.as_raw_fd(), answer.as_raw_fd(), Wish::End);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(8), "{took:?}");
    assert_eq!(answer.metadata().unwrap().len(), 0);
    drop(reader);
}

#[test]
fn a_pipe_that_does_not_block_gets_the_whole_report() {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = folder("pipe");
    let path = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Opened for both, so that neither open waits for the other side.
    let mut reader = File::options().read(true).write(true).open(&path).unwrap();
    let writer = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    let mut target = target(&["MEMTRACE_TOP=all"], 2);
    for number in 0..2_000 {
        let leaf = target.stack(&[0x10_0000 + number]);
        target.site(leaf, 8, 1, 1);
    }
    let reading = thread::spawn(move || {
        let (mut text, mut part) = (String::new(), [0; 4096]);
        while !text.contains("losses: none") {
            thread::sleep(Duration::from_millis(1));
            let length = reader.read(&mut part).unwrap();
            text.push_str(std::str::from_utf8(&part[..length]).unwrap());
        }
        text
    });
    let (recording, answer) = (file_of(&recording(&[target])), file_of(b""));
    command(recording.as_raw_fd(), writer.as_raw_fd(), answer.as_raw_fd(), Wish::End);
    // Without the rest of the report the reader would wait for ever.
    assert_eq!(answer.metadata().unwrap().len(), 1);
    let text = reading.join().unwrap();
    assert!(text.len() > 64 << 10);
    assert_eq!(text.matches("live at the end\n").count(), 2001);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_descriptors_nothing_happens() {
    assert_eq!(command(-1, -1, -1, Wish::End), ExitCode::from(FAILED));
    assert_eq!(command(1_000_000, -1, -1, Wish::End), ExitCode::from(FAILED));
    let broken = file_of(b"MEMTRACE");
    assert_eq!(command(broken.as_raw_fd(), -1, -1, Wish::End), ExitCode::from(2));
}

/// A file with these suppressions.
fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn suppressions_that_cannot_be_read_are_said_and_the_others_hold() {
    let folder = folder("suppressions");
    let (bad, good) = (file(&folder, "bad", "leak:a\nrace:b\n"), file(&folder, "good", "leak:<unknown module>\n"));
    let missing = folder.join("missing").to_str().unwrap().to_owned();
    let with = |files: &[&str]| checked(&[&format!("MEMTRACE_SUPPRESSIONS={}", files.join(":"))], 1, 0);
    assert_eq!(printed(with(&[&good])), (String::new(), true));
    let said = format!(
        "memtrace: cannot read suppressions `{bad}`: line 2: found `race:b`, expected `leak:PATTERN`\n\
         memtrace: cannot read `{missing}`: no such file or directory\n"
    );
    assert_eq!(printed(with(&[&bad, &good, &missing])), (said, true));
    let (text, _) = printed(with(&[&bad]));
    assert!(text.starts_with("memtrace: cannot read") && text.contains(" definitely lost\n"), "{text}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_programs_own_suppressions_hold_and_a_bad_line_of_theirs_is_a_finding() {
    let own = |text: &str, lost| {
        let mut target = checked(&[], lost, 1);
        target.header.suppressions = target.text(text.as_bytes());
        printed(target)
    };
    assert_eq!(own("leak:<unknown module>\n", 1), (String::new(), true));
    let said = "memtrace: cannot use __lsan_default_suppressions, line 2: found `leek:b`, expected `leak:PATTERN`\n";
    let (text, is_clean) = own("leak:<unknown module>\nleek:b", 1);
    assert!(text.contains(said) && text.contains(" definitely lost\n") && !is_clean, "{text}");
    assert!(own("leak:a\nleek:b", 0).0.contains(said));
}
