//! What a person wants to see of a process first: time, memory, sizes, threads and modules, as curves and bars.
//!
//! ```text
//!   history ─▶ heap, RSS, allocations over time · where the RSS is
//!   sites ──▶ sizes, temporary allocations · by thread · by module
//! ```

use std::io::{self, Write};

use super::Request;
use super::curve::{bar, columns, place, sparkline};
use super::escape::Safe;
use super::number::{bytes, bytes_in, count, duration, percent, scaled, short, thousands};
use super::style::Style;
use crate::profile::history::History;
use crate::profile::parts::Mapping;
use crate::profile::{POOL, Process, SizeClass, sizes};
use crate::views::memory::{self, Resident};
use crate::views::over_time::{self, StackCurve, highest, rates};
use crate::views::{self, By, Choice, Sort};

/// What stands before a curve.
const LABEL_COLUMNS: usize = 12;
/// What may stand behind it.
const TAIL_COLUMNS: usize = 26;
/// Markers that have a place on the axis: a letter each.
const MARKERS_MAX: usize = 26;
/// Threads and modules that are shown.
const ROWS_MAX: usize = 5;
/// A mapping is named that has so large a part of the resident memory.
const MAPPING_PART: u64 = 50;
/// Columns of a bar.
const BAR_COLUMNS: usize = 20;
/// Columns of a row's curve.
const ROW_COLUMNS: usize = 32;

/// All of it.
pub fn print(process: &Process, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let style = request.style;
    match &process.history {
        Some(history) => {
            time(process, history, style, to)?;
            memory(process, history, style, to)?;
            lives(process, style, to)?;
        }
        None => writeln!(to, "\ntime: nobody looked at this process while it ran (`memtrace run` does)")?,
    }
    temporary(process, to)?;
    size_classes(process, style, to)?;
    sums(process, By::Thread, style, to)?;
    sums(process, By::Module, style, to)
}

fn time(process: &Process, history: &History, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let Some(&end) = history.time_ns.last() else { return Ok(()) };
    let looks = count(history.time_ns.len() as u64, "moment");
    writeln!(to, "\ntime: {}, {looks}, a step of {}", duration(end), duration(history.step_ns))?;
    let width = style.columns.saturating_sub(LABEL_COLUMNS + TAIL_COLUMNS).max(8);
    let mut line = |label: &str, values: &[i64], tail: &str| {
        let curve = sparkline(&columns(&history.time_ns, values, width), style);
        writeln!(to, "  {label:<10}{curve} {tail}")
    };
    let moment = |place: usize| duration(history.time_ns.get(place).copied().unwrap_or(0));
    let tail = |values: &[i64]| match highest(values) {
        Some((place, value)) => format!("{} at {}", short(value), moment(place)),
        None => "not known".into(),
    };
    line("heap", &history.live_bytes, &tail(&history.live_bytes))?;
    line("RSS", &history.rss_bytes, &tail(&history.rss_bytes))?;
    let rates = rates(history, &history.allocations);
    let most = highest(&rates).map_or(0, |(_, rate)| rate);
    line("calls", &rates, &format!("{} a second at most", thousands(most)))?;
    let first = history.time_ns.first().copied().unwrap_or(0);
    let mut axis = vec![' '; width];
    let markers = || (b'a'..=b'z').map(char::from).zip(&process.markers).take(MARKERS_MAX);
    for (letter, marker) in markers() {
        axis[place(marker.time_ns.min(end), first, end, width)] = letter;
    }
    if !process.markers.is_empty() {
        writeln!(to, "  {:<10}{}", "markers", axis.into_iter().collect::<String>().trim_end())?;
        for (letter, marker) in markers() {
            writeln!(to, "    {letter}  {} after {}", Safe(&marker.name), duration(marker.time_ns))?;
        }
    }
    regions(process, (first, end), width, to)?;
    let peak = scaled(process.summary.peak_bytes);
    match highest(&history.live_bytes) {
        Some((place, value)) if value > 0 => {
            writeln!(
                to,
                "  peak {peak}; of the moments that were looked at, {} after {}",
                bytes(value),
                moment(place)
            )?;
        }
        _ => writeln!(to, "  peak {peak}, when nobody looked")?,
    }
    let seconds = end as f64 / 1e9;
    let rate = if seconds > 0.0 { process.summary.allocations as f64 / seconds } else { 0.0 };
    writeln!(to, "  {} a second on average", count(rate as u64, "allocation"))
}

