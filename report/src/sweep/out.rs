//! A sweep as it leaves a command: in every format that is asked for, and as text on stdout.

use super::model::Sweep;
use super::outcome::Outcome;
use super::{file, items, lines, text};
use crate::error::Error;
use crate::formats::{self, Format, Out, annotations, junit, model, sarif};
use crate::text::Style;

/// Writes all reports. `fails`: outcomes that make the job fail.
pub fn write(sweep: &Sweep, outs: &[Out], fails: impl Fn(Outcome) -> bool) -> Result<(), Error> {
    let report = || items::report(sweep, &fails, model::root());
    formats::write(
        outs,
        |format, to| match format {
            Format::Text => text::report(sweep, Style::default(), to),
            Format::Json => file::write(sweep, to),
            Format::JsonLines => lines::write(sweep, to),
            Format::Junit => junit::write(&report(), to),
            Format::Sarif => sarif::write(&report(), to),
            Format::Github => annotations::write(&report(), to),
        },
        |to| text::report(sweep, Style::of_stdout(), to),
    )
}
