//! The command line: what can be typed, and the help that says so. All of clap is named here.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

pub use clap::Command;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use memtrace_wire::leaks::Kinds;
use memtrace_wire::settings::ROWS;

use crate::bundle::BundleArgs;
use crate::check::args::CheckArgs;
use crate::check::baseline::command::BaselineArgs;
use crate::check::diff::DiffArgs;
use crate::completions;
use crate::doctor::DoctorArgs;
use crate::error::Error;
use crate::export::ExportArgs;
use crate::html::args::HtmlArgs;
use crate::import::ImportArgs;
use crate::leaks::{LeaksArgs, parse_time};
use crate::push::PushArgs;
use crate::report::ReportArgs;
use crate::sweep::args::SweepArgs;
use crate::sweep::merge::MergeArgs;
use crate::sweep::repro::ReproArgs;
use crate::top::TopArgs;
use crate::views::leaks::parse_kinds;

/// Finds leaks in programs that nobody recompiled.
///
/// `memtrace run` starts a program and records every allocation that it makes, with its whole stack; `memtrace
/// report` reads what was recorded.
#[derive(Parser, Debug)]
#[command(name = "memtrace", version, arg_required_else_help = true, disable_help_subcommand = true, after_help = settings())]
struct Line {
    #[command(subcommand)]
    task: Task,
}

/// What memtrace is asked to do.
#[derive(Subcommand, Debug)]
pub enum Task {
    /// Run a program, record its heap, and write a profile when it ends
    ///
    /// Its output, exit status and signals are its own. The last lines on stderr say what was recorded and where.
    /// With MEMTRACE_EXITCODE a target that succeeds ends with that status if any process of the run has definite or
    /// possible leaks; its own failure, or death by a signal, comes first.
    #[command(after_help = settings())]
    Run(RunArgs),
    /// Read a profile or a recording, and report what it holds
    Report(Box<ReportArgs>),
    /// Check a running process for leaks, once or again and again
    ///
    /// The process stands still only until it is copied; the copy is searched beside it. Status 1: there are definite or
    /// possible leaks.
    Leaks(LeaksArgs),
    /// Follow a running process: which stacks hold its memory, grow, and allocate now
    ///
    /// On a terminal the keys sort, filter and scroll (`h` explains them, `q` quits); else there are a few lines at each look. The
    /// process is not touched: what it records is read beside it.
    Top(TopArgs),
    /// Run a command, or read profiles, and say by the status whether its leaks break a policy
    ///
    /// Status 0: clean. 1: the policy is broken. 2: wrong use, or nothing that can be judged: a program that memtrace was
    /// not loaded into, or that was not classified. 3: memtrace failed. A command that fails itself ends the check as it
    /// ended. The report goes to stderr.
    Check(Box<CheckArgs>),
    /// Accept the leaks of a run: only others break the policy of a check then
    Baseline(Box<BaselineArgs>),
    /// Compare two profiles, place by place: a signed table, what grew most first
    Diff(Box<DiffArgs>),
    /// Make one page for a browser of a run, of a difference or of a sweep
    ///
    /// Of profiles and recordings, of two of them with --diff, or of the file of a sweep. The page needs no network and no
    /// other file.
    Html(HtmlArgs),
    /// Write a profile in the format of another profiler: for pprof, speedscope, flame graphs, DHAT, Massif, heaptrack,
    /// KCachegrind, the Firefox Profiler or a spreadsheet
    Export(Box<ExportArgs>),
    /// Pack a recording, or a profile, with the files that its names come from, to be read on another machine
    Bundle(BundleArgs),
    /// Make a profile of what heaptrack or DHAT recorded
    Import(ImportArgs),
    /// Make every allocation path of a program fail once, and judge what comes of it
    ///
    /// Each stack that allocates from `main` on fails once, then from there on for ever; then the stacks that only a first
    /// failure has opened. Status 1: something came to an outcome of --fail-on.
    Sweep(Box<SweepArgs>),
    /// Repeat a finding of a sweep: the program runs here, and the same call fails
    Repro(ReproArgs),
    /// Merge sweeps of parts of one program into one
    ///
    /// In any order, and a part may be there twice: each run counts once. Status 1: there are findings of crash, corruption,
    /// hang, silent wrong output or leak that no policy accepts.
    Merge(MergeArgs),
    /// Send profiles to a store over HTTP; what it does not take now is kept, and sent again
    ///
    /// Status 0: all is delivered. 2: wrong use. 3: not all is delivered; the spool keeps the rest for the next push.
    Push(PushArgs),
    /// Say what works here, and why the rest does not; of a program, what will be seen of it
    ///
    /// Status 0: all that is needed works. 1: something that is needed does not. 2: wrong use, or no such program.
    Doctor(DoctorArgs),
    /// What the shim starts at the end of a target that has no launcher
    #[command(name = "__end", hide = true)]
    End {
        /// The recording.
        recording_fd: i32,
        /// Where the report goes; -1: nowhere.
        #[arg(allow_negative_numbers = true)]
        report_fd: i32,
        /// Takes one `k` when all is said: the target waits for it.
        answer_fd: i32,
        /// The target goes on: all of it goes there, whatever its settings say of the end.
        #[arg(long)]
        now: bool,
        /// The target goes on: its profile goes there.
        #[arg(long)]
        profile: bool,
        /// The target goes on: what is new since the recording behind this descriptor goes there; -1: all.
        #[arg(long, allow_negative_numbers = true)]
        since: Option<i32>,
        /// Of that, what is lost alone.
        #[arg(long)]
        lost: bool,
    },
    /// The program of `memtrace check --self-test`
    #[command(name = "__plant", hide = true)]
    Plant {
        /// Blocks that it loses.
        blocks: u64,
        /// Bytes of each.
        bytes: u64,
    },
    /// Print the man page
    #[command(name = "__man", hide = true)]
    Man,
    /// Print the completions for a shell
    #[command(name = "__completions", hide = true)]
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: completions::Name,
    },
}

