//! `memtrace run`: starts a target with the shim, lets it live and die as without memtrace, and writes the profile.
//!
//! ```text
//!   shell ─▶ launcher ─┬─▶ keeper   holds the recording, in a session of its own
//!                      └─▶ target   same group, terminal, fds, signals; LD_PRELOAD and MEMTRACE_RUN added
//!                            └─▶ descendants: each finds the recording at the keeper
//! ```

pub mod alive;
pub mod ask;
mod carried;
pub mod crash;
mod dying;
mod elf;
pub mod environment;
mod keeper;
mod mappings;
pub mod memfd;
mod note;
mod profiles;
pub mod python;
mod sampler;
mod script;
pub mod session;
mod smaps;
mod split;
pub mod statm;
pub mod target;
mod wait;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;
use std::rc::Rc;

use memtrace_wire::leaks::Kinds;
use memtrace_wire::settings;

use crate::cli::RunArgs;
use crate::error::{CLEAN, Error};
use crate::profile::{Options, Profile, Suppress, heap};
use crate::progress;
use crate::recording::Recording;
use crate::sys::{self, Pid};
use crate::text;
use crate::views::leaks;
use keeper::Keeper;
use note::Note;
use profiles::{Naming, Written};
use session::{Ran, Way};
use target::Target;
pub use wait::Ended;

/// Runs the target and ends as it ended. `Err`: nothing was started, or nothing was recorded.
pub fn command(arguments: &RunArgs) -> Result<ExitCode, Error> {
    let variables = sys::environment();
    let settings = settings::parse(variables.iter().map(|variable| variable.to_bytes()));
    let (shown, exit_code) = (arguments.show.unwrap_or(settings.show), settings.exit_code);
    let rules = Suppress::rules_of(&arguments.suppressions)?;
    let suppress = Suppress::new(&rules).map(Rc::new);
    let target = Target::find(&arguments.command, environment::search_path(&variables))?;
    let naming = Naming { pattern: arguments.output.clone(), split: arguments.split, command: target.name.clone() };
    naming.check()?;
    let rounds = arguments.every.map(|every| (every, arguments.show, rules));
    let way = Way {
        naming: Some(&naming),
        suppress: &suppress,
        crash: arguments.crash,
        fatal: arguments.fatal,
        rounds,
        has_history: true,
    };
    let ran = session::run(&target, variables, way)?;
    let (end, ended) = (ran.end(), ran.ended);
    let Ran { recording, address, keeper, pid, pasts, .. } = ran;
    let options = Options { pasts: Rc::new(pasts), ..profiles::options(pid, Some(end), &suppress) };
    let run =
        Run { recording: &recording, address: &address, pid, naming: &naming, options, command: &target.arguments };
    match progress::during("naming what was recorded", || collect(&run, keeper, shown)) {
        Ok((summary, is_leaky)) => {
            sys::say(&summary);
            if ended == Ended::Exited(CLEAN) && is_leaky && exit_code != CLEAN {
                return Ok(ExitCode::from(exit_code));
            }
        }
        Err(error @ Error::NothingRecorded { .. }) if ended == Ended::Exited(CLEAN) => return Err(error),
        // The target's own failure is the greater news.
        Err(error) => {
            let code = error.print();
            if ended == Ended::Exited(CLEAN) {
                return Ok(code);
            }
        }
    }
    Ok(end_as(ended))
}

/// A run whose target has ended.
struct Run<'r> {
    recording: &'r memfd::Recording,
    address: &'r str,
    pid: Pid,
    naming: &'r Naming,
    options: Options,
    command: &'r [OsString],
}

