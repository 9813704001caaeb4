//! The `memtrace` command: all that happens outside the target.
//!
//! ```text
//!   memtrace run     run ─▶ target + recording ─┐
//!   memtrace __end   end ─▶ recording ──────────┤
//!   memtrace leaks   leaks ─▶ copy of a running target ─▶ recording
//!   memtrace top     top ─▶ recording of a running target, again and again
//!   memtrace report  report ─▶ profile ◀────────┘ recording ─▶ names ─▶ profile
//!                       └─▶ views ─▶ text, JSON, XML, rules that suppress
//!   memtrace check   run, or profiles ─▶ policy, baseline ─▶ a status, and a report in every CI's format
//!   memtrace export  profile ─▶ the formats of other profilers
//!   memtrace bundle  recording + the files of its names ─▶ one file, read like a recording
//!   memtrace import  a file of another profiler ─▶ profile
//!   memtrace sweep   sweep ─▶ runs with failures ─▶ sweep ─▶ text, formats
//!   memtrace html    profiles, a sweep ─▶ one page for a browser
//!   memtrace merge   sweeps of parts ─▶ sweep
//!   memtrace push    files ─▶ spool ─▶ a store of the user's
//!   memtrace doctor  machine, program ─▶ what works here
//! ```

#![cfg_attr(not(test), no_main)]
// libFuzzer has a main of its own, and calls nothing but the readers.
#![cfg_attr(feature = "fuzzing", allow(dead_code))]

mod bundle;
mod check;
mod cli;
mod completions;
mod doctor;
mod elsewhere;
mod end;
mod error;
mod export;
mod formats;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod html;
mod import;
mod input;
mod json;
mod leaks;
mod man;
mod names;
mod output;
mod packed;
mod pager;
mod profile;
mod progress;
mod push;
mod recording;
mod report;
mod rules;
mod run;
mod site;
mod suppress;
mod sweep;
mod sys;
mod text;
mod top;
mod views;
mod xml;

use std::io::{self, Write};
use std::process::ExitCode;

use cli::{Task, Typed};
use error::{CLEAN, Error, FAILED};

#[cfg(feature = "fuzzing")]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (fuzz::chosen().run)(bytes));

/// What the exported `main` calls.
pub fn start() -> u8 {
    sys::abort::tell();
    sys::set_up_heap();
    sys::fill_standard_fds();
    std::panic::set_hook(Box::new(|panic| {
        sys::say(&format!("memtrace: failed: {panic}\n"));
        std::process::exit(FAILED.into());
    }));
    let code = task().unwrap_or_else(|error| error.print());
    // std keeps an ExitCode's number to itself.
    (0..=u8::MAX).find(|&number| ExitCode::from(number) == code).unwrap_or(FAILED)
}

fn task() -> Result<ExitCode, Error> {
    match cli::read(std::env::args_os())? {
        Typed::Text(text) => print(text.as_bytes()),
        Typed::Task(Task::Run(arguments)) => run::command(&arguments),
        Typed::Task(Task::Report(arguments)) => report::command(&arguments),
        Typed::Task(Task::Leaks(arguments)) => leaks::command(&arguments),
        Typed::Task(Task::Top(arguments)) => top::command(&arguments),
        Typed::Task(Task::Check(arguments)) => check::command(&arguments),
        Typed::Task(Task::Baseline(arguments)) => check::baseline::command::command(&arguments),
        Typed::Task(Task::Diff(arguments)) => check::diff::command(&arguments),
        Typed::Task(Task::Html(arguments)) => html::args::command(&arguments),
        Typed::Task(Task::Export(arguments)) => export::command(&arguments),
        Typed::Task(Task::Bundle(arguments)) => bundle::command(&arguments),
        Typed::Task(Task::Import(arguments)) => import::command(&arguments),
        Typed::Task(Task::Plant { blocks, bytes }) => Ok(check::self_test::plant(blocks, bytes)),
        Typed::Task(Task::Sweep(arguments)) => sweep::command(&arguments),
        Typed::Task(Task::Repro(arguments)) => sweep::repro::command(&arguments),
        Typed::Task(Task::Merge(arguments)) => sweep::merge::command(&arguments),
        Typed::Task(Task::End { recording_fd, report_fd, answer_fd, now, profile, since, lost }) => {
            Ok(end::command(recording_fd, report_fd, answer_fd, end::Wish::of(now, profile, since, lost)))
        }
        Typed::Task(Task::Push(arguments)) => push::command(&arguments),
        Typed::Task(Task::Doctor(arguments)) => doctor::command(&arguments),
        Typed::Task(Task::Completions { shell }) => print(&completions::script(shell)),
        Typed::Task(Task::Man) => {
            let mut page = Vec::new();
            let failed = |cause| Error::System { what: "cannot make the man page", cause };
            man::write(&mut page).map_err(failed)?;
            print(&page)
        }
    }
}

fn print(text: &[u8]) -> Result<ExitCode, Error> {
    let mut to = io::stdout().lock();
    let written = to.write_all(text).and_then(|()| to.flush());
    written.map_err(|cause| Error::System { what: "cannot write to stdout", cause })?;
    Ok(ExitCode::from(CLEAN))
}
