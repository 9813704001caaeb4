//! The results as text: one table for each measure, and what was asked against what was found.

use crate::grid::{self, Grid};
use crate::lines::{Line, Sample};
use crate::machine::Machine;
use crate::rows::{Counts, Unit};
use crate::stats::Spread;
use crate::targets;
use crate::way::Way;

/// How a run of the benchmark was done.
#[derive(Clone, Debug)]
pub struct Setting {
    /// On which machine.
    pub machine: Machine,
    /// Its load average before the first round.
    pub load_before: String,
    /// Its load average after the last.
    pub load_after: String,
    /// How many rounds.
    pub rounds: usize,
    /// In how many of them peers were run.
    pub peer_rounds: usize,
    /// Whether the work was a tenth.
    pub is_quick: bool,
    /// The ways, native first.
    pub ways: Vec<Way>,
}

/// Everything, for a terminal.
pub fn text(setting: &Setting, lines: &[Line]) -> String {
    let parts = [
        (
            "CPU time against native: median (least–most) of the rounds; slow peers run in one round",
            ratios(setting, lines),
        ),
        ("Added CPU time a pair or a start, and how long the report at the end takes", added(setting, lines)),
        ("Added CPU time as a part of heaptrack's", against_heaptrack(setting, lines)),
        ("Peak RSS of the largest process, MB", megabytes(setting, lines, Line::rss_bytes)),
        ("Output files, MB", megabytes(setting, lines, Line::output_bytes)),
        (
            "Added instructions a pair (callgrind)",
            instructions(lines, Counts::Pair, [Way::Bare, Way::Heaptrack], |added| format!("{added:.0}")),
        ),
        (
            "Instructions of a tenth of the work, × native (callgrind)",
            instructions(lines, Counts::Work, [Way::Bare, Way::Sampled], |ratio| format!("{ratio:.3}")),
        ),
        ("Asked and found", asked(lines)),
    ];
    let mut text = heading(setting);
    for (title, grid) in parts.iter().filter(|part| part.1.len() > 1) {
        text += &format!("\n{title}\n\n{}", grid::text(grid));
    }
    text + "\nThe rows:\n"
        + &lines.iter().map(|line| format!("  {}: {}\n", line.row.name, line.row.about)).collect::<String>()
}

/// What must stand with any figure.
pub fn heading(setting: &Setting) -> String {
    let rounds = if setting.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", setting.rounds) };
    let has_peers = setting.ways.iter().any(|way| way.is_peer()) && setting.peer_rounds < setting.rounds;
    let peers = if has_peers { format!(" ({} of them with peers)", setting.peer_rounds) } else { String::new() };
    let quick = if setting.is_quick { ", a tenth of the work" } else { "" };
    let Setting { load_before, load_after, .. } = setting;
    format!(
        "{}\n{rounds}{peers}{quick}; load average before {load_before}, after {load_after}\n",
        setting.machine.text()
    )
}

fn others(setting: &Setting) -> impl Iterator<Item = Way> {
    setting.ways.iter().copied().filter(|way| ![Way::Native, Way::Report].contains(way))
}

fn head(ways: impl Iterator<Item = Way>) -> Vec<String> {
    ["row".to_owned()].into_iter().chain(ways.map(|way| way.name().to_owned())).collect()
}

fn ratios(setting: &Setting, lines: &[Line]) -> Grid {
    let mut grid = vec![head(others(setting))];
    grid[0].insert(1, "native s".to_owned());
    for line in lines {
        let native =
            line.cpu_s(Way::Native).map_or(line.nothing(Way::Native).to_owned(), |cpu| format!("{:.3}", cpu.median));
        let cells = others(setting).map(|way| match line.ratio(way) {
            Some(ratio) => within(ratio),
            None => line.nothing(way).to_owned(),
        });
        grid.push([line.row.name.clone(), native].into_iter().chain(cells).collect());
    }
    grid
}

/// `1.35 (1.33–1.40)`, with fewer decimals where they say nothing.
pub fn within(ratio: Spread) -> String {
    let decimals = if ratio.median < 10.0 { 2 } else { 1 };
    format!("{:.decimals$} ({:.decimals$}–{:.decimals$})", ratio.median, ratio.least, ratio.most)
}

fn added(setting: &Setting, lines: &[Line]) -> Grid {
    let mut grid = vec![head(others(setting))];
    grid[0].insert(1, "native".to_owned());
    let mut push = |line: &Line, name: String, native: Option<String>, cell: &dyn Fn(Way) -> Option<String>| {
        let cells = others(setting).map(|way| cell(way).unwrap_or_else(|| line.nothing(way).to_owned()));
        grid.push([name, native.unwrap_or_default()].into_iter().chain(cells).collect());
    };
    for line in lines {
        let (name, first) = (line.row.name.clone(), line.samples(Way::Native).first());
        let ns = |seconds: f64| format!("{:.1} ns", seconds * 1e9);
        let ms = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
        let added = |way| line.added_s(way).map(|added| added.median);
        let cpu = first.map(Sample::cpu_each);
        match line.row.unit {
            Unit::Whole => {}
            Unit::Pairs => push(line, name, cpu.map(ns), &|way| added(way).map(ns)),
            Unit::Starts => {
                push(line, name.clone(), cpu.map(ms), &|way| added(way).map(ms));
                let native = first.map(|first| ms(first.took.wall_s / first.units));
                let waited = |way| line.added_wall_s(way).map(|added| ms(added.median));
                push(line, format!("{name}, from start to end"), native, &waited);
            }
        }
    }
    for line in lines {
        let Some(report) = line.report_s() else { continue };
        let mut cells = vec![String::new(); grid[0].len()];
        cells[0] = format!("{}, at the end", line.row.name);
        if let Some(place) = grid[0].iter().position(|name| name == Way::Bare.name()) {
            cells[place] = format!("{:.2} s", report.median);
        }
        grid.push(cells);
    }
    grid
}

