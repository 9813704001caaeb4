//! The benchmark: the same work natively, with memtrace and with its peers, on one machine in one run.
//!
//! ```text
//!   rows ──▶ kit: programs, data ─┐
//!   ways ──▶ tools: pair, peers ──┴─▶ rounds ──run──▶ lines ──▶ table · json · picture · readme
//!                                 └─▶ growth ──run──▶ series ─▶ text · json · picture
//! ```
//!
//! Invariants:
//! - everything is made and run in one temporary folder, and nothing of it stays, however the benchmark ends;
//! - a figure stands beside a native one of the same round, and the machine's load beside the table;
//! - what is missing or fails is a cell that says so.

mod cli;
mod data;
mod error;
mod find;
mod grid;
mod growth;
mod instructions;
mod json;
mod kit;
mod lines;
mod machine;
mod pick;
mod picture;
mod place;
mod readme;
mod rounds;
mod rows;
mod run;
mod stats;
mod svg;
mod table;
mod targets;
mod way;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use cli::{CommonArgs, GrowthArgs, SpeedArgs, Task, Typed};
use kit::Kit;
use machine::Machine;
use place::Place;
use run::Runner;
use table::Setting;
use way::{Tools, Way};

pub use error::Error;
pub use instructions::INSTRUCTIONS_A_PAIR_MAX;
pub use json::read as read_json;

/// Does what was typed, and gives what is to be printed.
pub fn start(arguments: impl IntoIterator<Item = OsString>) -> Result<String, Error> {
    match cli::read(arguments)? {
        Typed::Text(text) => Ok(text),
        Typed::Line(line) => match line.task {
            Some(Task::Growth(arguments)) => growth(&arguments),
            None if line.speed.list => Ok(pick::list()),
            None => speed(&line.speed),
        },
    }
}

/// Instructions that memtrace adds to a pair at depth 20 with 1,000 sites; `None` without valgrind.
pub fn instructions_a_pair(pair: &Path) -> Result<Option<f64>, Error> {
    let place = Place::new()?;
    let (kit, tools) = (Kit::new(&place), Tools::find(pair)?);
    let rows = rows::all(false);
    let row = rows.iter().find(|row| row.name == "churn-d20");
    if tools.valgrind().is_none() {
        return Ok(None);
    }
    let row = row.ok_or_else(|| Error::failed("no row `churn-d20`"))?;
    instructions::added(&kit, &place, &tools, row, Way::Bare).map(Some).map_err(Error::failed)
}

fn speed(arguments: &SpeedArgs) -> Result<String, Error> {
    let common = &arguments.common;
    let rows = pick::rows(arguments)?;
    // Read before anything is run: an hour later is too late to hear of it.
    let readme = arguments.readme.as_deref().map(readable).transpose()?;
    let tools = tools(common)?;
    let ways = pick::ways(arguments)?;
    let place = Place::new()?;
    let kit = Kit::new(&place);
    let runner = Runner::new(&place, &kit, common.patience)?;
    let rounds = usize::from(common.rounds);
    let peer_rounds = rounds.min(arguments.peer_rounds.into());
    let bench =
        rounds::Bench { place: &place, kit: &kit, tools: &tools, runner, rounds, peer_rounds, is_talking: true };
    let mut setting = Setting { peer_rounds, ..setting(common, ways) };
    let lines: Vec<_> = rows.iter().map(|row| bench.line(row, &setting.ways)).collect();
    setting.load_after = machine::load();
    let text = table::text(&setting, &lines);
    if let Some(folder) = &common.out {
        write(folder, "speed.txt", &text)?;
        write(folder, "speed.json", &json::speed(&setting, &lines))?;
        write(folder, "speed.svg", &picture::speed(&setting, &lines))?;
    }
    if let Some((path, old)) = readme {
        let new = readme::replaced(&old, &readme::section(&setting, &lines))?;
        fs::write(path, new).map_err(|cause| Error::file("write", path, &cause))?;
    }
    Ok(text)
}

fn growth(arguments: &GrowthArgs) -> Result<String, Error> {
    let common = &arguments.common;
    let tools = tools(common)?;
    let place = Place::new()?;
    let kit = Kit::new(&place);
    let runner = Runner::new(&place, &kit, common.patience)?;
    let mut setting = setting(common, vec![Way::Native, Way::Bare]);
    let talk = |text: &str| eprint!("{text}");
    let series = growth::measure(&kit, &tools, &runner, &setting, arguments.max_live, talk)?;
    setting.load_after = machine::load();
    let text = growth::text(&setting, &series);
    if let Some(folder) = &common.out {
        write(folder, "growth.txt", &text)?;
        write(folder, "growth.json", &json::growth(&setting, &series))?;
        write(folder, "growth.svg", &picture::growth(&setting, &series))?;
    }
    Ok(text)
}

fn tools(common: &CommonArgs) -> Result<Tools, Error> {
    match &common.pair {
        Some(folder) => Tools::find(folder),
        None => Tools::find(&find::pair()?),
    }
}

fn setting(common: &CommonArgs, ways: Vec<Way>) -> Setting {
    Setting {
        machine: Machine::here(),
        load_before: machine::load(),
        load_after: String::new(),
        rounds: common.rounds.into(),
        peer_rounds: common.rounds.into(),
        is_quick: common.quick,
        ways,
    }
}

/// A README that has the section.
fn readable(path: &Path) -> Result<(&Path, String), Error> {
    let text = fs::read_to_string(path).map_err(|cause| Error::file("read", path, &cause))?;
    readme::replaced(&text, "").map_err(|error| Error::misused(format!("`{}`: {error}", path.display())))?;
    Ok((path, text))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    written.map_err(|cause| Error::file("write", &path, &cause))
}
