//! The settings that a process began with, and what was wrong with them.

use std::collections::BTreeMap;

use memtrace_wire::settings::{self, ROWS, Shape};

use super::model::Warning;
use super::process::text;
use crate::recording::Process;

/// Those that were set, as they were written.
pub fn set(process: &Process) -> BTreeMap<String, String> {
    let mut set = BTreeMap::new();
    for row in ROWS {
        set.extend(value(process, row.name).map(|value| (row.name.to_owned(), value)));
    }
    set
}

/// One of them, if it was set.
pub fn value(process: &Process, name: &str) -> Option<String> {
    process.settings().find_map(|variable| settings::value_of(variable, name)).map(text)
}

/// Values that were not understood, and settings that another one beats.
pub fn warnings(process: &Process) -> Vec<Warning> {
    let parsed = settings::parse(process.settings());
    let wrong = ROWS.iter().enumerate().filter(|&(place, _)| parsed.wrong >> place & 1 == 1);
    let value =
        |name: &str| process.settings().find_map(|variable| settings::value_of(variable, name)).unwrap_or_default();
    let warning = |name: &str, expected: &str| Warning {
        setting: name.into(),
        found: text(value(name)),
        expected: expected.into(),
    };
    let mut warnings: Vec<Warning> = wrong.map(|(_, row)| warning(row.name, expected(row.shape))).collect();
    let beaten = ROWS.iter().enumerate().filter(|&(place, _)| parsed.beaten >> place & 1 == 1);
    let holds = format!("nothing beside {}, which holds", parsed.decides);
    warnings.extend(beaten.map(|(_, row)| warning(row.name, &holds)));
    warnings
}

fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Switch => "`1` or `0`",
        Shape::Count => "a whole number",
        Shape::CountOrAll => "a whole number or `all`",
        Shape::Bytes => "a whole number of bytes, or of K, M or G",
        Shape::Seconds => "a whole number of seconds up to 86,400",
        Shape::Pattern => "a path with `%p`, `%e`, `%t` or `%%` only",
        Shape::Glob => "a pattern",
        Shape::Path => "a path",
        Shape::FailAfter => "`N` or `N,M`",
        Shape::FailCount => "a whole number or `inf`",
        Shape::FailAt => "numbers from 1 and ranges like `3,10-12`",
        Shape::Kinds => "`definite`, `possible`, `indirect`, `reachable` with commas between, or `all`",
        Shape::Status => "a whole number up to 255",
        Shape::Paths => "paths with colons between",
        Shape::Heuristics => {
            "`stdstring`, `length64`, `newarray`, `multipleinheritance` with commas between, `all` or `none`"
        }
        Shape::Tags => "`low:N` up to 4, `high:N` up to 16, or both with a comma between",
        Shape::Sources => "`curl`, `openssl` with commas between, or `all`",
        Shape::FailStacks => "names of points, of 16 hexadecimal digits, each perhaps with `#n` behind it",
        Shape::Chance => "a number from 0 to 1 with up to nine decimals",
        Shape::Sizes => "`N`, `N-M` or `N-`",
        Shape::Ops => "functions that allocate, with commas between, or `all`",
        Shape::Calls => "functions of the C library, or families of them, with commas between, or `all`",
        Shape::Names => "names with commas between",
        Shape::Thread => "`main`, a name or a number",
        Shape::Since => "`main`, `start`, `api`, `call:FN` or `marker:NAME`",
        Shape::Until => "`call:FN`, `marker:NAME` or a number",
        Shape::Action => "`null`, `trap`, `stop` or `abort`",
        Shape::Aftermath => "`normal` or `forbid`",
        Shape::Children => "`no`, `same` or `all`",
    }
}