/// When the program was in each of its regions, in any thread.
fn regions(process: &Process, (first, end): (u64, u64), width: usize, to: &mut dyn Write) -> io::Result<()> {
    let regions = over_time::regions(process, 0, end);
    for (name, spans) in regions.iter().take(ROWS_MAX) {
        let mut axis = vec![' '; width];
        for &(from, to) in spans {
            let [from, to] = [from, to].map(|time| place(time.min(end), first, end, width));
            axis.iter_mut().take(to + 1).skip(from).for_each(|letter| *letter = '-');
        }
        writeln!(to, "  {:<10}{}  {}", "in region", axis.into_iter().collect::<String>(), Safe(name))?;
    }
    match regions.len().saturating_sub(ROWS_MAX) {
        0 => Ok(()),
        more => writeln!(to, "  and {}", count(more as u64, "more region")),
    }
}

/// Where the resident memory is, at the moment when there was most of it, and at the last look.
fn memory(process: &Process, history: &History, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let Some((rss, time_ns)) = memory::highest_moment(history) else {
        return writeln!(to, "RSS: the process was over before anybody looked");
    };
    let residents = memory::residents(history);
    let [highest, rest @ ..] = residents.as_slice() else { return Ok(()) };
    let after = duration(time_ns);
    if (highest.rss_bytes, highest.time_ns) == (rss, time_ns) {
        writeln!(to, "RSS: {} at most, after {after}; then it was", scaled(rss))?;
    } else {
        let (looked, when) = (short(highest.rss_bytes), duration(highest.time_ns));
        writeln!(to, "RSS: {} at most, after {after}; mappings were looked at after {when}, {looked}:", scaled(rss))?;
    }
    resident(highest, style, to)?;
    for last in rest {
        let parts: Vec<String> = last.parts.iter().map(|part| format!("{} {}", short(part.bytes), part.what)).collect();
        let (looked, when) = (short(last.rss_bytes), duration(last.time_ns));
        writeln!(to, "  at the last look, after {when}, {looked}: {}", parts.join("; "))?;
    }
    match memory::rounding(process) {
        Some((chunks, live)) => {
            let more = percent(chunks.saturating_sub(live), live);
            writeln!(to, "  the C library rounds what lives at the end up to {} (+{more})", short(chunks))
        }
        None => Ok(()),
    }
}

fn resident(found: &Resident, style: Style, to: &mut dyn Write) -> io::Result<()> {
    for part in &found.parts {
        let bar = bar(part.bytes, found.rss_bytes, BAR_COLUMNS, style);
        writeln!(to, "  {bar} {:>10}  {}", short(part.bytes), part.what)?;
    }
    let is_large = |mapping: &&Mapping| mapping.resident_bytes >= found.rss_bytes / MAPPING_PART;
    for mapping in found.largest.iter().filter(is_large).take(ROWS_MAX) {
        let (bytes, all) = (short(mapping.resident_bytes), short(mapping.bytes));
        writeln!(to, "    mapped: {bytes} of {all}, {}", Safe(&memory::name(mapping)))?;
    }
    if found.absent_bytes > 0 {
        let absent = short(found.absent_bytes);
        writeln!(to, "  {absent} of what was asked for were never touched, swapped out, or lie elsewhere")?;
    }
    Ok(())
}

/// How long blocks live: allocations by the mean life of their site, in decades.
fn lives(process: &Process, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let classes = memory::lives(process);
    if classes.is_empty() {
        return Ok(());
    }
    writeln!(to, "lives of blocks, each counted with the mean of its site, where moments found enough alive, up to:")?;
    let most = classes.iter().map(|class| class.1).max().unwrap_or(0);
    for (up_to, blocks) in classes {
        let up_to = up_to.map_or("more".into(), duration);
        writeln!(to, "  {up_to:>10} {} {}", bar(blocks, most, BAR_COLUMNS, style), count(blocks, "block"))?;
    }
    Ok(())
}

fn temporary(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    let sites = process.sites.iter().filter(|site| site.op != POOL);
    let temporary = sites.map(|site| site.temporary_blocks).fold(0, u64::saturating_add);
    let all = process.summary.allocations;
    let share = percent(temporary, all);
    writeln!(
        to,
        "temporary: {} of {} ({share}) given back by the same thread's next call",
        thousands(temporary),
        count(all, "allocation")
    )
}

