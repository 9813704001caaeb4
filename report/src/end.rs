//! `memtrace __end`: the report of a bare process, printed as the process ends.
//!
//! The shim starts this command with an empty environment, all signals blocked, and two descriptors: the recording
//! and what was stderr at the target's start. The target waits meanwhile, so a deadline stands over everything.
//!
//! ```text
//!   main thread: waits until the deadline
//!   work thread: recording ─▶ profile ─▶ text to the report descriptor or a file, JSON to a file
//! ```
//!
//! Invariant: flags of the report descriptor are never changed: it is the target's file too.

mod found;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::BorrowedFd;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use memtrace_wire::settings;

use crate::error::{CLEAN, Error, FAILED};
use crate::output;
use crate::profile::{Options, Profile, Suppress};
use crate::recording::Recording;
use crate::text::{self, Request};
use crate::views::{Choice, leaks};
use found::Found;

/// How long to wait before a full pipe that does not block is tried again.
const PAUSE: Duration = Duration::from_millis(2);
/// Text that is written at once.
const TEXT_BYTES: usize = 64 << 10;
/// Holds until the recording has said what MEMTRACE_DEADLINE is; that row's default.
const DEADLINE_S: u64 = 10;

/// What the work thread tells the main thread.
enum News {
    Deadline(u64),
    Done(Done),
}

/// What the work came to.
#[derive(Clone, Copy)]
struct Done {
    /// The exit code.
    code: u8,
    /// There are definitely or possibly lost blocks that nothing suppresses.
    is_leaky: bool,
}

