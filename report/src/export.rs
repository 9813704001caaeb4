//! `memtrace export`: a profile in the format of another profiler, for its own viewer.
//!
//! ```text
//!   profile ─▶ rows (numbers by stack, function, thread, kind) ─┐
//!          └─▶ calls (frames with names, places, addresses) ────┴▶ pprof · speedscope · folded · dhat · massif ·
//!                                                                  heaptrack · callgrind · firefox · csv
//! ```
//!
//! Formats of one process get a file for each. Every text comes through `calls`, which takes out what steers a terminal;
//! each writer then keeps it inside its own syntax.

mod callgrind;
mod calls;
mod csv;
mod dhat;
mod firefox;
mod folded;
mod heaptrack;
mod massif;
mod pprof;
mod protobuf;
mod rows;
mod speedscope;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};

use crate::elsewhere::ElsewhereArgs;
use crate::error::Error;
use crate::formats;
use crate::input::Input;
use crate::profile::{Process, Profile};
use crate::progress;
use crate::sys;
use crate::text::{Safe, count};
use crate::views::words;
use rows::Metric;

words! {
    /// What a profile is written as.
    pub enum Target {
        /// pprof's profile, packed.
        Pprof = "pprof",
        /// speedscope's JSON.
        Speedscope = "speedscope",
        /// Folded stacks.
        Folded = "folded",
        /// DHAT's JSON.
        Dhat = "dhat",
        /// Massif's text.
        Massif = "massif",
        /// heaptrack's text.
        Heaptrack = "heaptrack",
        /// Callgrind's text.
        Callgrind = "callgrind",
        /// The Firefox Profiler's JSON.
        Firefox = "firefox",
        /// Commas between.
        Csv = "csv",
    }
}

impl Target {
    fn holds_several_processes(self) -> bool {
        !matches!(self, Target::Dhat | Target::Massif | Target::Heaptrack | Target::Callgrind)
    }

    /// Whether there is something to choose: other formats hold all numbers side by side.
    fn takes_metric(self) -> bool {
        matches!(self, Target::Folded | Target::Speedscope | Target::Firefox)
    }
}

/// What `memtrace export` takes.
#[derive(clap::Args, Debug)]
pub struct ExportArgs {
    /// Profile or recording
    file: PathBuf,
    /// The format: `pprof` (go tool pprof), `speedscope`, `folded` (flame graphs), `dhat` (dh_view.html), `massif`
    /// (ms_print), `heaptrack` (heaptrack_print, heaptrack_gui), `callgrind` (callgrind_annotate, KCachegrind), `firefox`
    /// (profiler.firefox.com), `csv`
    #[arg(long, value_name = "FORMAT", value_parser = target())]
    to: Target,
    /// File to write, `-` for stdout. Formats of one process get a file for each: FILE.PID
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What is counted by `folded` (live, if nothing is said), and the only number of `speedscope` and `firefox`, which have
    /// all of them side by side
    #[arg(long, value_parser = metric())]
    metric: Option<Metric>,
    /// Only the process with this pid
    #[arg(long, value_name = "PID")]
    process: Option<u32>,
    #[command(flatten)]
    elsewhere: ElsewhereArgs,
}

fn target() -> ValueParser {
    PossibleValuesParser::new(Target::WORDS).try_map(|word| Target::from_str(&word)).into()
}

/// A format that a whole profile fits into.
pub fn whole_target() -> ValueParser {
    let words = Target::WORDS.iter().copied();
    let whole = words.filter(|word| Target::from_str(word).is_ok_and(Target::holds_several_processes));
    PossibleValuesParser::new(whole).try_map(|word| Target::from_str(&word)).into()
}

/// A profile, or a recording, in such a format.
pub fn whole(file: &Path, to: Target, elsewhere: &ElsewhereArgs) -> Result<Vec<u8>, Error> {
    let refused = |error: io::Error| Error::read(format!("`{}`", file.display()), error.to_string());
    written(&read(file, elsewhere)?, to).map_err(refused)
}

/// A profile in a format; those of one process take the first.
pub fn written(profile: &Profile, to: Target) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    write(to, &chosen(profile), None, &mut text)?;
    Ok(text)
}

