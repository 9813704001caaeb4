//! Reports for other programs: CI jobs, code hosts, test panels. Leaks and sweeps are told through one model.
//!
//! ```text
//!   sweep ─┐
//!          ├─▶ model::Report ─▶ junit · sarif · annotations · gitlab · tap · markdown
//!   leaks ─┘
//!   --out FORMAT:PATH ─▶ Out ─▶ whole (a file is there whole, or not at all)
//! ```
//!
//! Invariant: every text is hostile, and each writer makes it harmless for its own readers.

pub mod annotations;
mod cases;
pub mod gitlab;
pub mod junit;
pub mod markdown;
pub mod model;
#[cfg(test)]
pub mod sample;
pub mod sarif;
pub mod tap;
mod whole;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};

use crate::error::Error;
use crate::views::words;

words! {
    /// What a report is written as.
    pub enum Format {
        /// For people.
        Text = "text",
        /// One object.
        Json = "json",
        /// An object a line.
        JsonLines = "jsonl",
        /// JUnit's XML.
        Junit = "junit",
        /// SARIF 2.1.0.
        Sarif = "sarif",
        /// Workflow commands of GitHub's runners.
        Github = "github",
        /// Markdown: the summary of a job.
        Markdown = "markdown",
        /// GitLab's code quality report.
        Gitlab = "gitlab",
        /// TAP, version 13.
        Tap = "tap",
        /// Leaks as valgrind writes them.
        ValgrindXml = "valgrind-xml",
        /// A page for a browser.
        Html = "html",
    }
}

/// A report that is asked for: `FORMAT:PATH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Out {
    /// As what.
    pub format: Format,
    /// Where to; `-`: stdout.
    pub path: PathBuf,
}

impl Out {
    /// What `--out` was given.
    pub fn parse(text: &OsStr) -> Result<Out, String> {
        let bytes = text.as_bytes();
        let expected = || format!("expected FORMAT:PATH with one of {}, `-` for stdout", Format::WORDS.join(", "));
        let colon = bytes.iter().position(|&byte| byte == b':').ok_or_else(expected)?;
        let (word, path) = (bytes.get(..colon).unwrap_or_default(), bytes.get(colon + 1..).unwrap_or_default());
        let format = str::from_utf8(word).ok().and_then(|word| word.parse().ok()).ok_or_else(expected)?;
        if path.is_empty() {
            return Err(expected());
        }
        Ok(Out { format, path: PathBuf::from(OsString::from_vec(path.to_vec())) })
    }

    /// Whether it goes to stdout.
    pub fn is_stdout(&self) -> bool {
        self.path == Path::new("-")
    }
}

/// For clap.
pub fn parser() -> ValueParser {
    OsStringValueParser::new().try_map(|text| Out::parse(&text)).into()
}

/// Whether two reports go to the same place.
pub fn check(outs: &[Out]) -> Result<(), Error> {
    for (place, out) in outs.iter().enumerate() {
        if outs.iter().take(place).any(|other| other.path == out.path) {
            let found = format!("two reports go to `{}`, expected a place for each", out.path.display());
            return Err(Error::Usage { found });
        }
    }
    Ok(())
}

/// Who may read and write a file that is kept with sources: whom the umask lets.
pub const FOR_ALL: u32 = 0o666;
/// Who may read and write a report: programs' arguments are in it.
const FOR_OWNER: u32 = 0o600;

/// Writes a file, whole or not at all.
pub fn file(path: &Path, mode: u32, report: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    whole::write(path, mode, report).map_err(|cause| Error::CannotWrite { path: path.to_path_buf(), cause })
}

/// Writes every report that is asked for. What stdout gets comes last, so that the files are there when a reader has
/// seen enough; it is the text for people, unless another report goes there.
pub fn write(
    outs: &[Out],
    mut report: impl FnMut(Format, &mut dyn Write) -> io::Result<()>,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    files(outs, &mut report)?;
    match outs.iter().find(|out| out.is_stdout()) {
        Some(out) => stream("stdout", io::stdout().lock(), |to| report(out.format, to)),
        None => stream("stdout", io::stdout().lock(), text),
    }
}

/// The same beside the output of somebody else's: the text goes to stderr, and stdout has nothing that nobody asked for.
pub fn write_beside(
    outs: &[Out],
    mut report: impl FnMut(Format, &mut dyn Write) -> io::Result<()>,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    files(outs, &mut report)?;
    // A closed stderr is no failure: nobody wants to read.
    let _ = stream("stderr", io::stderr().lock(), text);
    match outs.iter().find(|out| out.is_stdout()) {
        Some(out) => stream("stdout", io::stdout().lock(), |to| report(out.format, to)),
        None => Ok(()),
    }
}

/// Writes a report to stdout.
pub fn to_stdout(report: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    stream("stdout", io::stdout().lock(), |to| report(to))
}

fn files(outs: &[Out], report: &mut dyn FnMut(Format, &mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    check(outs)?;
    let mut files = outs.iter().filter(|out| !out.is_stdout());
    files.try_for_each(|out| file(&out.path, FOR_OWNER, &mut |to| report(out.format, to)))
}

fn stream(name: &str, to: impl Write, report: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut to = io::BufWriter::new(to);
    match report(&mut to).and_then(|()| to.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(cause) => Err(Error::CannotWrite { path: name.into(), cause }),
        Ok(()) => Ok(()),
    }
}

/// Writes a report in a format that knows nothing but findings and cases; the others are for what only one command has.
pub fn render(format: Format, report: &model::Report, to: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Junit => junit::write(report, to),
        Format::Sarif => sarif::write(report, to),
        Format::Github => annotations::write(report, to),
        Format::Markdown => markdown::write(report, to),
        Format::Gitlab => gitlab::write(report, to),
        Format::Tap => tap::write(report, to),
        Format::Text | Format::Json | Format::JsonLines | Format::ValgrindXml | Format::Html => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_out_is_a_format_and_a_path() {
        let parsed = |text: &str| Out::parse(OsStr::new(text));
        let out = |format, path: &str| Ok(Out { format, path: path.into() });
        assert_eq!(parsed("json:a.json"), out(Format::Json, "a.json"));
        assert_eq!(parsed("jsonl:-"), out(Format::JsonLines, "-"));
        assert_eq!(parsed("sarif:C:\\x:y"), out(Format::Sarif, "C:\\x:y"));
        assert!(parsed("text:-").is_ok_and(|out| out.is_stdout()));
        let odd = OsString::from_vec(b"junit:\xff".to_vec());
        assert_eq!(Out::parse(&odd).unwrap().path.as_os_str().as_bytes(), b"\xff");
        for wrong in ["", "json", "json:", ":x", "JSON:x", "xml:x"] {
            let expected = "expected FORMAT:PATH with one of text, json, jsonl, junit, sarif, github, markdown, gitlab, tap, \
                            valgrind-xml, html, `-` for stdout";
            assert_eq!(parsed(wrong), Err(expected.into()), "{wrong}");
        }
    }

    #[test]
    fn each_report_has_a_place_of_its_own() {
        let out = |text: &str| Out::parse(OsStr::new(text)).unwrap();
        assert!(check(&[out("json:x"), out("junit:y"), out("text:-")]).is_ok());
        let error = check(&[out("json:x"), out("text:-"), out("junit:-")]).unwrap_err();
        assert_eq!(error.to_string(), "two reports go to `-`, expected a place for each");
    }
}
