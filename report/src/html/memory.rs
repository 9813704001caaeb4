//! What a page shows of memory beside stacks: parts of the RSS, sizes and lives of blocks, threads and modules.

use serde::Serialize;

use super::number::number;
use super::texts::Texts;
use crate::profile::{Process, SizeClass, sizes};
use crate::views::memory::{self, Resident};
use crate::views::{self, By, Choice, Sort, base_name};

/// Threads and modules that are shown.
const ROWS_MAX: usize = 8;

/// All of it; times are in microseconds.
#[derive(Serialize)]
pub struct Memory {
    /// The highest RSS and when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    rss: Option<(u64, u64)>,
    /// What it consisted of: when most of it was there, and at the last look.
    looks: Vec<Look>,
    /// What the allocator makes of the live blocks, and what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rounding: Option<(u64, u64)>,
    /// Classes of sizes as largest size, blocks and bytes: of live blocks, and of all.
    live_sizes: Vec<[u64; 3]>,
    all_sizes: Vec<[u64; 3]>,
    /// The longest life in nanoseconds (0: more than can be counted), and the blocks.
    lives: Vec<(u64, u64)>,
    threads: Sums,
    modules: Sums,
}

#[derive(Serialize)]
struct Look {
    rss: u64,
    time: u64,
    parts: Vec<(u32, u64)>,
    absent: u64,
    /// Name, resident bytes, all bytes.
    largest: Vec<(u32, u64, u64)>,
}

/// Rows as name, bytes of all allocations, live bytes; and how many there are beside them.
#[derive(Serialize)]
struct Sums(Vec<(u32, u64, u64)>, u64);

/// What there is of a process.
pub fn build(process: &Process, texts: &mut Texts) -> Memory {
    let history = process.history.as_ref();
    let residents = history.map(memory::residents).unwrap_or_default();
    let rss = history.and_then(memory::highest_moment).map(|(rss, time_ns)| (number(rss), number(time_ns / 1000)));
    Memory {
        rss,
        looks: residents.iter().map(|resident| look(resident, texts)).collect(),
        rounding: memory::rounding(process).map(|(chunks, live)| (number(chunks), number(live))),
        live_sizes: process.live_sizes.as_deref().map(classes).unwrap_or_default(),
        all_sizes: classes(&sizes::of_sites(&process.sites)),
        lives: memory::lives(process)
            .into_iter()
            .map(|(ns, blocks)| (number(ns.unwrap_or(0)), number(blocks)))
            .collect(),
        threads: sums(process, By::Thread, texts),
        modules: sums(process, By::Module, texts),
    }
}

fn look(resident: &Resident, texts: &mut Texts) -> Look {
    let largest = resident.largest.iter().take(ROWS_MAX);
    Look {
        rss: number(resident.rss_bytes),
        time: number(resident.time_ns / 1000),
        parts: resident.parts.iter().map(|part| (texts.place(part.what), number(part.bytes))).collect(),
        absent: number(resident.absent_bytes),
        largest: largest
            .map(|one| (texts.place(&memory::name(one)), number(one.resident_bytes), number(one.bytes)))
            .collect(),
    }
}

fn classes(classes: &[SizeClass]) -> Vec<[u64; 3]> {
    classes.iter().map(|class| [class.up_to_bytes, class.blocks, class.bytes].map(number)).collect()
}

fn sums(process: &Process, by: By, texts: &mut Texts) -> Sums {
    let found = views::rows(process, &Choice { by, sort: Sort::Total, top: Some(ROWS_MAX), ..Choice::default() });
    let row = |row: &views::Row| {
        let name = if by == By::Module { base_name(&row.name) } else { &row.name };
        (texts.place(name), number(row.numbers.total_bytes), number(row.numbers.live_bytes))
    };
    Sums(found.rows.iter().map(row).collect(), found.rest_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample;

    #[test]
    fn a_process_that_nobody_watched_has_sizes_threads_and_modules() {
        let process = sample::process(|maker| {
            maker.site(&["plant"], 100, 8, 9);
            maker.site(&["water"], 1000, 0, 1).thread = Some(1);
        });
        let mut texts = Texts::default();
        let memory = build(&process, &mut texts);
        assert!(memory.rss.is_none() && memory.looks.is_empty() && memory.lives.is_empty());
        assert_eq!(memory.all_sizes, [[128, 9, 900], [1024, 1, 1000]]);
        assert_eq!(memory.threads.0.iter().map(|row| (row.1, row.2)).collect::<Vec<_>>(), [(1000, 0), (900, 800)]);
        assert_eq!((memory.modules.0.len(), memory.modules.1), (1, 0));
    }
}