fn read(file: &Path, elsewhere: &ElsewhereArgs) -> Result<Profile, Error> {
    match Input::read_from(file, None, elsewhere)? {
        Input::Profile(profile) => Ok(*profile),
        Input::Sweep(_) => Err(Error::read(format!("`{}`", file.display()), "it is a sweep, expected a profile")),
    }
}

fn metric() -> ValueParser {
    PossibleValuesParser::new(Metric::WORDS).try_map(|word| Metric::from_str(&word)).into()
}

/// The body of the command.
pub fn command(args: &ExportArgs) -> Result<ExitCode, Error> {
    if args.metric.is_some() && !args.to.takes_metric() {
        let found = format!(
            "`--metric` chooses among the numbers of `folded`, `speedscope` and `firefox`; `{}` has them all",
            args.to.word()
        );
        return Err(Error::Usage { found });
    }
    let mut profile = read(&args.file, &args.elsewhere)?;
    if let Some(pid) = args.process {
        profile.keep_process(pid, &args.file)?;
    }
    let processes = chosen(&profile);
    if args.metric == Some(Metric::Leaked)
        && !processes.iter().any(|process| rows::weights(process, Metric::Leaked).is_some())
    {
        let found = "no leaks were looked for at the end of any process in it";
        return Err(Error::read(format!("`{}`", args.file.display()), found));
    }
    let is_stdout = args.output == Path::new("-");
    if args.to.holds_several_processes() || processes.len() < 2 {
        write_file(&args.output, is_stdout, &mut |to| write(args.to, &processes, args.metric, to))?;
        return Ok(ExitCode::SUCCESS);
    }
    if is_stdout {
        let found = format!(
            "`{}` holds one process, and there are {}: choose one with `--process`",
            args.to.word(),
            processes.len()
        );
        return Err(Error::Usage { found });
    }
    let mut written: Vec<PathBuf> = Vec::new();
    for process in &processes {
        let path = beside(&args.output, process.pid, &written);
        write_file(&path, false, &mut |to| write(args.to, &[process], None, to))?;
        written.push(path);
    }
    let names: Vec<String> = written.iter().map(|path| format!("`{}`", Safe(&path.display().to_string()))).collect();
    let processes = count(processes.len() as u64, "process");
    sys::say(&format!("memtrace: {processes}, a file for each: {}\n", names.join(", ")));
    Ok(ExitCode::SUCCESS)
}

/// The processes that have something to tell; if none has, the first.
fn chosen(profile: &Profile) -> Vec<&Process> {
    let all = || profile.processes.iter();
    let told: Vec<&Process> = all().filter(|process| rows::sites(process).next().is_some()).collect();
    if told.is_empty() { all().take(1).collect() } else { told }
}

/// The file of a process; images of one process have one number, so the later ones get a second.
fn beside(path: &Path, pid: u32, written: &[PathBuf]) -> PathBuf {
    let name = |ending: String| {
        let mut name = OsString::from(path);
        name.push(ending);
        PathBuf::from(name)
    };
    let first = name(format!(".{pid}"));
    let others = (2..).map(|number: u32| name(format!(".{pid}.{number}")));
    std::iter::once(first).chain(others).find(|path| !written.contains(path)).expect("numbers go on")
}

fn write_file(
    path: &Path,
    is_stdout: bool,
    report: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    match is_stdout {
        true => formats::to_stdout(report),
        false => {
            let what = format!("writing `{}`", Safe(&path.display().to_string()));
            progress::during(&what, || formats::file(path, formats::FOR_ALL, report))
        }
    }
}

/// Writes processes in a format; those of one process take the first.
fn write(target: Target, processes: &[&Process], metric: Option<Metric>, to: &mut dyn Write) -> io::Result<()> {
    let metrics = metric.as_ref().map_or(&Metric::ALL[..], std::slice::from_ref);
    let empty = Process::default();
    let first = processes.first().copied().unwrap_or(&empty);
    match target {
        Target::Pprof => pprof::write(processes, to),
        Target::Speedscope => speedscope::write(processes, metrics, to),
        Target::Folded => folded::write(processes, metric.unwrap_or(Metric::Live), to),
        Target::Dhat => dhat::write(first, to),
        Target::Massif => massif::write(first, to),
        Target::Heaptrack => heaptrack::write(first, to),
        Target::Callgrind => callgrind::write(first, to),
        Target::Firefox => firefox::write(processes, metrics, to),
        Target::Csv => csv::write(processes, to),
    }
}
