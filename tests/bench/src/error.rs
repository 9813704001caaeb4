//! What the benchmark says when it cannot go on.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::process::ExitCode;

/// Used wrongly, or something that it is given is not usable.
const MISUSED: u8 = 2;
/// The benchmark itself failed.
const FAILED: u8 = 3;

/// What went wrong, and the one thing to do, if there is one.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Error {
    /// What was typed or given cannot be used.
    pub fn misused(message: impl Into<String>) -> Error {
        Error { message: message.into(), hint: None, code: MISUSED }
    }

    /// Something did not work here.
    pub fn failed(message: impl Into<String>) -> Error {
        Error { message: message.into(), hint: None, code: FAILED }
    }

    /// A file could not be read or written.
    pub fn file(what: &str, path: &Path, cause: &std::io::Error) -> Error {
        Error::failed(format!("cannot {what} `{}`: {cause}", path.display()))
    }

    /// The one thing to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code that goes with it.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}
