//! What `memtrace sweep` takes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::calls;
use super::outcome::{Level, Outcome};
use crate::formats::Out;
use crate::leaks::parse_time;

/// What `memtrace sweep` takes.
#[derive(clap::Args, Debug)]
pub struct SweepArgs {
    /// File for the result (JSON); %e stands for the program's name. A result that is there is replaced
    #[arg(short, long, value_name = "PATTERN", default_value = "%e.sweep.json")]
    pub output: String,
    /// Runs at the same time; by default as many as there are processors
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Time for all of it: `90s`, `5m`, `1h`; what is widest comes first
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub budget: Option<Duration>,
    /// `snapshot`: before the runs, each stack fails in a copy of the process, at its first call in one run more; those
    /// whose copies do not end well come first. Not where a copy would disturb the process: several threads, children,
    /// a pipe or a file for writing open
    #[arg(long, value_name = "HOW", value_enum)]
    pub accel: Option<Accel>,
    /// Time for one run, after which it hangs: `500ms`, `10s`; by default ten times what it takes without a failure, and
    /// a second at least. What it waits for a processor on a busy machine does not count
    #[arg(long, value_name = "TIME", value_parser = parse_patience)]
    pub timeout: Option<Duration>,
    /// 1: every stack fails; 2: and then every stack that such a failure opened
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2), default_value = "2")]
    pub order: u8,
    /// How long failures last: `once` (one call), `forever` (it and all that follow), or both
    #[arg(long, value_name = "MODES", value_delimiter = ',', value_parser = ["once", "forever"], default_value = "once,forever")]
    pub modes: Vec<String>,
    /// A part of the stacks: `slice:K/N` every Nth from the Kth on, `hash:K/N` by their names; `memtrace merge` joins parts
    #[arg(long, value_name = "PART", value_parser = parse_part)]
    pub partition: Option<Part>,
    /// Keep every run in FILE as it is made, and go on where FILE ends
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Only stacks that an earlier result does not have, and those of its findings
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Only stacks with a frame in a module of this name (`*` and `?` match); may be given several times
    #[arg(long, value_name = "GLOB")]
    pub module: Vec<String>,
    /// Only stacks with this function on them (`*` and `?` match); may be given several times
    #[arg(long = "in", value_name = "FUNCTION")]
    pub within: Vec<String>,
    /// Fail only in programs of this name (`*` and `?` match): for commands that start others
    #[arg(long, value_name = "GLOB")]
    pub exe: Option<String>,
    /// Fail nothing in fork children, which go on where their parent was otherwise
    #[arg(long)]
    pub no_children: bool,
    /// Leave the environment of a program that is CPython as it is: by default PYTHONMALLOC=malloc makes its small objects
    /// blocks of their own, and PYTHONHASHSEED=0 makes runs alike
    #[arg(long)]
    pub no_python_env: bool,
    /// Calls fail as allocations do: `files`, `sockets`, `network`, `io`, `pipes`, `threads`, `memory`, functions (`connect`),
    /// with commas between, or `all`; a write to stderr never fails
    #[arg(long, value_name = "CALLS", value_parser = calls::parse)]
    pub calls: Option<String>,
    /// Only those calls fail, and no allocation
    #[arg(long, requires = "calls")]
    pub calls_only: bool,
    /// A shell command that says by its status whether a run without an error is right; MEMTRACE_STATUS,
    /// MEMTRACE_STDOUT, MEMTRACE_STDERR and TMPDIR tell it of the run
    #[arg(long, value_name = "CMD")]
    pub oracle: Option<String>,
    /// A shell command before each run
    #[arg(long, value_name = "CMD")]
    pub setup: Option<String>,
    /// A shell command after each run
    #[arg(long, value_name = "CMD")]
    pub teardown: Option<String>,
    /// Runs of each finding again, to see whether it repeats
    #[arg(long, value_name = "N", default_value = "3")]
    pub repeat: u32,
    /// Outcomes that make the status 1, with commas between: names, or `crash`, `corruption`, `hang`, `all`, `none`
    #[arg(long, value_name = "OUTCOMES", value_parser = parse_outcomes, default_value = "corruption,crash,hang,silent-wrong,leak")]
    pub fail_on: Outcomes,
    /// Write a report to PATH too, `-` for stdout, as `text`, `json`, `jsonl` (JSON lines, while it runs), `junit`,
    /// `sarif` (2.1.0), `github` (annotations), `markdown`, `gitlab`, `tap` or `html`. A file that is there is replaced; may be given several times. The text goes to stdout
    /// unless another does
    #[arg(long, value_name = "FORMAT:PATH", value_parser = crate::formats::parser())]
    pub out: Vec<Out>,
    /// A policy (TOML): findings that are accepted, and more ways in which programs end themselves
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// How runs that find something are made early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Accel {
    /// By copies of the process.
    Snapshot,
}

