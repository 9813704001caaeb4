//! How the cost grows: with the depth of stacks, with sites, with live blocks, with threads.
//!
//! A point is the CPU time of a pair of malloc and free natively and with memtrace, and the peak RSS of both. Start-up
//! is in it, and spread over so many pairs that it does not show.

use crate::error::Error;
use crate::grid::{self, Grid};
use crate::kit::Kit;
use crate::machine;
use crate::run::Runner;
use crate::stats::spread;
use crate::table::{self, Setting};
use crate::way::{Tools, Way};

/// What a live block takes at most, natively and in memtrace's tables, list and rounding included.
const BLOCK_BYTES: u64 = 220;

/// One axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// What grows.
    pub name: &'static str,
    /// What is counted on it.
    pub unit: &'static str,
    /// Where it was measured, from left to right.
    pub points: Vec<Point>,
    /// Why it ends before its last point.
    pub stopped: Option<String>,
}

/// One measurement; medians of the rounds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// Where on the axis.
    pub at: u64,
    /// CPU time of a pair natively.
    pub native_ns: f64,
    /// CPU time of a pair with memtrace.
    pub memtrace_ns: f64,
    /// Peak RSS natively.
    pub native_rss_bytes: f64,
    /// Peak RSS with memtrace.
    pub memtrace_rss_bytes: f64,
}

/// An axis before it is measured: its points, with the words of the command and the pairs that it does.
struct Axis {
    name: &'static str,
    unit: &'static str,
    points: Vec<u64>,
    command: fn(u64, u64) -> (String, u64),
}

fn axes() -> [Axis; 4] {
    [
        Axis {
            name: "depth",
            unit: "frames",
            points: vec![1, 2, 5, 10, 20, 50, 100, 200],
            command: |depth, pairs| (format!("{{churn}} 1 {depth} {pairs}"), pairs),
        },
        Axis {
            name: "sites",
            unit: "sites",
            points: vec![10, 100, 1_000, 10_000, 100_000, 1_000_000],
            command: |sites, pairs| (format!("{{sites}} {sites} {pairs}"), pairs),
        },
        Axis {
            name: "live",
            unit: "live blocks",
            points: vec![1_000, 10_000, 100_000, 1_000_000, 10_000_000, 30_000_000, 100_000_000],
            command: |blocks, pairs| {
                let rounds = (pairs / blocks).max(1);
                (format!("{{live}} {blocks} {rounds}"), blocks * rounds)
            },
        },
        Axis {
            name: "threads",
            unit: "threads",
            points: vec![1, 2, 4, 8, 16, 32, 64],
            // Each thread does enough pairs that its first ones do not show.
            command: |threads, pairs| {
                let pairs = pairs * threads.max(16) / 16;
                (format!("{{churn}} {threads} 20 {pairs}"), pairs)
            },
        },
    ]
}

/// Pairs of a run.
const PAIRS: u64 = 3_000_000;

/// Measures all axes; `talk` hears what is being done.
pub fn measure(
    kit: &Kit<'_>,
    tools: &Tools,
    runner: &Runner<'_>,
    setting: &Setting,
    live_max: u64,
    talk: impl Fn(&str),
) -> Result<Vec<Series>, Error> {
    let pairs = if setting.is_quick { PAIRS / 10 } else { PAIRS };
    let mut all = Vec::new();
    for axis in axes() {
        let mut series = Series { name: axis.name, unit: axis.unit, points: Vec::new(), stopped: None };
        for &at in &axis.points {
            let stop = if axis.name == "live" { too_much(at, live_max, machine::available_bytes()) } else { None };
            if stop.is_some() {
                series.stopped = stop;
                break;
            }
            talk(&format!("{} {at}\n", axis.name));
            let (words, pairs) = (axis.command)(at, pairs);
            series.points.push(point(kit, tools, runner, setting.rounds, at, &words, pairs)?);
        }
        all.push(series);
    }
    Ok(all)
}