fn size_classes(process: &Process, style: Style, to: &mut dyn Write) -> io::Result<()> {
    if let Some(live) = process.live_sizes.as_ref().filter(|live| !live.is_empty()) {
        writeln!(to, "sizes of the blocks that live at the end, each up to:")?;
        classes(live, style, to)?;
    }
    let all = sizes::of_sites(&process.sites);
    if !all.is_empty() {
        writeln!(to, "sizes of all allocations, each counted with the mean size of its site, up to:")?;
        classes(&all, style, to)?;
    }
    Ok(())
}

fn classes(classes: &[SizeClass], style: Style, to: &mut dyn Write) -> io::Result<()> {
    let most = classes.iter().map(|class| class.blocks).max().unwrap_or(0);
    for class in classes {
        let up_to = if class.up_to_bytes == u64::MAX { "more".into() } else { short(class.up_to_bytes) };
        let bar = bar(class.blocks, most, BAR_COLUMNS, style);
        writeln!(to, "  {up_to:>10} {bar} {}", bytes_in(class.bytes, class.blocks, "block"))?;
    }
    Ok(())
}

/// The sums of the largest rows.
fn sums(process: &Process, by: By, style: Style, to: &mut dyn Write) -> io::Result<()> {
    let rows = views::rows(process, &Choice { by, sort: Sort::Total, top: Some(ROWS_MAX), ..Choice::default() });
    if rows.rows.len() < 2 {
        return Ok(());
    }
    writeln!(to, "by {}: bytes of all allocations, and what lives at the end", by.word())?;
    let most = rows.rows.first().map_or(0, |row| row.numbers.total_bytes);
    for row in &rows.rows {
        let numbers = &row.numbers;
        let (total, live) = (short(numbers.total_bytes), short(numbers.live_bytes));
        let bar = bar(numbers.total_bytes, most, BAR_COLUMNS, style);
        let name = if by == By::Module { views::base_name(&row.name) } else { &row.name };
        writeln!(to, "  {bar} {total:>10} {live:>10}  {}", Safe(name))?;
    }
    match rows.rest_count {
        0 => Ok(()),
        more => writeln!(to, "  and {}", count(more, &format!("more {}", by.word()))),
    }
}

