//! A check as it leaves: in every format that is asked for, as text, and what a CI's runner takes by itself.

use std::io::Write;

use super::model::Outcome;
use super::{items, lines, text};
use crate::error::Error;
use crate::formats::{self, Format, Out, annotations, junit, model, sarif};
use crate::json;
use crate::profile::Profile;
use crate::text::Style;

/// Writes all reports. Beside a command's own output the text goes to stderr.
pub fn write(outcome: &Outcome, _profile: &Profile, outs: &[Out]) -> Result<(), Error> {
    let report = || items::report(outcome, model::root());
    let is_run = !outcome.command.is_empty();
    let render = |format, to: &mut dyn Write| match format {
        Format::Text => text::report(outcome, Style::default(), to),
        Format::Json => json::write(outcome, to),
        Format::JsonLines => lines::write(outcome, to),
        Format::Junit => junit::write(&report(), to),
        Format::Sarif => sarif::write(&report(), to),
        Format::Github => annotations::write(&report(), to),
    };
    match is_run {
        true => formats::write_beside(outs, render, |to| text::report(outcome, Style::of_stderr(), to)),
        false => formats::write(outs, render, |to| text::report(outcome, Style::of_stdout(), to)),
    }
}