/// The body of the command. `report_fd` is -1 where the target had no stderr; `answer_fd` takes a letter when all
/// that there is to say was said, be it an error, so that the shim knows that it need not say it itself: `l` if blocks
/// are definitely or possibly lost, else `k`.
pub fn command(recording_fd: i32, report_fd: i32, answer_fd: i32) -> ExitCode {
    let (Some(recording), report) = (duplicate(recording_fd), duplicate(report_fd)) else {
        return ExitCode::from(FAILED);
    };
    let (tell, hear) = mpsc::channel();
    let work = move || {
        let mut done = Done { code: CLEAN, is_leaky: false };
        if let Err(error) = work(recording, report.as_ref(), &tell, &mut done.is_leaky) {
            say(report.as_ref(), &error);
            done.code = error.code();
        }
        let _ = tell.send(News::Done(done));
    };
    match thread::Builder::new().spawn(work) {
        Ok(_) => {
            let done = wait(&hear);
            if let Some(Done { is_leaky, .. }) = done {
                let answer: &[u8] = if is_leaky { b"l" } else { b"k" };
                // The target may be gone already: then nobody waits.
                let _ = duplicate(answer_fd).map(|mut file| file.write_all(answer));
            }
            ExitCode::from(done.map_or(FAILED, |done| done.code))
        }
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Waits until the work is done, or else until the deadline; what the thread was at is lost with it.
fn wait(hear: &Receiver<News>) -> Option<Done> {
    let began = Instant::now();
    let mut deadline_s = DEADLINE_S;
    loop {
        let rest = Duration::from_secs(deadline_s).saturating_sub(began.elapsed());
        match hear.recv_timeout(rest) {
            Ok(News::Deadline(seconds)) => deadline_s = seconds,
            Ok(News::Done(done)) => return Some(done),
            Err(_) => return None,
        }
    }
}

fn work(recording: File, report: Option<&File>, tell: &Sender<News>, is_leaky: &mut bool) -> Result<(), Error> {
    let recording = Recording::from_file(recording, "the recording")?;
    let Some(process) = recording.processes.last() else { return Ok(()) };
    let settings = settings::parse(process.settings());
    let _ = tell.send(News::Deadline(settings.deadline_s));
    let found = Found::of(process);
    let wants_text = !settings.quiet && settings.out != b"none" && (settings.summary || found.may_be_shown(&settings));
    let json = Some(settings.json).filter(|pattern| !settings.quiet && !matches!(*pattern, b"" | b"none"));
    if !wants_text && json.is_none() && found.lost == 0 {
        return Ok(());
    }
    let top = settings.top.map(|top| usize::try_from(top).unwrap_or(usize::MAX));
    // The text shows the largest alone, the profile all, the answer none.
    let largest = match (json, wants_text) {
        (Some(_), _) => None,
        (None, true) => Some(top.unwrap_or(usize::MAX)),
        (None, false) => Some(0),
    };
    let suppress = Suppress::of_setting(settings.suppressions).unwrap_or_else(|error| {
        say(report.filter(|_| !settings.quiet), &error);
        None
    });
    let profile = Profile::build(&recording, &Options { largest, suppress, ..Options::default() })?;
    let last = profile.processes.last();
    *is_leaky = last.is_some_and(|process| leaks::leaked(process).blocks > 0);
    // Suppressions may have left nothing.
    let wants_text = wants_text
        && (settings.summary
            || found.others
            || last.is_some_and(|process| found::has_leaks_to_show(process, &settings)));
    let create = |pattern: &[u8]| {
        let exe = process.text(&process.header.exe).unwrap_or_default();
        let (pattern, exe) = (String::from_utf8_lossy(pattern), String::from_utf8_lossy(exe));
        output::create(&pattern, process.header.pid.get(), &exe, SystemTime::now())
    };
    if let Some(pattern) = json {
        let written = create(pattern).and_then(|(file, path)| {
            profile.write_json(Patient(&file)).map_err(|cause| Error::CannotWrite { path, cause })
        });
        match written {
            // The report is still to come.
            Err(error) if wants_text => say(report, &error),
            result => result?,
        }
    }
    if wants_text {
        let request = Request { choice: Choice { top, ..Choice::default() }, ..Request::default() };
        // No colour: with an empty environment nobody knows whether it is wanted.
        let write = |file: &File| {
            let mut to = BufWriter::with_capacity(TEXT_BYTES, Patient(file));
            text::report(&profile, &request, &mut to).and_then(|()| to.flush())
        };
        if settings.out.is_empty() {
            match report.map_or(Ok(()), write) {
                // Nobody reads: there is nobody to tell either.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                result => result.map_err(|cause| Error::CannotWrite { path: "stderr".into(), cause })?,
            }
        } else {
            let (file, path) = create(settings.out)?;
            write(&file).map_err(|cause| Error::CannotWrite { path, cause })?;
        }
    }
    // The process ends now: to give a hundred thousand texts back one by one would take longer than to write them.
    std::mem::forget((profile, recording));
    Ok(())
}

/// One line to where the report goes. If that fails, there is nobody to tell.
fn say(report: Option<&File>, error: &Error) {
    let line = format!("memtrace: {error}\n");
    let _ = report.map(|file| Patient(file).write_all(line.as_bytes()));
}

/// A file whose descriptor may be set not to block: then it waits by itself.
struct Patient<'f>(&'f File);

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A descriptor of our own for one that was inherited; `None` if there is none of that number.
fn duplicate(number: i32) -> Option<File> {
    if number < 0 {
        return None;
    }
    // SAFETY: not -1, and used only to be duplicated, which the kernel refuses if it is not open.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    inherited.try_clone_to_owned().ok().map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::builder::{Found as Checked, Target, file_of, recording};
    use memtrace_wire::layout::Passive;
    use std::io::{Read, Seek};
    use std::os::fd::AsRawFd;
    use std::path::PathBuf;

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
        command(recording.as_raw_fd(), report.as_raw_fd(), answer.as_raw_fd());
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
        assert!(
            printed(checked(&["MEMTRACE_SUMMARY=1"], 0, 1)).0.contains("   still reachable: 16 bytes in 1 blocks\n")
        );
        let shown = printed(checked(&["MEMTRACE_SHOW=reachable"], 0, 1));
        assert!(shown.0.contains("\n16 bytes in 1 blocks are still reachable\n") && shown.1);
        assert_eq!(printed(checked(&["MEMTRACE_SHOW=reachable"], 0, 0)), (String::new(), true));
        // Leaks are told even where other kinds are asked for.
        assert!(
            printed(checked(&["MEMTRACE_SHOW=reachable"], 1, 0)).0.contains("definitely lost: 16 bytes in 1 blocks")
        );
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
        assert_eq!(Profile::read(&folder.join("app.json")).unwrap().processes.len(), 1);
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
        command(recording.as_raw_fd(), writer.as_raw_fd(), answer.as_raw_fd());
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
        command(recording.as_raw_fd(), writer.as_raw_fd(), answer.as_raw_fd());
        // Without the rest of the report the reader would wait for ever.
        assert_eq!(answer.metadata().unwrap().len(), 1);
        let text = reading.join().unwrap();
        assert!(text.len() > 64 << 10);
        assert_eq!(text.matches("live at the end\n").count(), 2001);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_descriptors_nothing_happens() {
        assert_eq!(command(-1, -1, -1), ExitCode::from(FAILED));
        assert_eq!(command(1_000_000, -1, -1), ExitCode::from(FAILED));
        let broken = file_of(b"MEMTRACE");
        assert_eq!(command(broken.as_raw_fd(), -1, -1), ExitCode::from(2));
    }
}