fn against_heaptrack(setting: &Setting, lines: &[Line]) -> Grid {
    let ours = |setting| others(setting).filter(|way| !way.is_peer());
    let mut grid = vec![head(ours(setting))];
    for line in lines.iter().filter(|line| !line.samples(Way::Heaptrack).is_empty()) {
        let cell = |way| line.against_heaptrack(way).map_or(String::new(), |part| format!("{part:.3}"));
        grid.push([line.row.name.clone()].into_iter().chain(ours(setting).map(cell)).collect());
    }
    grid
}

fn megabytes(setting: &Setting, lines: &[Line], bytes: fn(&Line, Way) -> Option<f64>) -> Grid {
    let mut grid = vec![head(setting.ways.iter().copied())];
    for line in lines {
        let cell = |&way: &Way| bytes(line, way).map_or(String::new(), |bytes| format!("{:.1}", bytes / 1e6));
        grid.push([line.row.name.clone()].into_iter().chain(setting.ways.iter().map(cell)).collect());
    }
    grid
}

fn instructions(lines: &[Line], of: Counts, ways: [Way; 2], figure: impl Fn(f64) -> String) -> Grid {
    let mut grid = vec![head(ways.into_iter())];
    for line in lines.iter().filter(|line| line.row.counts == of && !line.instructions.is_empty()) {
        let cell = |way| match line.counted(way) {
            Some(Ok(found)) => figure(*found),
            Some(Err(why)) => why.clone(),
            None => String::new(),
        };
        grid.push([line.row.name.clone()].into_iter().chain(ways.map(cell)).collect());
    }
    grid
}

fn asked(lines: &[Line]) -> Grid {
    let mut grid = vec![["row", "measure", "found", "at most", "", "aim", ""].map(str::to_owned).to_vec()];
    for verdict in targets::verdicts(lines).into_iter().filter(|verdict| verdict.found.is_some()) {
        let found = verdict.found.map_or("–".to_owned(), figure);
        let (at_most, aim) = (verdict.mark(verdict.at_most), verdict.mark(verdict.aim));
        grid.push(vec![
            verdict.row,
            verdict.measure.to_owned(),
            found,
            figure(verdict.at_most),
            at_most.to_owned(),
            figure(verdict.aim),
            aim.to_owned(),
        ]);
    }
    grid
}

/// Three digits or so.
fn figure(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.5.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::lines::Cell;
    use crate::lines::tests::line;

    /// A made-up run of three ways.
    pub fn setting() -> Setting {
        Setting {
            machine: Machine {
                cpu: "<a> & b".to_owned(),
                cpus: 2,
                system: "Debian".to_owned(),
                kernel: "6.1".to_owned(),
                libc: "glibc 2.36".to_owned(),
            },
            load_before: "0.10 0.20 0.30".to_owned(),
            load_after: "0.40 0.50 0.60".to_owned(),
            rounds: 1,
            peer_rounds: 1,
            is_quick: true,
            ways: vec![Way::Native, Way::Bare, Way::Heaptrack],
        }
    }

    /// Two rows, with a peer that ran on one and failed on the other.
    pub fn lines() -> [Line; 2] {
        let mut jq = line("jq", &[(Way::Native, &[1.0]), (Way::Bare, &[1.1])]);
        jq.cells.push((Way::Heaptrack, Cell::Nothing("failed (status 7)".to_owned())));
        [line("python", &[(Way::Native, &[1.0]), (Way::Bare, &[1.35]), (Way::Heaptrack, &[5.0])]), jq]
    }

    #[test]
    fn the_first_table_has_a_cell_for_every_row_and_way() {
        let expected = [
            "row     native s          memtrace          heaptrack",
            "─────────────────────────────────────────────────────",
            "python     1.000  1.35 (1.35–1.35)   5.00 (5.00–5.00)",
            "jq         1.000  1.10 (1.10–1.10)  failed (status 7)",
        ];
        let text = text(&setting(), &lines());
        assert!(text.contains(&expected.join("\n")), "{text}");
        assert!(text.starts_with("Debian, glibc 2.36, Linux 6.1, <a> & b, 2 CPUs\n1 round, a tenth of the work; "));
    }

    #[test]
    fn it_is_said_if_peers_were_run_in_some_rounds_only() {
        let of = |rounds, peer_rounds, ways| heading(&Setting { rounds, peer_rounds, ways, ..setting() });
        let (with, without) = (setting().ways, vec![Way::Native, Way::Bare]);
        assert!(of(9, 3, with.clone()).contains("\n9 rounds (3 of them with peers), a tenth"));
        assert!(of(3, 3, with).contains("\n3 rounds, a tenth"));
        assert!(of(9, 3, without).contains("\n9 rounds, a tenth"));
    }

    #[test]
    fn what_was_asked_stands_beside_what_was_found() {
        let text = text(&setting(), &lines());
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
        assert!(line("python  CPU, × native").is_empty(), "columns after the first stand right");
        let asked = text.split("Asked and found").nth(1).unwrap();
        let python = asked.lines().find(|line| line.starts_with("python") && line.contains("CPU, × native")).unwrap();
        let words: Vec<&str> = python.split_whitespace().skip(4).collect();
        assert_eq!(words, ["1.35", "1.35", "met", "1.20", "missed"]);
    }
}
