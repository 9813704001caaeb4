//! What one look is drawn as: lines for a terminal of some size, or for a pipe.
//!
//! Invariant: no line holds anything that steers a terminal: names go through `Safe`, and lines are cut at the width.

use super::keys::{Order, View};
use super::watch::{Look, Row};
use crate::profile::Process;
use crate::site;
use crate::text::{Safe, Style, duration, line_of, percent, short, sparkline, thousands};
use crate::views::tree::{self, Direction};
use crate::views::{Choice, Numbers, Sort, base_name};

/// Lines before the rows.
pub const HEAD_LINES: usize = 4;
/// Columns of a row's curve.
const CURVE_COLUMNS: usize = 10;

const HELP: &[&str] = &[
    "q  quit                       space  pause, and go on",
    "l  sort by live bytes         g  by growth          r  by allocations in a second",
    "t  by bytes of all            c  by allocations     m  by temporary allocations",
    "v  tree of calls, or rows     /  filter: a name, or a pattern with * and ?",
    "arrows, j k, page keys  scroll     escape  no filter     h  this help",
];

/// The whole screen, from the top.
pub fn lines(look: &Look, view: &View, style: Style, height: usize) -> Vec<String> {
    let mut lines = head(look, view, style);
    let room = height.saturating_sub(lines.len() + 1);
    if view.is_help {
        lines.extend(HELP.iter().map(|line| (*line).to_owned()));
    } else if view.is_tree {
        lines.extend(branches(look, view).into_iter().skip(view.first).take(room));
    } else {
        let columns = style.columns;
        lines.push(titles(view, columns));
        let rows = look.rows.iter().skip(view.first).take(room);
        lines.extend(rows.map(|row| line(look, row, view, columns, style)));
    }
    lines.truncate(height);
    lines.into_iter().map(|line| cut(&line, style.columns)).collect()
}

/// What is told of one look where there is no terminal.
pub fn plain(look: &Look, view: &View, style: Style) -> Vec<String> {
    let mut lines = vec![numbers(look)];
    if view.is_tree {
        lines.extend(branches(look, view).into_iter().take(view.rows_max));
    } else {
        // Lines in a pipe have no edge.
        let columns = usize::MAX;
        lines.push(titles(view, columns));
        lines.extend(look.rows.iter().take(view.rows_max).map(|row| line(look, row, view, columns, style)));
    }
    lines
}

fn head(look: &Look, view: &View, style: Style) -> Vec<String> {
    let process = &look.process;
    let state = if view.is_paused { "paused, " } else { "" };
    let title = format!(
        "memtrace top: {} (pid {}), {state}{}",
        Safe(base_name(&process.exe)),
        process.pid,
        if process.summary.sample_bytes > 0 { "numbers are estimates of samples" } else { "h: help, q: quit" },
    );
    let curve: Vec<Option<u64>> = look.curve.iter().map(|&bytes| u64::try_from(bytes).ok()).collect();
    let filter = match (&view.typing, &view.filter) {
        (Some(typed), _) => format!("filter: {}_", Safe(typed)),
        (None, Some(filter)) => format!("filter: {}, {} stacks match", Safe(filter), look.rows.len()),
        (None, None) => format!("{} stacks", thousands(look.stack_count as u64)),
    };
    vec![
        title,
        numbers(look),
        format!("{} by {}, {filter}", sparkline(&curve, style), view.order.word()),
        String::new(),
    ]
}

fn numbers(look: &Look) -> String {
    let rss = look.rss_bytes.map_or("not known".into(), short);
    format!(
        "{}: heap {} in {} blocks, {}/s; RSS {rss}; {} allocations, {}/s",
        duration(look.time_ns),
        short(look.all.live_bytes),
        thousands(look.all.live_blocks),
        signed(look.growth),
        thousands(look.all.calls),
        thousands(look.rate),
    )
}

/// One column of numbers.
struct Cell {
    title: &'static str,
    /// What it is sorted by.
    order: Option<Order>,
    width: usize,
    /// It is shown on screens that have so many columns, or if it is sorted by.
    columns_min: usize,
    text: fn(&Row) -> String,
}

const CELLS: &[Cell] = &[
    Cell { title: "live", order: Some(Order::Live), width: 10, columns_min: 0, text: |row| short(row.sum.live_bytes) },
    Cell { title: "blocks", order: None, width: 9, columns_min: 90, text: |row| thousands(row.sum.live_blocks) },
    Cell { title: "growth/s", order: Some(Order::Growth), width: 11, columns_min: 70, text: |row| signed(row.growth) },
    Cell { title: "calls/s", order: Some(Order::Rate), width: 9, columns_min: 80, text: |row| thousands(row.rate) },
    Cell {
        title: "total",
        order: Some(Order::Total),
        width: 10,
        columns_min: 115,
        text: |row| short(row.sum.total_bytes),
    },
    Cell {
        title: "calls",
        order: Some(Order::Count),
        width: 11,
        columns_min: 125,
        text: |row| thousands(row.sum.calls),
    },
    Cell {
        title: "temp",
        order: Some(Order::Temporary),
        width: 7,
        columns_min: 135,
        text: |row| percent(row.sum.temporary, row.sum.calls),
    },
];

/// The columns that there is room for, beside names.
fn cells(view: &View, columns: usize) -> impl Iterator<Item = &'static Cell> {
    let order = view.order;
    CELLS.iter().filter(move |cell| columns >= cell.columns_min || cell.order == Some(order))
}

fn titles(view: &View, columns: usize) -> String {
    let mut line = String::new();
    for cell in cells(view, columns) {
        let is_order = cell.order == Some(view.order);
        let title = if is_order { format!("[{}]", cell.title) } else { cell.title.to_owned() };
        line.push_str(&format!("{title:>0$} ", cell.width));
    }
    format!("{line}{:<CURVE_COLUMNS$} site", "")
}

