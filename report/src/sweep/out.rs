//! A sweep as it leaves a command: in every format that is asked for, and as text on stdout.

use std::io::{self, Write};

use super::live::Live;
use super::model::Sweep;
use super::outcome::Outcome;
use super::{file, items, lines, text};
use crate::error::Error;
use crate::formats::{self, Format, Out, model};
use crate::html;
use crate::text::Style;

/// Writes all reports. `fails`: outcomes that make the job fail.
pub fn write(sweep: &Sweep, outs: &[Out], fails: impl Fn(Outcome) -> bool) -> Result<(), Error> {
    write_but(sweep, outs, false, fails)
}

/// As above, for a sweep that has written its JSON lines itself.
pub fn write_after(sweep: &Sweep, outs: &[Out], live: &Live, fails: impl Fn(Outcome) -> bool) -> Result<(), Error> {
    let others: Vec<Out> = outs.iter().filter(|out| out.format != Format::JsonLines).cloned().collect();
    write_but(sweep, &others, live.has_stdout(), fails)
}

/// `is_quiet`: something else stands on stdout.
fn write_but(sweep: &Sweep, outs: &[Out], is_quiet: bool, fails: impl Fn(Outcome) -> bool) -> Result<(), Error> {
    check(outs)?;
    formats::write(
        outs,
        |format, to| render(sweep, format, &fails, to),
        |to| if is_quiet { Ok(()) } else { text::report(sweep, Style::of_stdout(), to) },
    )
}

/// Writes one report.
pub fn render(sweep: &Sweep, format: Format, fails: impl Fn(Outcome) -> bool, to: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::report(sweep, Style::default(), to),
        Format::Json => file::write(sweep, to),
        Format::JsonLines => lines::write(sweep, to),
        Format::Html => html::write(&html::Subject::Sweep(sweep), &html::Request::default(), to),
        // Refused before.
        Format::ValgrindXml => Ok(()),
        other => formats::render(other, &items::report(sweep, &fails, model::root()), to),
    }
}

/// Refuses what a sweep cannot be written as.
pub fn check(outs: &[Out]) -> Result<(), Error> {
    match outs.iter().any(|out| out.format == Format::ValgrindXml) {
        true => {
            Err(Error::Usage { found: "a sweep is no list of leaks: it is not written as `valgrind-xml`".to_owned() })
        }
        false => Ok(()),
    }
}
