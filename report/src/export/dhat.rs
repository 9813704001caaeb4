//! What valgrind's DHAT writes, version 2: dh_view.html shows it.
//!
//! DHAT knows how long blocks lived, in instructions; here the unit is a microsecond, and the mean life comes from the
//! curves of a run that was watched. Without them every life is 0, which the mode says.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde::Serialize;

use super::calls::{Call, Calls, command};
use super::rows::{by_stack, sites};
use crate::json;
use crate::profile::Process;
use crate::profile::leaks::Sum;
use crate::views;

/// A block that lives no longer is short-lived.
const SHORT_US: u64 = 500;

#[derive(Serialize)]
struct File {
    #[serde(rename = "dhatFileVersion")]
    version: u32,
    mode: &'static str,
    verb: &'static str,
    bklt: bool,
    bkacc: bool,
    tu: &'static str,
    #[serde(rename = "Mtu")]
    mtu: &'static str,
    tuth: u64,
    cmd: String,
    pid: u32,
    te: u64,
    tg: u64,
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// One stack.
#[derive(Serialize)]
struct Point {
    tb: u64,
    tbk: u64,
    tl: u64,
    mb: u64,
    mbk: u64,
    gb: u64,
    gbk: u64,
    eb: u64,
    ebk: u64,
    fs: Vec<usize>,
}

/// Writes one process.
pub fn write(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    let calls = Calls::of(process);
    let mut table = vec!["[root]".to_owned()];
    let mut numbers: HashMap<u32, usize> = HashMap::new();
    let mut number = |frame: u32| {
        let call = calls.get(frame)?;
        Some(*numbers.entry(frame).or_insert_with(|| {
            table.push(line(process, call));
            table.len() - 1
        }))
    };
    let (highs, lives) = (highs(process), lives(process));
    let mut points = Vec::new();
    for (stack, row) in by_stack(process) {
        // What is certain is the highest of what is known.
        let mut high = highs.get(&stack).copied().unwrap_or_default();
        for other in [row.peak, row.live] {
            high = if other.bytes > high.bytes { other } else { high };
        }
        points.push(Point {
            tb: row.total.bytes,
            tbk: row.total.blocks,
            tl: lives.get(&stack).copied().unwrap_or(0),
            mb: high.bytes,
            mbk: high.blocks,
            gb: row.peak.bytes,
            gbk: row.peak.blocks,
            eb: row.live.bytes,
            ebk: row.live.blocks,
            fs: calls.stack(stack).into_iter().filter_map(&mut number).collect(),
        });
    }
    // The viewer builds its tree from the first.
    if points.is_empty() {
        points.push(Point { tb: 0, tbk: 0, tl: 0, mb: 0, mbk: 0, gb: 0, gbk: 0, eb: 0, ebk: 0, fs: Vec::new() });
    }
    let (end, peak) = times(process);
    let file = File {
        version: 2,
        mode: if lives.is_empty() { "heap, without lifetimes" } else { "heap" },
        verb: "Allocated",
        bklt: true,
        bkacc: false,
        tu: "us",
        mtu: "s",
        tuth: SHORT_US,
        cmd: command(process),
        pid: process.pid,
        te: end,
        tg: peak,
        pps: points,
        ftbl: table,
    };
    json::write(&file, to)
}

/// `0x401136: f (file.c:3)`, as valgrind writes frames.
pub fn line(process: &Process, call: &Call<'_>) -> String {
    let module = call.module.and_then(|module| process.modules.get(module as usize));
    let place = match (&call.file, module) {
        (Some(file), _) => format!(" ({}:{})", views::base_name(file), call.line),
        (None, Some(module)) => format!(" (in {})", crate::text::Safe(&module.path)),
        (None, None) => String::new(),
    };
    format!("0x{:X}: {}{place}", call.address, call.name)
}

/// The highest that each stack is known to have stood: that of one of its sites.
fn highs(process: &Process) -> BTreeMap<u32, Sum> {
    let mut highs: BTreeMap<u32, Sum> = BTreeMap::new();
    for site in sites(process) {
        let high = highs.entry(site.stack).or_default();
        if site.peak_bytes > high.bytes {
            *high = Sum { blocks: site.peak_blocks, bytes: site.peak_bytes };
        }
    }
    highs
}

/// Microseconds that the blocks of each stack lived, all together.
fn lives(process: &Process) -> BTreeMap<u32, u64> {
    let mut lives: BTreeMap<u32, u64> = BTreeMap::new();
    for curve in process.history.iter().flat_map(|history| &history.curves) {
        let (Some(life), Some(site)) = (curve.mean_life_ns, process.sites.get(curve.site as usize)) else { continue };
        let sum = lives.entry(site.stack).or_default();
        *sum = sum.saturating_add((life / 1000).saturating_mul(site.total_blocks));
    }
    lives
}

/// When the process ended, and when it stood highest, in microseconds, as far as somebody watched.
fn times(process: &Process) -> (u64, u64) {
    let Some(history) = &process.history else { return (1, 1) };
    let moments = history.time_ns.iter().zip(&history.live_bytes);
    let peak = moments.max_by_key(|(_, bytes)| **bytes).map_or(0, |(time, _)| time / 1000);
    (history.time_ns.last().map_or(1, |time| time / 1000).max(1), peak)
}