/// What `memtrace run` takes.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// File for the profile: %p pid, %e program, %t time in seconds, %% a percent sign
    #[arg(short, long, value_name = "PATTERN", default_value = "%e.%p.memtrace.json")]
    pub output: String,
    /// Check the target again and again while it runs, and say on stderr what is new, grown or gone: `30s`, `5m`, `1h`
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "crash")]
    pub every: Option<Duration>,
    /// Check a process that a signal is about to kill, too, and say which freed block a crash is about; this traces the
    /// target (ptrace), and takes the stack of each free
    #[arg(long)]
    pub crash: bool,
    /// End a process at its first heap error, as by abort
    #[arg(long)]
    pub fatal: bool,
    /// Write a profile for each process; the pattern needs %p
    #[arg(long)]
    pub split: bool,
    /// Kinds of leaks that are summed up at the end: `definite`, `possible`, `indirect`, `reachable` with commas
    /// between, or `all`; by default those of MEMTRACE_SHOW
    #[arg(long, value_name = "KINDS", value_parser = parse_kinds)]
    pub show: Option<Kinds>,
    /// File of leaks that are not reported, in the format of LSan or of valgrind, beside those of
    /// MEMTRACE_SUPPRESSIONS; may be given several times
    #[arg(long, value_name = "FILE")]
    pub suppressions: Vec<PathBuf>,
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// What was typed; what clap prints itself (help, version) is text on stdout.
pub enum Typed {
    /// Something to do.
    Task(Task),
    /// Something to print.
    Text(String),
}

/// Reads the arguments.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Typed, Error> {
    let parsed = definition().try_get_matches_from(arguments).and_then(|matches| Line::from_arg_matches(&matches));
    match parsed {
        Ok(line) => Ok(Typed::Task(line.task)),
        Err(answer) => match answer.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Typed::Text(answer.to_string())),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Err(Error::Usage { found: "no command, expected `run`, `check` or `report`".to_owned() })
            }
            _ => Err(Error::Usage { found: in_our_words(&answer.to_string()) }),
        },
    }
}

/// The whole definition, settings included.
pub fn definition() -> Command {
    Line::command()
}

/// The table of settings, for the end of `--help`.
fn settings() -> String {
    let width = ROWS.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = String::from("Settings, from the environment of the target:");
    for row in ROWS {
        let _ = write!(text, "\n  {:width$}  {}", row.name, row.text);
        if !row.default.is_empty() {
            let _ = write!(text, " [default: {}]", row.default);
        }
    }
    text
}

/// clap's first paragraph as one line: without its `error:`, with backticks for quotes.
fn in_our_words(answer: &str) -> String {
    let paragraph = answer.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).replace('\'', "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Typed, Error> {
        read(line.split(' ').map(OsString::from))
    }

    fn run(line: &str) -> Vec<OsString> {
        match typed(line) {
            Ok(Typed::Task(Task::Run(arguments))) => arguments.command,
            _ => panic!("`{line}` is not read as a run"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn all_after_the_program_is_the_programs() {
        assert_eq!(run("memtrace run ls -l --split -o x"), ["ls", "-l", "--split", "-o", "x"]);
        assert_eq!(run("memtrace run -- ls -l"), ["ls", "-l"]);
        assert_eq!(run("memtrace run --split -o x -- sh -c y -- --help"), ["sh", "-c", "y", "--", "--help"]);
        assert_eq!(run("memtrace run git -- --version"), ["git", "--", "--version"]);
        assert_eq!(run("memtrace run -- -odd --"), ["-odd", "--"]);
        assert_eq!(run("memtrace run -- a  b"), ["a", "", "b"]);
    }

    #[test]
    fn the_shims_call_is_understood_without_a_stderr() {
        let Ok(Typed::Task(Task::End { recording_fd, report_fd, answer_fd, .. })) = typed("memtrace __end 3 -1 5")
        else {
            panic!()
        };
        assert_eq!((recording_fd, report_fd, answer_fd), (3, -1, 5));
    }

    #[test]
    fn what_cannot_be_read_is_said_in_one_line() {
        for (line, said) in [
            ("memtrace", "no command, expected `run`, `check` or `report`"),
            ("memtrace run --split", "the following required arguments were not provided: <CMD>..."),
            ("memtrace rum", "unrecognized subcommand `rum`"),
        ] {
            match typed(line) {
                Err(error) => assert_eq!(error.to_string(), said),
                Ok(_) => panic!("`{line}` is read"),
            }
        }
    }

    #[test]
    fn help_ends_with_every_setting() {
        for line in ["memtrace --help", "memtrace run --help", "memtrace run -h"] {
            let Ok(Typed::Text(text)) = typed(line) else { panic!("no help for `{line}`") };
            let table = text.rfind("Settings, from").map(|at| &text[at..]).unwrap_or_default();
            assert!(ROWS.iter().all(|row| table.contains(row.name) && table.contains(row.text)), "{line}: {text}");
            assert!(!text.contains("__end"));
        }
    }
}
