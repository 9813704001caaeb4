//! Why a target is not started, in words.

use std::fmt::{self, Display, Formatter};

/// Why a target is not started.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A directory.
    Directory,
    /// A pipe, socket or device.
    NotAFile,
    /// No permission to execute it.
    NotExecutable,
    /// It does not exist (an interpreter).
    Missing,
    /// It cannot be read, so nothing is known about it. Holds the system's words.
    Unreadable(String),
    /// No PT_INTERP: nothing loads a library into it.
    Static,
    /// Its loader is musl's.
    Musl {
        /// The loader.
        loader: String,
    },
    /// The loader that it names does not exist.
    LoaderMissing {
        /// The loader.
        loader: String,
    },
    /// An ELF file of another word size.
    Class {
        /// What it is, in bits.
        bits: u8,
    },
    /// An ELF file for another machine.
    Machine {
        /// e_machine.
        number: u16,
    },
    /// An ELF file, but not an executable one.
    NotAProgram,
    /// An ELF file whose headers lead nowhere.
    Damaged,
    /// The set-user-id bit, for another user than the one who runs it.
    SetUser,
    /// The set-group-id bit, for another group.
    SetGroup,
    /// File capabilities.
    Capabilities,
    /// More interpreters in a row than the kernel follows.
    TooDeep,
}

impl Refusal {
    /// The one thing to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Refusal::Directory | Refusal::NotAFile | Refusal::Missing | Refusal::TooDeep => {
                return None;
            }
            Refusal::Damaged | Refusal::Unreadable(_) | Refusal::LoaderMissing { .. } => {
                return None;
            }
            Refusal::NotExecutable => "`chmod +x` makes a file of your own executable",
            Refusal::Static => "link it dynamically: without `-static`, `-static-pie` or `+crt-static`",
            Refusal::Musl { .. } => "build it for glibc: memtrace is a glibc library",
            Refusal::Class { .. } | Refusal::Machine { .. } => "build it for x86-64",
            Refusal::NotAProgram => "name the program that uses it",
            Refusal::SetUser | Refusal::SetGroup => "run a copy without the set-id bit, or run it as its owner",
            Refusal::Capabilities => "run a copy: copying drops file capabilities",
        };
        Some(text.to_owned())
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Directory => write!(f, "a directory, expected a program"),
            Refusal::NotAFile => write!(f, "not a regular file, expected a program"),
            Refusal::NotExecutable => write!(f, "not executable by this user"),
            Refusal::Missing => write!(f, "missing"),
            Refusal::Unreadable(cause) => {
                write!(f, "not readable ({cause}), so it cannot be checked")
            }
            Refusal::Static => write!(f, "statically linked, so no library can be preloaded"),
            Refusal::Musl { loader } => {
                write!(f, "linked against musl (`{loader}`), expected glibc")
            }
            Refusal::LoaderMissing { loader } => {
                write!(f, "without its loader `{loader}`, which does not exist")
            }
            Refusal::Class { bits } => {
                write!(f, "a {bits}-bit program, expected a 64-bit one for x86-64")
            }
            Refusal::Machine { number } => match machine_name(*number) {
                Some(name) => write!(f, "a program for {name}, expected x86-64"),
                None => write!(f, "a program for machine {number}, expected x86-64 (62)"),
            },
            Refusal::NotAProgram => write!(f, "an ELF file that is no program"),
            Refusal::Damaged => write!(f, "a damaged ELF file: its headers lead past its end"),
            Refusal::SetUser => write!(f, "set-user-id, so the loader ignores LD_PRELOAD"),
            Refusal::SetGroup => write!(f, "set-group-id, so the loader ignores LD_PRELOAD"),
            Refusal::Capabilities => write!(f, "given file capabilities, so the loader ignores LD_PRELOAD"),
            Refusal::TooDeep => write!(f, "behind more than 5 interpreters in a row, the most that the kernel follows"),
        }
    }
}

fn machine_name(number: u16) -> Option<&'static str> {
    Some(match number {
        3 => "i386",
        21 => "ppc64",
        22 => "s390x",
        40 => "arm",
        183 => "aarch64",
        243 => "riscv",
        258 => "loongarch",
        _ => return None,
    })
}