/// Writes the profiles, and leaves what is still to come to the keeper. What there is to say, and whether any process
/// has leaks or heap errors.
fn collect(run: &Run, keeper: Keeper, shown: Kinds) -> Result<(String, bool), Error> {
    let Run { recording, address, pid, naming, ref options, command } = *run;
    let failed = |cause| Error::System { what: "cannot read the recording", cause };
    let collected = (|| {
        if recording.processes().map_err(failed)?.is_empty() {
            let command = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            return Err(Error::NothingRecorded { command });
        }
        let living = keeper::living(recording, address)?;
        let read = Recording::from_file(recording.file().map_err(failed)?, "recording")?;
        let processes: BTreeSet<u32> = read.processes.iter().map(|process| process.header.pid.get()).collect();
        let mut parts = profiles::build(read, pid, naming, options)?;
        let (numbers, is_leaky) = profiles::look(&mut parts, |profile| said(profile, shown));
        let written = profiles::write(parts, naming, &[])?;
        Ok((numbers, is_leaky, processes.len(), written, living))
    })();
    let (numbers, is_leaky, process_count, written, living) = match collected {
        Ok(collected) => collected,
        Err(error) => {
            keeper.dismiss();
            return Err(error);
        }
    };
    if living.is_empty() {
        keeper.dismiss();
    } else {
        for file in &written {
            keeper.tell(&Note::Wrote(file.clone()));
        }
    }
    Ok((summary(&numbers, process_count, &written, living.len()), is_leaky))
}

/// The numbers of a profile, and whether any process has leaks or heap errors.
fn said(profile: &Profile, shown: Kinds) -> (String, bool) {
    let mut numbers = text::three_numbers(profile);
    numbers.extend(text::lost(profile, shown).map(|lost| format!("\nmemtrace: {lost}")));
    numbers.extend(text::heap_errors(profile).map(|line| format!("\nmemtrace: {line}")));
    numbers.extend(text::not_recorded(&profile.processes).iter().map(|line| format!("\nmemtrace: {line}")));
    if profile.processes_lost > 0 {
        let lost = text::count(profile.processes_lost, "process");
        numbers.push_str(&format!("\nmemtrace: {lost} not recorded: no room in the recording, or no memory for it"));
    }
    let is_bad = |process| leaks::leaked(process).blocks > 0 || heap::has_errors(process);
    (numbers, profile.processes.iter().any(is_bad))
}

/// The lines at the end.
fn summary(numbers: &str, process_count: usize, written: &[Written], living_count: usize) -> String {
    let Some(first) = written.first() else { return String::new() };
    let processes = if process_count == 1 { "process" } else { "processes" };
    let path = first.path.display();
    let mut text = format!("memtrace: {numbers}\nmemtrace: {process_count} {processes}, profile {path}");
    if written.len() > 1 {
        text.push_str(&format!(" and {} more", written.len() - 1));
    }
    text.push('\n');
    match living_count {
        0 => {}
        1 => text.push_str("memtrace: 1 process lives on: the profile is completed when it ends\n"),
        count => {
            text.push_str(&format!("memtrace: {count} processes live on: the profile is completed when they end\n"));
        }
    }
    text.push_str(&format!("memtrace: next: memtrace report {}\n", quoted(&path.to_string())));
    text
}

/// The path as a shell takes it, and as no option.
pub fn quoted(path: &str) -> String {
    if path.starts_with('-') { word(&format!("./{path}")) } else { word(path) }
}

/// Any text as one word for a shell.
pub fn word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@%=".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Ends this process as the target ended.
pub fn end_as(ended: Ended) -> ExitCode {
    match ended {
        Ended::Exited(status) => ExitCode::from(status),
        Ended::Killed(signal) => {
            sys::die_by(signal);
            // Still here: pid 1 of a namespace. What a shell would say.
            ExitCode::from(128 + signal as u8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &str) -> Written {
        Written { pid: 1, path: path.into(), device: 1, inode: 1, modified_ns: 1 }
    }

    #[test]
    fn the_summary_ends_with_the_command_to_type_next() {
        assert_eq!(
            summary("3 numbers", 1, &[written("app.1.memtrace.json")], 0),
            "memtrace: 3 numbers\n\
             memtrace: 1 process, profile app.1.memtrace.json\n\
             memtrace: next: memtrace report app.1.memtrace.json\n"
        );
    }

    #[test]
    fn the_summary_counts_files_and_processes_that_live_on() {
        let text = summary("n", 4, &[written("my app"), written("b"), written("c")], 2);
        assert!(text.contains("4 processes, profile my app and 2 more\n"));
        assert!(text.contains("2 processes live on: the profile is completed when they end\n"));
        assert!(text.ends_with("memtrace report 'my app'\n"));
    }

    #[test]
    fn a_path_is_quoted_for_the_shell_where_it_must_be() {
        assert_eq!(quoted("a/b-1.json"), "a/b-1.json");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("-x"), "./-x");
        assert_eq!((word("-x"), word(""), word("a b")), ("-x".into(), "''".into(), "'a b'".into()));
    }
}
