//! One run of the program: in a directory of its own, with its input from the start, followed to its end.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::collect::{self, Known};
use super::facts::{Facts, Text};
use super::here::{Here, Own};
use super::model::End;
use super::trace::{HURRY, Library, Watch};
use super::written::{files, text};
use crate::error::Error;
use crate::recording::Recording;
use crate::run::environment;
use crate::run::memfd;
use crate::run::target::Target;
use crate::sys::{self, Held, Surroundings};

/// What is run, and how.
pub struct Subject {
    /// The program.
    pub target: Target,
    /// The shim.
    pub library: PathBuf,
    /// What stands in LD_PRELOAD: the shim, perhaps with a second library.
    pub preload: PathBuf,
    /// The environment, without TMPDIR and settings of ours.
    pub variables: Vec<CString>,
    /// Those that it was given for being CPython.
    pub given: Vec<String>,
    /// What stands on its stdin; nothing: /dev/null.
    pub input: Option<File>,
    /// Shell commands before and after each run.
    pub setup: Option<String>,
    /// As above.
    pub teardown: Option<String>,
    /// A shell command that says whether a run without an error is right.
    pub oracle: Option<String>,
    /// Files of the sweep's own.
    pub own: Own,
}

/// Where runs of one worker take place, one after the other.
pub struct Place<'s> {
    subject: &'s Subject,
    directory: PathBuf,
    output: File,
    errors: File,
    held: Held,
    library: Option<Library>,
}

impl<'s> Place<'s> {
    /// In this directory, which is there.
    pub fn new(subject: &'s Subject, directory: PathBuf) -> Result<Place<'s>, Error> {
        let failed = |cause| Error::System { what: "cannot make a file for the program's output", cause };
        Ok(Place {
            library: Library::of(&subject.library),
            subject,
            directory,
            output: sys::memfd(c"stdout").map_err(failed)?,
            errors: sys::memfd(c"stderr").map_err(failed)?,
            held: sys::hold_signals(&[libc::SIGCHLD, HURRY]),
        })
    }

    /// Runs the program once. Trouble of our own is among the facts.
    pub fn run(&self, settings: &[String], timeout: Duration, known: &Known) -> Facts {
        let mut facts = Facts::default();
        if let Err(error) = self.try_run(settings, timeout, known, &mut facts) {
            facts.trouble = Some(error.to_string());
        }
        facts
    }

    fn try_run(&self, settings: &[String], timeout: Duration, known: &Known, facts: &mut Facts) -> Result<(), Error> {
        let settings: Vec<Vec<u8>> = settings.iter().map(|setting| setting.clone().into_bytes()).collect();
        let recording = memfd::Recording::with_settings(&settings)?;
        let temporary = self.fresh_directory()?;
        self.command(self.subject.setup.as_deref(), &temporary, &[]);
        let here = Here::before(&self.subject.own);
        let begin = Instant::now();
        facts.end = self.start(&recording, &temporary, timeout, facts, known)?;
        facts.time_us = begin.elapsed().as_micros() as u64;
        let failed = |cause| Error::System { what: "cannot read what the program wrote", cause };
        facts.output = text(&self.output, &temporary).map_err(failed)?;
        facts.errors = text(&self.errors, &temporary).map_err(failed)?;
        facts.files = files(&temporary);
        here.compare(&self.subject.own, facts);
        if facts.end == End::Exited(0) || self.subject.oracle.is_some() {
            facts.oracle = self.ask_oracle(&temporary, facts);
        }
        self.command(self.subject.teardown.as_deref(), &temporary, &[]);
        Ok(())
    }

    fn start(
        &self,
        recording: &memfd::Recording,
        temporary: &Path,
        timeout: Duration,
        facts: &mut Facts,
        known: &Known,
    ) -> Result<End, Error> {
        let system = |what| move |cause| Error::System { what, cause };
        let rewound = |file: &File| file.set_len(0).and_then(|()| io::Seek::rewind(&mut &*file));
        rewound(&self.output).and_then(|()| rewound(&self.errors)).map_err(system("cannot empty a file"))?;
        // Opened anew: it is read from its start.
        let input = match &self.subject.input {
            Some(file) => File::open(format!("/proc/self/fd/{}", file.as_raw_fd())),
            None => File::open("/dev/null"),
        };
        let input = input.map_err(system("cannot open the program's input"))?;
        let address = recording.address(std::process::id() as sys::Pid);
        let mut variables = environment::for_target(self.subject.variables.clone(), &self.subject.preload, &address);
        let temporary = [b"TMPDIR=", temporary.as_os_str().as_encoded_bytes()].concat();
        variables.extend(CString::new(temporary));
        let program = self.subject.target.program(variables);
        let stdio = [input.as_raw_fd(), self.output.as_raw_fd(), self.errors.as_raw_fd()];
        let mut watch = None;
        let begin = |pid| watch = Some(Watch::begin(pid, self.library.as_ref()));
        let pid = sys::start_in(&program, &self.held, Some(&Surroundings { stdio }), begin)
            .map_err(|cause| Error::CannotStart { path: self.subject.target.path.clone(), cause })?;
        let mut watch = match watch {
            Some(Ok(watch)) => watch,
            refused => {
                sys::send(pid, libc::SIGKILL);
                let _ = sys::wait(pid);
                let why = refused.and_then(Result::err).unwrap_or_default();
                return Err(Error::CannotTrace { why });
            }
        };
        let end = watch.until_the_end(timeout);
        facts.is_spinning = watch.is_spinning;
        facts.descriptors = std::mem::take(&mut watch.descriptors);
        facts.locks = std::mem::take(&mut watch.locks);
        let file = recording.file().map_err(system("cannot read the recording"))?;
        let recording = Recording::from_file(file, "recording")?;
        collect::add(&recording, pid as u32, known, std::mem::take(&mut watch.seen), facts);
        Ok(end)
    }

    /// An empty directory for the program's temporary files.
    fn fresh_directory(&self) -> Result<PathBuf, Error> {
        let path = self.directory.join("tmp");
        let made = match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(()),
            Ok(false) => fs::remove_dir_all(&path).and_then(|()| fs::create_dir(&path)),
            Err(_) => fs::create_dir(&path),
        };
        made.map_err(|cause| Error::CannotWrite { path: path.clone(), cause })?;
        Ok(path)
    }

