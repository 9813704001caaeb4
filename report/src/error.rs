//! Everything that the command can say when it goes wrong, each with its exit code.
//!
//! Exit codes: 0 clean, 1 found something, 2 used wrongly, unusable input or no data, 3 memtrace failed.
//! A message has the thing, what was found, and what was expected; `hint` is the one thing to do, if there is one.

mod refusal;

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use refusal::Refusal;

/// Nothing was wrong.
pub const CLEAN: u8 = 0;
/// Leaks were found.
pub const FOUND: u8 = 1;
/// Used wrongly, unusable input, or no data.
pub const MISUSED: u8 = 2;
/// memtrace itself failed.
pub const FAILED: u8 = 3;

/// What went wrong.
#[derive(Debug)]
pub enum Error {
    /// The command line cannot be read.
    Usage {
        /// What is wrong with it.
        found: String,
    },
    /// A recording or profile cannot be read, or is not what it should be.
    CannotRead {
        /// The file, or a word for it.
        what: String,
        /// What is wrong with it, and what was expected.
        found: String,
    },
    /// A recording or profile of another version.
    Version {
        /// The file, or a word for it.
        what: String,
        /// Its version.
        found: u64,
        /// The highest version that this memtrace reads.
        reads: u64,
    },
    /// A file could not be opened.
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A profile or report could not be written.
    CannotWrite {
        /// The file, or the pattern where no file has been named yet.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A pattern for file names has a `%` that is followed by nothing we know.
    BadPattern {
        /// The pattern.
        pattern: String,
        /// The `%` and what follows.
        found: String,
    },
    /// `--split` and a pattern that gives all processes the same name.
    SplitWithoutPid {
        /// The pattern.
        pattern: String,
    },
    /// No such program.
    TargetNotFound {
        /// The command, as it was typed.
        command: String,
        /// It was looked for in PATH.
        in_path: bool,
    },
    /// The target cannot be run, or not be recorded.
    TargetRefused {
        /// The command, as it was typed.
        command: String,
        /// The scripts' interpreters from there to the file that is meant; empty: the command itself.
        through: Vec<PathBuf>,
        /// What it is.
        refusal: Refusal,
    },
    /// exec failed after all.
    CannotStart {
        /// The program.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The program cannot be followed, which a sweep needs.
    CannotTrace {
        /// Why.
        why: String,
    },
    /// The program ends in different ways without any failure.
    Unsteady {
        /// The ends that were seen.
        ends: String,
    },
    /// The program cannot be swept.
    NoBaseline {
        /// Why.
        why: String,
    },
    /// No allocation was made to fail.
    NothingInjected {
        /// The command.
        command: String,
    },
    /// A signal ended the command before it had anything.
    Interrupted {
        /// Its number.
        signal: i32,
    },
    /// A library of ours is in none of its places.
    LibraryNotFound {
        /// Its file.
        name: &'static str,
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// The libraries that the command carries can be laid out nowhere.
    NoPlace {
        /// The places, each with what is wrong with it.
        refused: Vec<String>,
    },
    /// The loader takes `:` and space in LD_PRELOAD for separators.
    LibraryPath {
        /// The library.
        path: PathBuf,
    },
    /// The shim never claimed its place in the recording.
    NothingRecorded {
        /// The command, as it was typed.
        command: String,
    },
    /// A system call of memtrace's own failed.
    System {
        /// What it was for: "cannot …".
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

impl Error {
    /// `what` (a file in backticks, or a word) cannot be read, for the reason `found`.
    pub fn read(what: impl Into<String>, found: impl Display) -> Error {
        Error::CannotRead { what: what.into(), found: found.to_string() }
    }

    /// The exit code that this error ends the command with.
    pub fn code(&self) -> u8 {
        match self {
            Error::Usage { .. }
            | Error::CannotRead { .. }
            | Error::Version { .. }
            | Error::CannotOpen { .. }
            | Error::BadPattern { .. }
            | Error::SplitWithoutPid { .. }
            | Error::TargetNotFound { .. }
            | Error::TargetRefused { .. }
            | Error::CannotStart { .. }
            | Error::CannotTrace { .. }
            | Error::Unsteady { .. }
            | Error::NoBaseline { .. }
            | Error::NothingInjected { .. }
            | Error::Interrupted { .. }
            | Error::LibraryPath { .. }
            | Error::NothingRecorded { .. } => MISUSED,
            Error::CannotWrite { .. }
            | Error::LibraryNotFound { .. }
            | Error::NoPlace { .. }
            | Error::System { .. } => FAILED,
        }
    }

    /// The one thing to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::CannotRead { .. } | Error::CannotOpen { .. } | Error::CannotStart { .. } | Error::System { .. } => {
                None
            }
            Error::Usage { .. } => Some("`memtrace --help` and `memtrace run --help` say what can be typed".to_owned()),
            Error::Version { .. } => Some("use the memtrace that wrote it".to_owned()),
            Error::CannotWrite { .. } => Some("name a place that can be written with `-o`".to_owned()),
            Error::BadPattern { .. } => Some("write `%%` for a percent sign".to_owned()),
            Error::SplitWithoutPid { .. } => Some("put `%p` into the pattern".to_owned()),
            Error::TargetNotFound { in_path: true, .. } => {
                Some("write `./NAME` for a program in the working directory".to_owned())
            }
            Error::TargetNotFound { in_path: false, .. } => None,
            Error::TargetRefused { refusal, .. } => refusal.hint(),
            Error::LibraryNotFound { .. } => {
                Some("build both with `cargo build --release`, and keep them in one directory".to_owned())
            }
            Error::NoPlace { .. } => Some(
                "set XDG_CACHE_HOME to a directory that only this user can write to, where programs may be run".to_owned(),
            ),
            Error::CannotTrace { .. } => Some(
                "let it use ptrace: in a container `--cap-add SYS_PTRACE`, and no debugger around memtrace".to_owned(),
            ),
            Error::NoBaseline { .. } | Error::Interrupted { .. } => None,
            Error::Unsteady { .. } => Some(
                "make it the same each time: a fixed seed, `--setup` for files that it changes, no clock".to_owned(),
            ),
            Error::NothingInjected { .. } => Some(
                "only allocations from `main` on can fail; `--exe NAME` names the program where a command starts others"
                    .to_owned(),
            ),
            Error::LibraryPath { .. } => Some("move memtrace to a directory without such characters".to_owned()),
            Error::NothingRecorded { .. } => Some(
                "likely the target ended before its first allocation, changed LD_PRELOAD before an exec, \
                 or may not read /proc"
                    .to_owned(),
            ),
        }
    }

    /// Says it on stderr; the exit code to end with. A closed stderr is no failure.
    pub fn print(&self) -> ExitCode {
        let mut text = format!("memtrace: {self}\n");
        if let Some(hint) = self.hint() {
            text.push_str(&format!("hint: {hint}\n"));
        }
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(self.code())
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage { found } => write!(f, "{found}"),
            Error::CannotRead { what, found } => write!(f, "cannot read {what}: {found}"),
            Error::Version { what, found, reads } => {
                write!(f, "cannot read {what}: version {found}, this memtrace reads up to {reads}")
            }
            Error::CannotOpen { path, cause } => {
                write!(f, "cannot read `{}`: {}", path.display(), words(cause))
            }
            Error::CannotWrite { path, cause } => {
                write!(f, "cannot write `{}`: {}", path.display(), words(cause))
            }
            Error::BadPattern { pattern, found } => {
                write!(f, "cannot use pattern `{pattern}`: found `{found}`, expected `%p`, `%e`, `%t` or `%%`")
            }
            Error::SplitWithoutPid { pattern } => {
                write!(f, "cannot split by process: pattern `{pattern}` gives all processes one name")
            }
            Error::TargetNotFound { command, in_path: true } => {
                write!(f, "cannot run `{command}`: not found in PATH")
            }
            Error::TargetNotFound { command, in_path: false } => write!(f, "cannot run `{command}`: no such file"),
            Error::TargetRefused { command, through, refusal } => {
                write!(f, "cannot run `{command}`: ")?;
                match through.as_slice() {
                    [] => write!(f, "{refusal}"),
                    [.., last] => write!(f, "its interpreter `{}` is {refusal}", last.display()),
                }
            }
            Error::Unsteady { ends } => {
                write!(f, "cannot sweep: without a failure the program ends in different ways: {ends}")
            }
            Error::NoBaseline { why } => write!(f, "cannot sweep: the program without a failure: {why}"),
            Error::NothingInjected { command } => write!(f, "no allocation of `{command}` was made to fail"),
            Error::Interrupted { signal } => write!(f, "ended by signal {signal}"),
            Error::CannotTrace { why } => write!(f, "cannot follow the program: {why}"),
            Error::CannotStart { path, cause } => {
                write!(f, "cannot run `{}`: {}", path.display(), words(cause))
            }
            Error::LibraryNotFound { name, looked } => {
                let looked: Vec<_> = looked.iter().map(|path| format!("`{}`", path.display())).collect();
                write!(f, "cannot find {name}: looked for {}", looked.join(", "))
            }
            Error::NoPlace { refused } => {
                write!(f, "cannot lay out the libraries that it carries: {}", refused.join("; "))
            }
            Error::LibraryPath { path } => {
                write!(f, "cannot preload `{}`: the loader splits LD_PRELOAD at `:` and space", path.display())
            }
            Error::NothingRecorded { command } => {
                write!(f, "nothing was recorded: memtrace's library did not report in from `{command}`")
            }
            Error::System { what, cause } => write!(f, "{what}: {}", words(cause)),
        }
    }
}

/// The system's words without Rust's "(os error N)", in lower case.
pub fn words(cause: &io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// `path` as the subject of an error that opening it gave.
pub fn cannot_open(path: &Path, cause: io::Error) -> Error {
    Error::CannotOpen { path: path.to_path_buf(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_thing_finding_and_expectation() {
        let error = Error::Version { what: "profile `x.json`".into(), found: 3, reads: 1 };
        assert_eq!(error.to_string(), "cannot read profile `x.json`: version 3, this memtrace reads up to 1");
        assert_eq!(error.code(), MISUSED);
    }

    #[test]
    fn a_refusal_names_the_interpreter_that_it_is_about() {
        let refused = |through| Error::TargetRefused { command: "./tool".into(), through, refusal: Refusal::Static };
        assert_eq!(
            refused(vec![]).to_string(),
            "cannot run `./tool`: statically linked, so no library can be preloaded"
        );
        assert_eq!(
            refused(vec!["/bin/busybox".into()]).to_string(),
            "cannot run `./tool`: its interpreter `/bin/busybox` is statically linked, so no library can be preloaded"
        );
        assert!(refused(vec![]).hint().is_some_and(|hint| hint.contains("dynamically")));
    }

    #[test]
    fn the_systems_words_are_lower_case_and_without_a_number() {
        assert_eq!(words(&io::Error::from_raw_os_error(libc::ENOENT)), "no such file or directory");
    }
}
