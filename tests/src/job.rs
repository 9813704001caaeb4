//! One program run one way: natively, with the library preloaded, or under `memtrace run`.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::child;
use crate::pair::pair;
use crate::place::Place;
use crate::profile::{Process, read_profile};

/// Longer than any program of the tests takes on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The three ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Without memtrace.
    Native,
    /// `LD_PRELOAD=libmemtrace.so`.
    Bare,
    /// `memtrace run --`.
    Run,
}

/// What is to be run. The environment is PATH, HOME (the place), LC_ALL=C, and what `env` adds.
#[derive(Debug)]
pub struct Job<'p> {
    place: &'p Place,
    how: How,
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    patience: Duration,
    library: Option<PathBuf>,
}

impl<'p> Job<'p> {
    pub(crate) fn new(place: &'p Place, how: How, program: &Path) -> Self {
        Job {
            place,
            how,
            program: program.to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            input: Vec::new(),
            patience: PATIENCE,
            library: None,
        }
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// One more variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// What comes from stdin.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// How long it may take.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Another copy of the library, for `How::Bare`.
    pub fn library(mut self, library: impl Into<PathBuf>) -> Self {
        self.library = Some(library.into());
        self
    }

    /// Runs it to its end. Under `memtrace run` the profile goes to a name of this job's.
    pub fn run(self) -> Ended {
        self.start("")
    }

    /// Runs it to its end and reads its profiles: one process for each image, in the order of their start.
    pub fn record(self) -> Ended {
        let name = self.place.unused_name();
        let place = self.place;
        let mut ended = self.start(&name);
        ended.profiles = place.files(&name).iter().map(|file| place.join(file)).collect();
        ended.processes = ended.profiles.iter().flat_map(|path| read_profile(path)).collect();
        ended.processes.sort_by_key(|process| process.start().to_owned());
        ended
    }

    fn start(mut self, profile: &str) -> Ended {
        let mut command = match self.how {
            How::Native | How::Bare => Command::new(&self.program),
            How::Run => {
                let name = if profile.is_empty() { &self.place.unused_name() } else { profile };
                let mut command = Command::new(&pair().command);
                command.arg("run").arg("-o").arg(self.place.join(name)).arg("--").arg(&self.program);
                command
            }
        };
        command.args(&self.arguments).current_dir(self.place.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.place.path()).env("LC_ALL", "C").envs(self.variables.drain(..));
        if self.how == How::Bare {
            command.env("LD_PRELOAD", self.library.as_ref().unwrap_or(&pair().library));
            if !profile.is_empty() {
                command.env("MEMTRACE_JSON", self.place.join(&format!("{profile}.%p")));
            }
        }
        let said = format!("{command:?}");
        let went = child::run(command, self.input, self.patience);
        let stdout = String::from_utf8_lossy(&went.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&went.stderr).into_owned();
        let Some(status) = went.status else {
            panic!("{said}\nwas not over after {:?}\nstdout: {stdout}\nstderr: {stderr}", self.patience)
        };
        assert!(!went.is_held, "{said}\nended, and its stdout or stderr is still held open after {:?}", self.patience);
        Ended {
            command: said,
            status,
            stdout,
            stderr,
            cpu: went.cpu,
            rss_bytes: went.rss_bytes,
            profiles: Vec::new(),
            processes: Vec::new(),
        }
    }
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// What was run, for messages.
    pub command: String,
    /// Exit status or signal.
    pub status: ExitStatus,
    /// All that came on stdout.
    pub stdout: String,
    /// All that came on stderr.
    pub stderr: String,
    /// User and system time of the program and of the children that it waited for.
    pub cpu: Duration,
    /// The most memory that it had resident.
    pub rss_bytes: u64,
    /// After `record`: the profiles' paths.
    pub profiles: Vec<PathBuf>,
    /// After `record`: the processes of all profiles.
    pub processes: Vec<Process>,
}

impl Ended {
    /// Exit status, if it exited.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that killed it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The only process of the only profile.
    pub fn process(&self) -> &Process {
        match &self.processes[..] {
            [process] => process,
            others => panic!("{}\nhas {} processes, not one\n{}", self.command, others.len(), self.stderr),
        }
    }
}
