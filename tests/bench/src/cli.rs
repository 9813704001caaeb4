//! The command line: what can be typed. All of clap is named here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::Error;

/// Runs the same work natively, with memtrace and with its peers in turn, and says what each took.
#[derive(Parser, Clone, Debug)]
#[command(name = "memtrace-bench", args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Line {
    /// What is measured instead of the rows.
    #[command(subcommand)]
    pub task: Option<Task>,
    /// The rows.
    #[command(flatten)]
    pub speed: SpeedArgs,
}

/// What else can be measured.
#[derive(Subcommand, Clone, Debug)]
pub enum Task {
    /// Measure how the cost grows with depth, sites, live blocks and threads
    Growth(GrowthArgs),
}

/// The rows and ways of the table.
#[derive(Args, Clone, Debug)]
pub struct SpeedArgs {
    /// Rows to run, by name; `*` and `?` match, a comma separates
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub rows: Vec<String>,
    /// Ways to run them; native always is one
    #[arg(long, value_name = "WAY", value_delimiter = ',')]
    pub ways: Vec<String>,
    /// Which peers to run: those that are found, all (memcheck and memray too), or none
    #[arg(long, value_enum, default_value_t = Peers::Found)]
    pub peers: Peers,
    /// In how many of the rounds the peers are run: where a machine is noisy, more rounds are wanted of the rest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub peer_rounds: u16,
    /// Put the result into the section `<!-- speed -->` of this file
    #[arg(long, value_name = "FILE")]
    pub readme: Option<PathBuf>,
    /// Print the names of rows and ways, and run nothing
    #[arg(long)]
    pub list: bool,
    /// What both kinds take.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// How far the axes go.
#[derive(Args, Clone, Debug)]
pub struct GrowthArgs {
    /// The most live blocks; half of the available memory is a limit too
    #[arg(long, value_name = "BLOCKS", default_value_t = 100_000_000)]
    pub max_live: u64,
    /// What both kinds take.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What both kinds of measurement take.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// How often each is run
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// A tenth of the work
    #[arg(long)]
    pub quick: bool,
    /// Folder with libmemtrace.so and memtrace [default: this checkout's release pair, built when it is not up to date]
    #[arg(long, value_name = "DIR")]
    pub pair: Option<PathBuf>,
    /// Folder for the results as text, JSON and SVG
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The longest that a single run may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
}

/// Which peers.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peers {
    /// memtrace alone.
    None,
    /// All but the slow; one that is not installed has cells that say so.
    Found,
    /// Every one that is known.
    All,
}

/// What was typed; help is text to print.
#[derive(Clone, Debug)]
pub enum Typed {
    /// Something to measure.
    Line(Box<Line>),
    /// Something to print.
    Text(String),
}

/// Reads the arguments.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Typed, Error> {
    match Line::try_parse_from(arguments) {
        Ok(line) => Ok(Typed::Line(Box::new(line))),
        Err(answer) if answer.use_stderr() => {
            let text = answer.to_string();
            Err(Error::misused(text.trim_start_matches("error: ").trim_end()))
        }
        Err(answer) => Ok(Typed::Text(answer.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn typed(line: &str) -> Result<Line, String> {
        match read(line.split(' ').map(OsString::from)) {
            Ok(Typed::Line(line)) => Ok(*line),
            Ok(Typed::Text(text)) => Err(text),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn rows_and_ways_are_lists() {
        let line = typed("bench --rows churn-*,python --ways memtrace,lsan --rounds 9 --quick").unwrap();
        assert_eq!(line.speed.rows, ["churn-*", "python"]);
        assert_eq!(line.speed.ways, ["memtrace", "lsan"]);
        assert_eq!((line.speed.common.rounds, line.speed.peer_rounds, line.speed.common.quick), (9, 3, true));
        let Some(Task::Growth(growth)) = typed("bench growth --max-live 1000").unwrap().task else { panic!() };
        assert_eq!((growth.max_live, growth.common.rounds), (1000, 5));
    }

    #[test]
    fn wrong_use_is_said() {
        for line in ["bench --rounds 0", "bench --peers some", "bench shrink", "bench --row x"] {
            assert!(typed(line).is_err(), "{line}");
        }
    }
}
