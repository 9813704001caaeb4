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

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::BorrowedFd;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use memtrace_wire::layout::Passive;
use memtrace_wire::settings;

use crate::error::{CLEAN, Error, FAILED};
use crate::output;
use crate::profile::{Options, Profile};
use crate::recording::{Process, Recording};
use crate::text::{self, Request};
use crate::views::Choice;

/// How long to wait before a full pipe that does not block is tried again.
const PAUSE: Duration = Duration::from_millis(2);
/// Holds until the recording has said what MEMTRACE_DEADLINE is; that row's default.
const DEADLINE_S: u64 = 10;

/// What the work thread tells the main thread.
enum News {
    Deadline(u64),
    Done(u8),
}

/// The body of the command. `report_fd` is -1 where the target had no stderr; `answer_fd` takes a `k` when all that
/// there is to say was said, so that the shim knows that it need not say it itself.
pub fn command(recording_fd: i32, report_fd: i32, answer_fd: i32) -> ExitCode {
    let (Some(recording), report) = (duplicate(recording_fd), duplicate(report_fd)) else {
        return ExitCode::from(FAILED);
    };
    let (tell, hear) = mpsc::channel();
    let work = move || {
        let done = match work(recording, report.as_ref(), &tell) {
            Ok(()) => CLEAN,
            Err(error) => {
                let _ = print(report.as_ref(), format!("memtrace: {error}\n").as_bytes());
                error.code()
            }
        };
        let _ = tell.send(News::Done(done));
    };
    match thread::Builder::new().spawn(work) {
        Ok(_) => {
            let code = wait(&hear);
            if code == CLEAN {
                // The target may be gone already: then nobody waits.
                let _ = duplicate(answer_fd).map(|mut answer| answer.write_all(b"k"));
            }
            ExitCode::from(code)
        }
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Waits until the work is done, or else until the deadline; what the thread was at is lost with it.
fn wait(hear: &Receiver<News>) -> u8 {
    let began = Instant::now();
    let mut deadline_s = DEADLINE_S;
    loop {
        let rest = Duration::from_secs(deadline_s).saturating_sub(began.elapsed());
        match hear.recv_timeout(rest) {
            Ok(News::Deadline(seconds)) => deadline_s = seconds,
            Ok(News::Done(code)) => return code,
            Err(_) => return FAILED,
        }
    }
}

fn work(recording: File, report: Option<&File>, tell: &Sender<News>) -> Result<(), Error> {
    let recording = Recording::from_file(recording, "the recording")?;
    let Some(process) = recording.processes.last() else { return Ok(()) };
    let settings = settings::parse(process.settings());
    let _ = tell.send(News::Deadline(settings.deadline_s));
    let wants_text = settings.out != b"none" && (settings.summary || has_findings(process));
    let json = Some(settings.json).filter(|pattern| !matches!(*pattern, b"" | b"none"));
    if settings.quiet || !wants_text && json.is_none() {
        return Ok(());
    }
    let profile = Profile::build(&recording, &Options::default())?;
    let create = |pattern: &[u8]| {
        let exe = process.text(&process.header.exe).unwrap_or_default();
        let (pattern, exe) = (String::from_utf8_lossy(pattern), String::from_utf8_lossy(exe));
        output::create(&pattern, process.header.pid.get(), &exe, SystemTime::now())
    };
    if let Some(pattern) = json {
        let (file, path) = create(pattern)?;
        profile.write_json(Patient(&file)).map_err(|cause| Error::CannotWrite { path, cause })?;
    }
    if wants_text {
        let top = settings.top.map(|top| usize::try_from(top).unwrap_or(usize::MAX));
        let request = Request { choice: Choice { top, ..Choice::default() }, ..Request::default() };
        // No colour: with an empty environment nobody knows whether it is wanted.
        let write = |file: &File| {
            let mut to = BufWriter::new(Patient(file));
            text::report(&profile, &request, &mut to).and_then(|()| to.flush())
        };
        if settings.out.is_empty() {
            // Nobody reads: there is nobody to tell either.
            let _ = report.map(write);
        } else {
            let (file, path) = create(settings.out)?;
            write(&file).map_err(|cause| Error::CannotWrite { path, cause })?;
        }
    }
    Ok(())
}

/// Whether a process has something to say without being asked; found without any names.
fn has_findings(process: &Process) -> bool {
    let header = &process.header;
    let settings = settings::parse(process.settings());
    let is_live = |live: u64, foreign: u64| live > foreign;
    let is_passive = !matches!(Passive::from_number(header.passive.get()), Some(Passive::No | Passive::Excluded));
    process.sites.iter().skip(1).any(|site| is_live(site.live_count.get(), site.foreign_count.get()))
        || header.fault_armed.get() > 0
        || header.fault_fired.get() > 0
        || settings.wrong != 0
        || settings.fail_at_beats_after
        || is_passive
}

fn print(report: Option<&File>, bytes: &[u8]) -> io::Result<()> {
    report.map_or(Ok(()), |file| Patient(file).write_all(bytes))
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
