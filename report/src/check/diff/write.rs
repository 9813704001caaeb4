//! A table of differences as text, as JSON, and as Markdown.

use std::io::{self, Write};

use serde::Serialize;

use super::{Measure, Row, Table};
use crate::formats::markdown::{cell, escaped};
use crate::json;
use crate::profile::leaks::Sum;
use crate::text::{Safe, Style, bytes_in, count, thousands};

/// Rows of Markdown: more than anybody reads.
const MARKDOWN_ROWS_MAX: usize = 200;

/// What is compared, in words.
fn measure(by: Measure) -> &'static str {
    match by {
        Measure::Leaked => "leaked",
        Measure::Live => "live at the end",
        Measure::Peak => "live at the peak of each process",
        Measure::Total => "allocated",
    }
}

/// `+1,234`, `-5`, `0`.
fn signed(number: i128) -> String {
    let digits = thousands(u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX));
    match number {
        1.. => format!("+{digits}"),
        0 => digits,
        _ => format!("-{digits}"),
    }
}

fn noun(number: i128, noun: &str) -> String {
    let ending = if number.unsigned_abs() == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", signed(number))
}

fn change(sums: &[Sum; 2]) -> (i128, i128) {
    let [before, after] = sums;
    (i128::from(after.bytes) - i128::from(before.bytes), i128::from(after.blocks) - i128::from(before.blocks))
}

fn is(sum: &Sum) -> String {
    bytes_in(sum.bytes, sum.blocks, "block")
}

/// For people.
pub fn text(table: &Table, top: usize, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = style.strong();
    let [before, after] = table.files.each_ref().map(|file| Safe(file).to_string());
    writeln!(to, "memtrace: {before}, then {after}: {}\n", measure(table.by))?;
    let shown = table.rows.iter().take(top);
    let cells: Vec<(String, String, &Row)> =
        shown.map(|row| (noun(row.bytes(), "byte"), noun(row.blocks(), "block"), row)).collect();
    let width = |column: fn(&(String, String, &Row)) -> usize| cells.iter().map(column).max().unwrap_or(0);
    // Nouns end in one line.
    let (wide, narrow) = (width(|cell| cell.0.len()), width(|cell| cell.1.trim_end_matches('s').len()));
    for (bytes, blocks, row) in &cells {
        let (before, after) = (narrow - blocks.trim_end_matches('s').len(), usize::from(!blocks.ends_with('s')));
        let blocks = format!("{:before$}{blocks}{:after$}", "", "");
        let site = Safe(&row.site);
        writeln!(to, "  {on}{bytes:>wide$}{off}   {blocks}  {site}     {}, then {}", is(&row.before), is(&row.after))?;
    }
    if !cells.is_empty() {
        writeln!(to)?;
    }
    if let Some(more) = table.rows.len().checked_sub(top).filter(|&more| more > 0) {
        writeln!(to, "{} not shown", count(more as u64, "more place"))?;
    }
    writeln!(to, "unchanged: {}", count(table.unchanged, "place"))?;
    table.notes.iter().try_for_each(|note| writeln!(to, "note: {}", Safe(note)))?;
    let (bytes, blocks) = change(&table.sums);
    let [before, after] = table.sums;
    // Without separators, for programs that read it.
    writeln!(
        to,
        "DIFF SUMMARY: {}: {bytes:+} bytes, {blocks:+} blocks ({} bytes in {} blocks, then {} bytes in {} blocks)",
        measure(table.by),
        before.bytes,
        before.blocks,
        after.bytes,
        after.blocks
    )
}

/// For a comment or the summary of a job.
pub fn markdown(table: &Table, to: &mut dyn Write) -> io::Result<()> {
    let (bytes, _) = change(&table.sums);
    writeln!(to, "## memtrace: {}, {}\n", measure(table.by), noun(bytes, "byte"))?;
    let [before, after] = table.files.each_ref().map(|file| cell(file));
    writeln!(to, "| bytes | blocks | place | {before} | {after} |\n|--:|--:|---|--:|--:|")?;
    let is = |sum: &Sum| format!("{} in {}", thousands(sum.bytes), thousands(sum.blocks));
    for row in table.rows.iter().take(MARKDOWN_ROWS_MAX) {
        let (bytes, blocks) = (signed(row.bytes()), signed(row.blocks()));
        writeln!(to, "| {bytes} | {blocks} | {} | {} | {} |", cell(&row.site), is(&row.before), is(&row.after))?;
    }
    writeln!(to)?;
    if let Some(more) = table.rows.len().checked_sub(MARKDOWN_ROWS_MAX).filter(|&more| more > 0) {
        writeln!(to, "{} not shown\n", count(more as u64, "more place"))?;
    }
    writeln!(to, "unchanged: {}", count(table.unchanged, "place"))?;
    table.notes.iter().try_for_each(|note| writeln!(to, "\n- {}", escaped(note)))
}

#[derive(Serialize)]
struct Whole<'t> {
    format: &'static str,
    version: u32,
    by: &'static str,
    before: Side<'t>,
    after: Side<'t>,
    rows: Vec<JsonRow<'t>>,
    unchanged: u64,
    notes: &'t [String],
}

#[derive(Serialize)]
struct Side<'t> {
    file: &'t str,
    bytes: u64,
    blocks: u64,
}

#[derive(Serialize)]
struct JsonRow<'t> {
    fingerprint: &'t str,
    site: &'t str,
    trail: &'t [String],
    bytes_change: i128,
    blocks_change: i128,
    before_bytes: u64,
    before_blocks: u64,
    after_bytes: u64,
    after_blocks: u64,
}

/// For programs.
pub fn json(table: &Table, to: &mut dyn Write) -> io::Result<()> {
    let side = |place: usize| {
        let (file, sum) = (table.files.get(place), table.sums.get(place).copied().unwrap_or_default());
        Side { file: file.map_or("", String::as_str), bytes: sum.bytes, blocks: sum.blocks }
    };
    let rows = table.rows.iter().map(of).collect();
    let (before, after) = (side(0), side(1));
    let by = table.by.word();
    let whole = Whole {
        format: "memtrace-diff",
        version: 1,
        by,
        before,
        after,
        rows,
        unchanged: table.unchanged,
        notes: &table.notes,
    };
    json::write(&whole, to)
}

fn of(row: &Row) -> JsonRow<'_> {
    JsonRow {
        fingerprint: &row.fingerprint,
        site: &row.site,
        trail: &row.trail,
        bytes_change: row.bytes(),
        blocks_change: row.blocks(),
        before_bytes: row.before.bytes,
        before_blocks: row.before.blocks,
        after_bytes: row.after.bytes,
        after_blocks: row.after.blocks,
    }
}