    fn ask_oracle(&self, temporary: &Path, facts: &Facts) -> Option<bool> {
        let oracle = self.subject.oracle.as_deref()?;
        let pid = std::process::id();
        let status = match facts.end {
            End::Exited(status) => status.to_string(),
            End::Killed(signal) => (128 + signal).to_string(),
            End::TimedOut => "timeout".to_owned(),
        };
        let told = [
            ("MEMTRACE_STATUS", status),
            ("MEMTRACE_STDOUT", format!("/proc/{pid}/fd/{}", self.output.as_raw_fd())),
            ("MEMTRACE_STDERR", format!("/proc/{pid}/fd/{}", self.errors.as_raw_fd())),
        ];
        self.command(Some(oracle), temporary, &told)
    }

    /// Runs a shell command; whether it succeeded.
    fn command(&self, command: Option<&str>, temporary: &Path, told: &[(&str, String)]) -> Option<bool> {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command?).env("TMPDIR", temporary).envs(told.iter().map(|(name, value)| (name, value)));
        let status = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        Some(status.is_ok_and(|status| status.success()))
    }
}

/// The bytes of an argument as text that JSON can hold.
pub fn shown(argument: &OsString) -> String {
    String::from_utf8_lossy(&argument.clone().into_vec()).into_owned()
}

/// Whether two texts are the same.
pub fn same(one: &Text, other: &Text) -> bool {
    (one.bytes, one.hash) == (other.bytes, other.hash)
}