fn line(look: &Look, row: &Row, view: &View, columns: usize, style: Style) -> String {
    let mut line = String::new();
    for cell in cells(view, columns) {
        line.push_str(&format!("{:>1$} ", (cell.text)(row), cell.width));
    }
    let curve: Vec<Option<u64>> = row.curve.iter().map(|&bytes| u64::try_from(bytes).ok()).collect();
    let curve = curve.get(curve.len().saturating_sub(CURVE_COLUMNS)..).unwrap_or_default();
    let curve = sparkline(curve, style);
    format!("{line}{curve:<CURVE_COLUMNS$} {}", name(&look.process, row.stack))
}

/// The frame that names the site.
fn name(process: &Process, stack: u32) -> String {
    let own = site::frame(process, stack);
    let innermost = || {
        let first = process.stacks.get(stack as usize)?.first()?;
        process.frames.get(*first as usize)
    };
    own.or_else(innermost).map_or_else(|| "(no stack)".into(), |frame| line_of(process, frame))
}

fn branches(look: &Look, view: &View) -> Vec<String> {
    let sort = match view.order {
        Order::Live | Order::Growth => Sort::Live,
        Order::Rate | Order::Count => Sort::Count,
        Order::Total => Sort::Total,
        Order::Temporary => Sort::Temporary,
    };
    let top = Some(view.first + view.rows_max);
    let choice = Choice { sort, top, filter: view.pattern(), ..Choice::default() };
    let branches = tree::branches(&look.process, Direction::TopDown, &choice);
    let line = |branch: tree::Branch| {
        let Numbers { live_bytes, live_blocks, total_blocks, .. } = branch.numbers;
        let (live, blocks, calls) = (short(live_bytes), thousands(live_blocks), thousands(total_blocks));
        let indent = branch.depth.min(40) * 2;
        let start = if branch.is_branching { "- " } else { "" };
        format!("{live:>10} {blocks:>9} {calls:>11} {start:>indent$}{}", Safe(&branch.name))
    };
    branches.into_iter().map(line).collect()
}

/// `+1.2 MiB`, `-12 B`.
fn signed(change: i64) -> String {
    let sign = if change < 0 { '-' } else { '+' };
    if change == 0 { "0".into() } else { format!("{sign}{}", short(change.unsigned_abs())) }
}

fn cut(line: &str, columns: usize) -> String {
    line.chars().take(columns).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::watch::Sum;
    use super::*;
    use crate::profile::sample;

    fn look(name: &str) -> Look {
        let process = sample::process(|maker| {
            maker.site(&[name, "main"], 1000, 8, 20);
        });
        let sum = Sum { live_bytes: 8000, live_blocks: 8, calls: 20, total_bytes: 20_000, temporary: 5 };
        let row = Row { stack: 0, sum, growth: -2048, rate: 7, curve: vec![0, 4000, 8000] };
        Look {
            process,
            rows: vec![row],
            stack_count: 1,
            all: sum,
            growth: 0,
            rate: 7,
            rss_bytes: None,
            curve: vec![8000],
            time_ns: 1_500_000_000,
        }
    }

    fn view() -> View {
        View {
            order: Order::Growth,
            filter: None,
            is_tree: false,
            rows_max: 5,
            first: 0,
            typing: None,
            is_paused: false,
            is_help: false,
        }
    }

    #[test]
    fn a_look_is_told_in_lines() {
        let lines = plain(&look("load"), &view(), Style::default());
        assert_eq!(
            lines,
            [
                "1.5 s: heap 7.8 KiB in 8 blocks, 0/s; RSS not known; 20 allocations, 7/s",
                "      live    blocks  [growth/s]   calls/s      total       calls    temp            site",
                "   7.8 KiB         8    -2.0 KiB         7   19.5 KiB          20  25.0 % _=#        load (load.c:7)",
            ]
        );
        let tree = plain(&look("load"), &View { is_tree: true, ..view() }, Style::default());
        assert_eq!(tree[1..], ["   7.8 KiB         8          20 main", "   7.8 KiB         8          20 load"]);
    }

    #[test]
    fn a_narrow_screen_has_room_for_names_and_shows_what_it_is_sorted_by() {
        let shown = |columns, order| titles(&View { order, ..view() }, columns);
        assert_eq!(shown(40, Order::Live).split_whitespace().collect::<Vec<_>>(), ["[live]", "site"]);
        assert!(shown(40, Order::Temporary).contains("[temp]") && shown(200, Order::Live).contains("temp"));
        assert!((40..200).all(|columns| shown(columns, Order::Count).find(" site").unwrap() + 15 < columns.max(60)));
    }

    #[test]
    fn a_screen_is_no_larger_than_the_terminal_and_nothing_steers_it() {
        let hostile = look("a\x1b[2J\u{202e}b\nc");
        for (columns, height) in [(40, 3), (80, 5), (200, 50)] {
            for view in [view(), View { is_tree: true, ..view() }, View { is_help: true, ..view() }] {
                let style = Style { columns, ..Style::default() };
                let lines = lines(&hostile, &view, style, height);
                assert!(lines.len() <= height);
                let is_sound = |line: &String| line.chars().count() <= columns && line.chars().all(|c| !c.is_control());
                assert!(lines.iter().all(is_sound), "{lines:?}");
            }
        }
        let typed = View { typing: Some("\x1b[2J".into()), ..view() };
        assert!(lines(&hostile, &typed, Style::default(), 9)[2].contains("filter: \\u{1b}[2J_"));
    }
}
