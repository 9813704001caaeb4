//! `memtrace doctor`: what works here, and why the rest does not.
//!
//! ```text
//!   machine ─┐
//!   program ─┼─▶ findings ─▶ text, JSON, and a status: whether all that is needed works
//!   python ──┘
//! ```
//!
//! What can be tried is tried: a setting that looks right may be overruled by a container, a filter or a module of the
//! kernel that nobody asked.

mod allocator;
mod limits;
mod machine;
mod program;
mod python;
mod write;

use std::ffi::OsString;
use std::process::ExitCode;

use serde::Serialize;

use crate::error::{CLEAN, Error, FOUND};
use crate::formats::{self, Format, Out};
use crate::text::Style;
use crate::views::words;

/// What `memtrace doctor` takes.
#[derive(clap::Args, Debug)]
pub struct DoctorArgs {
    /// Write the findings to PATH too, `-` for stdout, as `text` or `json`. A file that is there is replaced; may be given
    /// several times. The text goes to stdout unless another does
    #[arg(long, value_name = "FORMAT:PATH", value_parser = formats::parser())]
    pub out: Vec<Out>,
    /// A program that is looked at, too; its arguments do not matter, and it is not run
    #[arg(value_name = "PROGRAM", trailing_var_arg = true, allow_hyphen_values = true)]
    pub program: Vec<OsString>,
}

words! {
    /// How it stands with one thing.
    pub enum State {
        /// It works.
        Works = "works",
        /// It works in part, or something less is done instead.
        Limited = "limited",
        /// It is not here, and nothing needs it.
        Absent = "absent",
        /// It is needed, and does not work.
        Fails = "fails",
    }
}

/// How it stands with one thing, and why.
#[derive(Serialize, Debug)]
pub struct Finding {
    /// Its name: one word, which stays.
    pub name: &'static str,
    /// How it stands.
    #[serde(serialize_with = "write::word")]
    pub state: State,
    /// What was found.
    pub text: String,
    /// The one thing to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    fn works(name: &'static str, text: impl Into<String>) -> Finding {
        Finding { name, state: State::Works, text: text.into(), hint: None }
    }

    fn limited(name: &'static str, text: impl Into<String>, hint: &str) -> Finding {
        Finding { name, state: State::Limited, text: text.into(), hint: Some(hint.to_owned()) }
    }

    fn absent(name: &'static str, text: impl Into<String>) -> Finding {
        Finding { name, state: State::Absent, text: text.into(), hint: None }
    }

    fn fails(name: &'static str, text: impl Into<String>, hint: Option<String>) -> Finding {
        Finding { name, state: State::Fails, text: text.into(), hint }
    }
}

/// Looks, and tells. Status 1: something that is needed does not work.
pub fn command(args: &DoctorArgs) -> Result<ExitCode, Error> {
    if let Some(out) = args.out.iter().find(|out| !matches!(out.format, Format::Text | Format::Json)) {
        let found =
            format!("`--out {}:…` is not for findings of a doctor, expected `text` or `json`", out.format.word());
        return Err(Error::Usage { found });
    }
    formats::check(&args.out)?;
    // First: a program that is not there is wrong use.
    let of_program = if args.program.is_empty() { Vec::new() } else { program::findings(&args.program)? };
    let mut findings = machine::findings();
    findings.extend(of_program);
    let report = |format, to: &mut dyn std::io::Write| match format {
        Format::Json => write::json(&findings, to),
        _ => write::text(&findings, Style::default(), to),
    };
    formats::write(&args.out, report, |to| write::text(&findings, Style::of_stdout(), to))?;
    let fails = findings.iter().any(|finding| finding.state == State::Fails);
    Ok(ExitCode::from(if fails { FOUND } else { CLEAN }))
}