/// Why so many blocks are not tried.
fn too_much(blocks: u64, live_max: u64, available_bytes: u64) -> Option<String> {
    if blocks > live_max {
        return Some(format!("{blocks} is more than --max-live {live_max}"));
    }
    let (needed, half) = (blocks * BLOCK_BYTES, available_bytes / 2);
    let gb = |bytes: u64| bytes as f64 / 1e9;
    (needed > half)
        .then(|| format!("{blocks} would take {:.1} GB, half of what is available is {:.1} GB", gb(needed), gb(half)))
}

fn point(
    kit: &Kit<'_>,
    tools: &Tools,
    runner: &Runner<'_>,
    rounds: usize,
    at: u64,
    words: &str,
    pairs: u64,
) -> Result<Point, Error> {
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let words = kit.words(&words, pairs).map_err(Error::failed)?;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (way, took) in [Way::Native, Way::Bare].into_iter().zip(&mut took) {
            let start = tools.start(way, &words, &[]).map_err(Error::failed)?;
            let failed = |why| Error::failed(format!("`{}` {}: {why}", words.join(" "), way.name()));
            took.push(runner.run(&start, 1, &[]).map_err(failed)?);
        }
    }
    let ns = |way: usize| spread(took[way].iter().map(|took| took.cpu_s * 1e9 / pairs as f64));
    let rss = |way: usize| spread(took[way].iter().map(|took| took.rss_bytes as f64));
    let median = |spread: Option<crate::stats::Spread>| spread.map_or(0.0, |spread| spread.median);
    Ok(Point {
        at,
        native_ns: median(ns(0)),
        memtrace_ns: median(ns(1)),
        native_rss_bytes: median(rss(0)),
        memtrace_rss_bytes: median(rss(1)),
    })
}

impl Point {
    /// CPU time that memtrace adds to a pair.
    pub fn added_ns(&self) -> f64 {
        self.memtrace_ns - self.native_ns
    }

    /// Peak RSS that memtrace adds.
    pub fn added_rss_bytes(&self) -> f64 {
        self.memtrace_rss_bytes - self.native_rss_bytes
    }
}

/// The axes as text.
pub fn text(setting: &Setting, all: &[Series]) -> String {
    let mut text = table::heading(setting);
    for series in all {
        let head = [series.unit, "native ns a pair", "added ns", "native RSS, MB", "added RSS, MB"];
        let mut grid: Grid = vec![head.map(str::to_owned).to_vec()];
        for point in &series.points {
            let row = [
                point.at.to_string(),
                format!("{:.1}", point.native_ns),
                format!("{:.1}", point.added_ns()),
                format!("{:.1}", point.native_rss_bytes / 1e6),
                format!("{:.1}", point.added_rss_bytes() / 1e6),
            ];
            grid.push(row.to_vec());
        }
        text += &format!("\nCost against {}\n\n{}", series.name, grid::text(&grid));
        text.extend(series.stopped.iter().map(|why| format!("stopped: {why}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::setting;

    #[test]
    fn what_would_take_more_than_half_of_the_memory_is_not_tried() {
        assert_eq!(too_much(1_000, u64::MAX, 1_000 * BLOCK_BYTES * 2), None);
        assert!(too_much(1_001, u64::MAX, 1_000 * BLOCK_BYTES * 2).unwrap().contains("half"));
        assert!(too_much(1_001, 1_000, u64::MAX).unwrap().contains("--max-live 1000"));
    }

    #[test]
    fn the_text_has_every_point_and_says_where_it_stopped() {
        let point =
            Point { at: 10, native_ns: 20.0, memtrace_ns: 50.0, native_rss_bytes: 1e6, memtrace_rss_bytes: 3e6 };
        let series = Series { name: "live", unit: "live blocks", points: vec![point], stopped: Some("enough".into()) };
        let text = text(&setting(), &[series]);
        let words: Vec<&str> = text.lines().rev().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words, ["10", "20.0", "30.0", "1.0", "2.0"]);
        assert!(text.ends_with("stopped: enough\n"));
    }
}
