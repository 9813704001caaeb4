//! A check as it leaves: in every format that is asked for, as text, and what GitHub's runner takes without being asked.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::model::{Outcome, Word};
use super::{items, lines, text, valgrind};
use crate::error::Error;
use crate::formats::{self, Format, Out, markdown, model};
use crate::html;
use crate::json;
use crate::profile::Profile;
use crate::text::{Style, count};

/// Findings that are named above a page.
const FAILING_MAX: usize = 20;

/// Writes all reports. Beside a command's own output the text goes to stderr.
pub fn write(outcome: &Outcome, profile: &Profile, outs: &[Out]) -> Result<(), Error> {
    let is_run = !outcome.command.is_empty();
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let is_github = variable("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let is_asked = outs.iter().any(|out| out.format == Format::Github);
    let print = |style: Style, to: &mut dyn Write| {
        text::report(outcome, style, to)?;
        // The runner reads both streams for its commands.
        if is_github && !is_asked { render(outcome, profile, Format::Github, to) } else { Ok(()) }
    };
    let render = |format, to: &mut dyn Write| render(outcome, profile, format, to);
    match is_run {
        true => formats::write_beside(outs, render, |to| print(Style::of_stderr(), to))?,
        false => formats::write(outs, render, |to| print(Style::of_stdout(), to))?,
    }
    match variable("GITHUB_STEP_SUMMARY").map(PathBuf::from).filter(|_| is_github) {
        Some(path) => summarize(outcome, &path).map_err(|cause| Error::CannotWrite { path, cause }),
        None => Ok(()),
    }
}

/// Writes one report.
pub fn render(outcome: &Outcome, profile: &Profile, format: Format, to: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::report(outcome, Style::default(), to),
        Format::Json => json::write(outcome, to),
        Format::JsonLines => lines::write(outcome, to),
        Format::ValgrindXml => valgrind::write(outcome, to),
        Format::Html => {
            let request = html::Request { heads: heads(outcome), ..html::Request::default() };
            html::write(&html::Subject::Run(profile, &[]), &request, to)
        }
        other => formats::render(other, &items::report(outcome, model::root()), to),
    }
}

/// What stands above a page: the verdict, why, and what fails.
fn heads(outcome: &Outcome) -> Vec<(bool, String)> {
    let mut heads = vec![(outcome.verdict.word != Word::Clean, text::in_a_line(outcome))];
    heads.extend(outcome.verdict.reasons.iter().map(|reason| (true, reason.clone())));
    let failing = || outcome.findings.iter().filter(|finding| finding.fails);
    heads.extend(failing().take(FAILING_MAX).map(|finding| (true, finding.title.clone())));
    if let Some(more) = failing().count().checked_sub(FAILING_MAX).filter(|&more| more > 0) {
        heads.push((true, count(more as u64, "more finding")));
    }
    heads.extend(outcome.notes.iter().map(|note| (false, note.clone())));
    heads
}

/// Appends to the summary of the step: other checks of it, and other tools, write there too.
fn summarize(outcome: &Outcome, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let taken = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let report = items::report(outcome, model::root());
    // In one piece, so that two checks at once do not mix.
    file.write_all(markdown::text(&report, markdown::BYTES_MAX.saturating_sub(taken)).as_bytes())
}
