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
#[cfg(test)]
mod tests;

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
use crate::profile::since::{self, What};
use crate::profile::{Options, Profile, Suppress, heap};
use crate::recording::Recording;
use crate::sys;
use crate::text::{self, Request};
use crate::views::{Choice, leaks};
use found::Found;

/// How long to wait before a full pipe that does not block is tried again.
const PAUSE: Duration = Duration::from_millis(2);
/// Text that is written at once.
const TEXT_BYTES: usize = 64 << 10;
/// Holds until the recording has said what MEMTRACE_DEADLINE is; that row's default.
const DEADLINE_S: u64 = 10;

/// What the shim asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// What the settings say of the end.
    End,
    /// All there is to say, to the report's descriptor: the target goes on.
    Now,
    /// A profile there: the target goes on.
    Profile,
    /// A profile of what is new since the recording behind a descriptor there (-1: of all): the target goes on.
    Since(i32, What),
}

impl Wish {
    /// As the command line has it.
    pub fn of(now: bool, profile: bool, since: Option<i32>, lost: bool) -> Wish {
        match (now, profile, since) {
            (.., Some(before)) => Wish::Since(before, if lost { What::Lost } else { What::All }),
            (_, true, _) => Wish::Profile,
            (true, ..) => Wish::Now,
            (false, ..) => Wish::End,
        }
    }
}

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
pub fn command(recording_fd: i32, report_fd: i32, answer_fd: i32, wish: Wish) -> ExitCode {
    // Of a limit that the target has: an error is told, a death would not be.
    sys::ignore(libc::SIGXFSZ);
    let (Some(recording), report) = (duplicate(recording_fd), duplicate(report_fd)) else {
        return ExitCode::from(FAILED);
    };
    if report.is_none() && report_fd >= 0 {
        // Without an answer the library says in short what cannot be said here.
        return ExitCode::from(FAILED);
    }
    let (tell, hear) = mpsc::channel();
    let work = move || {
        let mut done = Done { code: CLEAN, is_leaky: false };
        if let Err(error) = work(recording, report.as_ref(), wish, &tell, &mut done.is_leaky) {
            // A profile is whole, or there is none.
            say(report.as_ref().filter(|_| matches!(wish, Wish::End | Wish::Now)), &error);
            done.code = error.code();
        }
        let _ = tell.send(News::Done(done));
    };
    match thread::Builder::new().spawn(work) {
        Ok(_) => {
            let done = wait(&hear);
            let is_told = |done: &Done| matches!(wish, Wish::End | Wish::Now) || done.code == CLEAN;
            if let Some(Done { is_leaky, .. }) = done.filter(is_told) {
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

fn work(
    recording: File,
    report: Option<&File>,
    wish: Wish,
    tell: &Sender<News>,
    is_leaky: &mut bool,
) -> Result<(), Error> {
    let recording = Recording::from_file(recording, "the recording")?;
    let Some(process) = recording.processes.last() else { return Ok(()) };
    let mut settings = settings::parse(process.settings());
    if wish != Wish::End {
        (settings.quiet, settings.summary, settings.out, settings.json) = (false, true, b"", b"");
    }
    let _ = tell.send(News::Deadline(settings.deadline_s));
    match wish {
        Wish::Profile => {
            profile_to(report, Profile::build(&recording, &Options::default())?)?;
            std::mem::forget(recording);
            return Ok(());
        }
        Wish::Since(before, what) => return since_to(report, recording, before, what),
        Wish::End | Wish::Now => {}
    }
    let found = Found::of(process);
    let wants_text = !settings.quiet && settings.out != b"none" && (settings.summary || found.may_be_shown(&settings));
    let json = Some(settings.json).filter(|pattern| !settings.quiet && !matches!(*pattern, b"" | b"none"));
    if !wants_text && json.is_none() && found.lost == 0 && !found.heap {
        return Ok(());
    }
    let top = settings.top.map(|top| usize::try_from(top).unwrap_or(usize::MAX));
    // The text shows the largest alone, the profile all, the answer none.
    let largest = match (json, wants_text) {
        (Some(_), _) => None,
        (None, true) => Some(top.unwrap_or(usize::MAX)),
        (None, false) => Some(0),
    };
    let (suppress, unusable) = Suppress::of_usable_files(&Suppress::files(settings.suppressions));
    unusable.iter().for_each(|error| say(report.filter(|_| !settings.quiet), error));
    let profile = Profile::build(&recording, &Options { largest, suppress, ..Options::default() })?;
    let last = profile.processes.last();
    *is_leaky = last.is_some_and(|process| leaks::leaked(process).blocks > 0 || heap::has_errors(process));
    // Suppressions may have left nothing.
    let wants_text = wants_text
        && (settings.summary
            || found.others
            || last.is_some_and(|process| {
                !process.heap_errors.is_empty() || found::has_leaks_to_show(process, &settings)
            }));
    let create = |pattern: &[u8]| {
        let exe = process.text(&process.header.exe).unwrap_or_default();
        let (pattern, exe) = (String::from_utf8_lossy(pattern), String::from_utf8_lossy(exe));
        output::create(&pattern, process.header.pid.get(), &exe, SystemTime::now())
    };
    if let Some(pattern) = json {
        match create(pattern).and_then(|new| new.write(|file| profile.write_json(Patient(file)))) {
            // The report is still to come.
            Err(error) if wants_text => say(report, &error),
            result => drop(result?),
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
            create(settings.out)?.write(write)?;
        }
    }
    // The process ends now: to give a hundred thousand texts back one by one would take longer than to write them.
    std::mem::forget((profile, recording));
    Ok(())
}

/// A profile, to where the report would go.
fn profile_to(report: Option<&File>, profile: Profile) -> Result<(), Error> {
    let failed = |cause| Error::CannotWrite { path: "profile".into(), cause };
    report.map_or(Ok(()), |file| profile.write_json(Patient(file)).map_err(failed))?;
    std::mem::forget(profile);
    Ok(())
}

/// What is new since the recording that was given, or all.
fn since_to(report: Option<&File>, mut recording: Recording, before: i32, what: What) -> Result<(), Error> {
    let before = duplicate(before).map(|file| Recording::from_file(file, "the earlier recording")).transpose()?;
    profile_to(report, since::profile(&mut recording, before.as_ref(), what)?)?;
    std::mem::forget((recording, before));
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
