//! Rows as JSON: what `memtrace report --by … --format json` gives.

use serde::Serialize;

use super::model::Profile;
use crate::views::{self, Choice, Numbers};

/// Raised whenever a field changes.
const VERSION: u32 = 1;

/// The rows of all processes.
#[derive(Serialize)]
pub struct RowsOfAll {
    format: &'static str,
    version: u32,
    by: &'static str,
    sort: &'static str,
    processes: Vec<RowsOfOne>,
}

#[derive(Serialize)]
struct RowsOfOne {
    pid: u32,
    exe: String,
    rows: Vec<Row>,
    rest_count: u64,
    rest: Sums,
}

#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct Sums {
    live_blocks: u64,
    live_bytes: u64,
    total_blocks: u64,
    total_bytes: u64,
    at_peak_blocks: u64,
    at_peak_bytes: u64,
    temporary_blocks: u64,
}

impl RowsOfAll {
    /// The chosen rows.
    pub fn of(profile: &Profile, choice: &Choice) -> RowsOfAll {
        let of_one = |process: &super::Process| {
            let rows = views::rows(process, choice);
            let row = |row: views::Row| Row { name: row.name, sums: sums(&row.numbers) };
            RowsOfOne {
                pid: process.pid,
                exe: process.exe.clone(),
                rest: sums(&rows.rest),
                rest_count: rows.rest_count,
                rows: rows.rows.into_iter().map(row).collect(),
            }
        };
        let processes = profile.processes.iter().map(of_one).collect();
        let (by, sort) = (choice.by.word(), choice.sort.word());
        RowsOfAll { format: "memtrace-rows", version: VERSION, by, sort, processes }
    }
}

fn sums(numbers: &Numbers) -> Sums {
    let Numbers { live_blocks, live_bytes, total_blocks, total_bytes, at_peak_blocks, at_peak_bytes, temporary_blocks } =
        *numbers;
    Sums { live_blocks, live_bytes, total_blocks, total_bytes, at_peak_blocks, at_peak_bytes, temporary_blocks }
}