/// The line of a row's curve.
pub fn row(process: &Process, curve: &StackCurve, style: Style) -> String {
    let times = process.history.as_ref().map_or(&[][..], |history| &history.time_ns);
    let line = sparkline(&columns(times, &curve.live_bytes, ROW_COLUMNS), style);
    let life = curve.mean_life_ns.map(|ns| format!(", a block lives for {} on average", duration(ns)));
    format!("    {line} {}{}", curve.shape.word(), life.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::history::Curve;
    use crate::profile::parts::Parts;
    use crate::profile::{Marker, Region, sample};

    const MS: u64 = 1_000_000;

    fn watched() -> Process {
        let mut process = sample::process(|maker| {
            maker.site(&["leak", "main"], 100, 8, 8).peak_bytes = 800;
            let churn = maker.site(&["churn", "main"], 1000, 0, 100);
            (churn.temporary_blocks, churn.peak_bytes, churn.thread) = (50, 1000, Some(1));
        });
        let time_ns: Vec<u64> = (0..9).map(|at| at * 100 * MS).collect();
        let live: Vec<i64> = (0..9).map(|at| at * 100).collect();
        process.history = Some(History {
            step_ns: 100 * MS,
            live_bytes: live.clone(),
            live_blocks: (0..9).collect(),
            allocations: vec![0, 8, 8, 58, 58, 108, 108, 108, 108],
            allocated_bytes: live.clone(),
            rss_bytes: vec![-1, 8192, 8192, 8192, 9000, 8192, 8192, 8192, -1],
            anonymous_bytes: vec![-1, 2000, 2000, 2000, 2400, 2000, 2000, 2000, -1],
            file_bytes: vec![-1, 6000, 6000, 6000, 6500, 6000, 6000, 6000, -1],
            own_bytes: vec![-1, 192, 192, 192, 100, 192, 192, 192, -1],
            curves: vec![Curve { site: 0, live_bytes: live, shape: "grows".into(), mean_life_ns: Some(5 * MS) }],
            parts: Vec::new(),
            time_ns,
        });
        process.live_sizes = Some(vec![SizeClass { up_to_bytes: 128, blocks: 8, bytes: 800, chunk_bytes: 896 }]);
        process.allocator = "/lib/libc.so.6".into();
        process.regions.push(Region {
            name: "warm\x1b".into(),
            begin_ns: 200 * MS,
            end_ns: Some(390 * MS),
            thread: None,
        });
        process.markers.push(Marker { name: "half\x1b".into(), time_ns: 400 * MS, thread: None });
        process
    }

    fn text(process: &Process) -> String {
        let style = Style { columns: 58, ..Style::default() };
        let mut text = Vec::new();
        print(process, &Request { style, ..Request::default() }, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_was_seen_is_told_and_drawn() {
        let expected = "
time: 800.0 ms, 9 moments, a step of 100.0 ms
  heap      __..---::===++***### 800 B at 800.0 ms
";
        let found = text(&watched());
        assert_eq!(found.lines().take(3).collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>(), "{found}");
        for line in [
            "  markers            a",
            "  in region     ------            warm\\u{1b}",
            "    a  half\\u{1b} after 400.0 ms",
            "RSS: 9,000 bytes (8.8 KiB) at most, after 400.0 ms; then it was",
            "  #                         400 B  the heap, as it was asked for",
            "  ####                    2.0 KiB  more without a file: rounding, what the allocator keeps, stacks, data, mappings",
            "  the C library rounds what lives at the end up to 896 B (+12.0 %)",
            "temporary: 50 of 108 allocations (46.2 %) given back by the same thread's next call",
            "     10.0 ms #################### 8 blocks",
            "       128 B #################### 800 bytes in 8 blocks",
            "     1.0 KiB #################### 100,000 bytes in 100 blocks",
            "by thread: bytes of all allocations, and what lives at the end",
        ] {
            assert!(found.lines().any(|found| found == line), "{line:?} is not in\n{found}");
        }
        assert!(found.is_ascii());
    }

    #[test]
    fn looks_at_mappings_tell_where_the_rest_of_the_memory_is() {
        let mut process = watched();
        let mapping = |resident_bytes, path: Option<&str>| Mapping {
            start: 0x7000,
            bytes: 8192,
            resident_bytes,
            path: path.map(str::to_owned),
        };
        let look = Parts {
            time_ns: 300 * MS,
            rss_bytes: 8192,
            live_bytes: 300,
            heap_bytes: 1024,
            mapped_bytes: 4096,
            file_bytes: 3072,
            largest: vec![mapping(4096, None), mapping(3000, Some("/b/\x1b")), mapping(72, Some("/small"))],
            ..Parts::default()
        };
        let last = Parts { time_ns: 700 * MS, rss_bytes: 5120, mapped_bytes: 4096, file_bytes: 0, ..look.clone() };
        process.history.as_mut().unwrap().parts = vec![look, last];
        let found = text(&process);
        for line in [
            "RSS: 9,000 bytes (8.8 KiB) at most, after 400.0 ms; mappings were looked at after 300.0 ms, 8.0 KiB:",
            "  ##                        724 B  more of the allocator: rounding, and what it keeps",
            "  ##########              4.0 KiB  mappings without a file, made beside the allocator",
            "    mapped: 4.0 KiB of 8.0 KiB, no file, at 0x7000",
            "    mapped: 2.9 KiB of 8.0 KiB, /b/\\u{1b}",
            "  at the last look, after 700.0 ms, 5.0 KiB: 300 B the heap, as it was asked for; 724 B more of the allocator: \
             rounding, and what it keeps; 4.0 KiB mappings without a file, made beside the allocator",
        ] {
            assert!(found.lines().any(|found| found == line), "{line:?} is not in\n{found}");
        }
        assert!(!found.contains("/small") && found.is_ascii());
    }

    #[test]
    fn where_nobody_looked_or_nobody_looked_in_time_that_is_said() {
        let mut process = watched();
        process.history = Some(History { time_ns: vec![0], rss_bytes: vec![-1], ..History::default() });
        assert!(text(&process).contains("RSS: the process was over before anybody looked\n"));
        process.history = None;
        assert!(text(&process).contains("time: nobody looked at this process while it ran"));
    }
}
