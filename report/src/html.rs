//! `memtrace html`: a run, a difference or a sweep as one page that needs nothing but a browser.
//!
//! ```text
//!   profiles ── run ────┐  texts: each once, harmless                    ┌─ frame.html
//!   two ─────── change ─┼─ source ─▶ paths: frames, one tree ─▶ JSON ─▶ pack ─▶ page ─┼─ style.css
//!   sweep ───── matrix ─┘                                                 └─ *.js
//! ```
//!
//! Invariants:
//! - nothing of a target's stands in the markup: all of it is in the packed data, and is set as text by the page;
//! - the page's policy lets nothing in from outside, and no script but its own, which it knows by its hash;
//! - equal inputs give equal pages.

pub mod args;
mod change;
mod digest;
mod excerpts;
mod history;
mod matrix;
mod memory;
mod notes;
mod number;
mod pack;
mod page;
mod paths;
mod rows;
mod run;
mod source;
mod texts;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use serde::Serialize;

use crate::check::diff::Measure;
use crate::profile::Profile;
use crate::profile::history::CURVES_MAX;
use crate::sweep::model::Sweep;
use excerpts::Excerpts;
use paths::Columns;
use source::Source;
use texts::Texts;

/// Rows of a page, where nothing else is asked for: as many as have curves. Such a page has less than 300 KB.
pub const ROWS_MAX: usize = CURVES_MAX;

/// What a page is of.
pub enum Subject<'s> {
    /// A run, or several; by place of a process, the profile that it is from, where there are several.
    Run(&'s Profile, &'s [String]),
    /// Two runs, their files, and what is compared first.
    Change([&'s Profile; 2], [String; 2], Option<Measure>),
    /// A sweep.
    Sweep(&'s Sweep),
}

/// How it is made.
#[derive(Clone, Debug)]
pub struct Request {
    /// Rows at most.
    pub rows_max: usize,
    /// With lines of source files.
    pub has_sources: bool,
    /// Sentences that stand above all, such as the verdict of a check; whether each is grave.
    pub heads: Vec<(bool, String)>,
}

impl Default for Request {
    fn default() -> Self {
        Request { rows_max: ROWS_MAX, has_sources: false, heads: Vec::new() }
    }
}

/// All that the page's script gets.
#[derive(Serialize)]
struct Data {
    tool: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<run::Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<change::Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<matrix::Matrix>,
    heads: Vec<(bool, u32)>,
    paths: Columns,
    sources: Excerpts,
    texts: Texts,
}

/// Writes the page.
pub fn write(subject: &Subject, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    page::write(&pack::letters(&data(subject, request))?, to)
}

fn data(subject: &Subject, request: &Request) -> Data {
    let (mut texts, mut source) = (Texts::default(), Source::default());
    let (mut run, mut change, mut sweep) = (None, None, None);
    let rows_max = request.rows_max;
    match subject {
        Subject::Run(profile, files) => run = Some(run::build(profile, files, rows_max, &mut texts, &mut source)),
        Subject::Change(profiles, files, by) => {
            change = Some(change::build(*profiles, files.clone(), *by, rows_max, &mut texts, &mut source));
        }
        Subject::Sweep(of) => {
            let preload = crate::sweep::repro::preload(of).unwrap_or_else(|_| "libmemtrace.so".into());
            sweep = Some(matrix::build(of, &preload, rows_max, &mut texts, &mut source));
        }
    }
    let sources = match request.has_sources {
        true => excerpts::read(
            source.paths.frames().iter().filter_map(|frame| texts.original(frame.file).zip(Some(frame.line))),
        ),
        false => Excerpts::default(),
    };
    let heads = request.heads.iter().map(|(is_grave, text)| (*is_grave, texts.place(text))).collect();
    let tool = format!("memtrace {}", env!("CARGO_PKG_VERSION"));
    Data { tool, run, change, sweep, heads, paths: source.paths.columns(), sources, texts }
}