/// A part of a sweep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// By name, or every so many in the order of the sweep.
    pub by_hash: bool,
    /// From 1.
    pub number: u64,
    /// Parts.
    pub count: u64,
}

impl Part {
    /// Whether a point belongs to it: the name of one, and its place in the order of all.
    pub fn has(&self, id: u64, place: usize) -> bool {
        // The name's bits are well mixed, but for the lowest of small sets.
        let key = if self.by_hash { id >> 7 } else { place as u64 };
        key % self.count == self.number - 1
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", if self.by_hash { "hash" } else { "slice" }, self.number, self.count)
    }
}

/// Outcomes that were chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcomes(pub Vec<Outcome>);

fn parse_outcomes(text: &str) -> Result<Outcomes, String> {
    use Outcome::{HangDeadlocked, HangSpinning, HeapCorruption, Killed, NullDereference, StackOverflow, WildAccess};
    let mut chosen = Vec::new();
    for name in text.split(',') {
        match name {
            "none" => {}
            "all" => chosen.extend(Outcome::ALL.iter().filter(|outcome| outcome.level() != Level::Fair)),
            "corruption" => chosen.push(HeapCorruption),
            "crash" => chosen.extend([NullDereference, WildAccess, StackOverflow, Killed]),
            "hang" => chosen.extend([HangSpinning, HangDeadlocked]),
            _ => match Outcome::named(name) {
                Some(outcome) => chosen.push(outcome),
                None => {
                    let names: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
                    return Err(format!(
                        "`{name}` is no outcome, expected `crash`, `corruption`, `hang`, `all`, `none` or one of: {}",
                        names.join(", ")
                    ));
                }
            },
        }
    }
    Ok(Outcomes(chosen))
}

/// `500ms`, or as `parse_time`.
fn parse_patience(text: &str) -> Result<Duration, String> {
    match text.strip_suffix("ms") {
        Some(digits) => match digits.parse() {
            Ok(milliseconds @ 1..) => Ok(Duration::from_millis(milliseconds)),
            _ => Err("expected a time as `500ms`, `10s` or `5m`".into()),
        },
        None => parse_time(text),
    }
}

fn parse_part(text: &str) -> Result<Part, String> {
    let wrong = || "expected `slice:K/N` or `hash:K/N` with K from 1 to N".to_owned();
    let (kind, numbers) = text.split_once(':').ok_or_else(wrong)?;
    let (number, count) = numbers.split_once('/').ok_or_else(wrong)?;
    let (number, count) = (number.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
    match kind {
        "slice" | "hash" if (1..=count).contains(&number) => Ok(Part { by_hash: kind == "hash", number, count }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        for kind in ["slice", "hash"] {
            let parts: Vec<Part> = (1..=4).map(|number| parse_part(&format!("{kind}:{number}/4")).unwrap()).collect();
            for id in 0..1000u64 {
                assert_eq!(parts.iter().filter(|part| part.has(id << 7, id as usize)).count(), 1);
            }
        }
        for wrong in ["slice:0/4", "slice:5/4", "slice:1", "rows:1/2", "slice:a/b", "hash:1/0"] {
            assert!(parse_part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn outcomes_and_times_are_read() {
        assert_eq!(parse_outcomes("leak,hang").unwrap().0.len(), 3);
        assert!(parse_outcomes("none").unwrap().0.is_empty());
        assert!(parse_outcomes("crush").unwrap_err().contains("`crush` is no outcome"));
        assert_eq!(parse_patience("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_patience("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_patience("0ms").is_err() && parse_patience("ms").is_err());
    }
}
