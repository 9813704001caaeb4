//! The results as JSON, for other programs. All of serde_json is named here.
//!
//! Seconds, bytes and counts are plain numbers; a cell without a figure has `nothing`, which says why.

use serde_json::{Value, json};

use crate::growth::Series;
use crate::lines::{Cell, Line};
use crate::rows::Counts;
use crate::stats::Spread;
use crate::table::Setting;
use crate::targets;
use crate::way::Way;

/// The version of the shape below.
const VERSION: u32 = 1;

/// A whole run of the benchmark.
pub fn speed(setting: &Setting, lines: &[Line]) -> String {
    let targets = targets::verdicts(lines).into_iter().map(|verdict| {
        json!({
            "row": verdict.row,
            "measure": verdict.measure,
            "found": verdict.found,
            "at_most": verdict.at_most,
            "at_most_mark": verdict.mark(verdict.at_most),
            "aim": verdict.aim,
            "aim_mark": verdict.mark(verdict.aim),
        })
    });
    pretty(&json!({
        "version": VERSION,
        "setting": setting_value(setting),
        "rows": lines.iter().map(line_value).collect::<Vec<_>>(),
        "targets": targets.collect::<Vec<_>>(),
    }))
}

/// A run of `growth`.
pub fn growth(setting: &Setting, series: &[Series]) -> String {
    let series = series.iter().map(|series| {
        let points = series.points.iter().map(|point| {
            json!({
                "at": point.at,
                "native_ns": point.native_ns,
                "memtrace_ns": point.memtrace_ns,
                "native_rss_bytes": point.native_rss_bytes,
                "memtrace_rss_bytes": point.memtrace_rss_bytes,
            })
        });
        let points: Vec<Value> = points.collect();
        json!({ "of": series.name, "unit": series.unit, "points": points, "stopped": series.stopped })
    });
    let series: Vec<Value> = series.collect();
    pretty(&json!({ "version": VERSION, "setting": setting_value(setting), "series": series }))
}

/// What another program finds in such a text.
pub fn read(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn setting_value(setting: &Setting) -> Value {
    let machine = &setting.machine;
    json!({
        "cpu": machine.cpu,
        "cpus": machine.cpus,
        "system": machine.system,
        "kernel": machine.kernel,
        "libc": machine.libc,
        "load_before": setting.load_before,
        "load_after": setting.load_after,
        "rounds": setting.rounds,
        "peer_rounds": setting.peer_rounds,
        "quick": setting.is_quick,
        "ways": setting.ways.iter().map(|way| way.name()).collect::<Vec<_>>(),
    })
}

fn line_value(line: &Line) -> Value {
    let cells = line.cells.iter().map(|(way, cell)| cell_value(line, *way, cell));
    let counted = if line.row.counts == Counts::Work { "against_native" } else { "added_a_pair" };
    let instructions = line.instructions.iter().map(|(way, found)| match found {
        Ok(found) => json!({ "way": way.name(), counted: found }),
        Err(why) => json!({ "way": way.name(), "nothing": why }),
    });
    json!({
        "row": line.row.name,
        "about": line.row.about,
        "cells": cells.collect::<Vec<_>>(),
        "instructions": instructions.collect::<Vec<_>>(),
        "report_s": line.report_s().map(spread_value),
    })
}

fn cell_value(line: &Line, way: Way, cell: &Cell) -> Value {
    let samples = match cell {
        Cell::Nothing(why) => return json!({ "way": way.name(), "nothing": why }),
        Cell::Measured(samples) => samples,
    };
    let runs = samples.iter().map(|sample| {
        json!({
            "round": sample.round,
            "units": sample.units,
            "cpu_s": sample.took.cpu_s,
            "wall_s": sample.took.wall_s,
            "rss_bytes": sample.took.rss_bytes,
            "output_bytes": sample.took.output_bytes,
        })
    });
    json!({
        "way": way.name(),
        "ratio": line.ratio(way).map(spread_value),
        "added_s_a_unit": line.added_s(way).map(spread_value),
        "added_wall_s_a_unit": line.added_wall_s(way).map(spread_value),
        "against_heaptrack": line.against_heaptrack(way),
        "rss_bytes": line.rss_bytes(way),
        "output_bytes": line.output_bytes(way),
        "runs": runs.collect::<Vec<_>>(),
    })
}

fn spread_value(spread: Spread) -> Value {
    json!({ "median": spread.median, "least": spread.least, "most": spread.most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{lines, setting};

    #[test]
    fn every_cell_is_there_with_its_figures_or_its_reason() {
        let value = read(&speed(&setting(), &lines())).unwrap();
        assert_eq!(value["version"], 1);
        assert_eq!(value["setting"]["ways"], json!(["native", "memtrace", "heaptrack"]));
        let python = &value["rows"][0];
        assert_eq!(python["cells"][1]["way"], "memtrace");
        assert_eq!(python["cells"][1]["ratio"]["median"], 1.35);
        assert_eq!(python["cells"][2]["runs"][0]["output_bytes"], 5);
        assert_eq!(value["rows"][1]["cells"][2], json!({ "way": "heaptrack", "nothing": "failed (status 7)" }));
        assert_eq!(value["targets"][0]["at_most_mark"], "met");
    }
}
