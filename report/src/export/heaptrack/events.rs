//! Blocks that come and go so that heaptrack's sums are the profile's: calls, temporary ones, peak, leaked, for each trace.
//!
//! A profile has sums, heaptrack wants a story. So this one is told: first what neither the peak nor the end has, each
//! block for itself; then the peak is built up; then what the end does not have goes, and what it has beyond the peak comes.
//!
//! ```text
//!   at the peak:    kept + peak only          calls: kept + peak only + late + other
//!   at the end:     kept + late
//! ```
//!
//! Of the temporary blocks that were live at the peak one can be told as such, because it has to go before any other moves.
//!
//! heaptrack takes a block for temporary that goes right after it came. The first size is of no bytes and stands for no
//! block: that it goes costs nothing, and what goes next is not temporary.

use std::io::{self, Write};

use super::super::rows::Row;
use crate::profile::Process;
use crate::profile::leaks::Sum;

/// Allocations that are written one by one: some GiB of text.
const EVENTS_MAX: u64 = 1 << 30;
/// Says that something happened in between.
const PAUSE: &str = "- 0";

/// The blocks of one trace.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Story {
    kept: Sum,
    peak_only: Sum,
    late: Sum,
    other: Sum,
}

/// Writes the events of all traces.
pub fn write(process: &Process, traces: &[(usize, Row<'_>)], to: &mut dyn Write) -> io::Result<()> {
    let all = traces.iter().map(|(_, row)| row.total.blocks).fold(0, u64::saturating_add);
    if all > EVENTS_MAX {
        let found =
            format!("{all} allocations, and heaptrack's format has a line for each: expected up to {EVENTS_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, found));
    }
    let mut sizes = Sizes { to, count: 0 };
    sizes.add(0, traces.first().map_or(0, |trace| trace.0))?;
    let stories: Vec<(usize, Story, u64)> =
        traces.iter().map(|(trace, row)| (*trace, story(row), row.temporary_blocks)).collect();
    for (trace, story, temporary) in &stories {
        let mut temporary = *temporary;
        for (size, count) in pieces(story.other) {
            let number = sizes.add(size, *trace)?;
            let short = temporary.min(count);
            temporary -= short;
            sizes.repeat(&format!("+ {number:x}\n- {number:x}\n"), short)?;
            sizes.repeat(&format!("+ {number:x}\n{PAUSE}\n- {number:x}\n"), count - short)?;
        }
    }
    let (peak, end) = times(process);
    writeln!(sizes.to, "c {peak:x}")?;
    for (trace, story, _) in &stories {
        sizes.come(story.kept, *trace)?;
    }
    let mut to_go = Vec::new();
    for (trace, story, _) in &stories {
        to_go.extend(sizes.come(story.peak_only, *trace)?);
    }
    // The last one that came may be a temporary block, if there is one that was not told yet.
    let is_temporary = stories.iter().rfind(|(_, story, _)| story.peak_only.blocks > 0);
    let is_temporary = is_temporary.is_some_and(|(_, story, temporary)| *temporary > story.other.blocks);
    if !is_temporary && stories.iter().any(|(_, story, _)| story.kept.blocks + story.peak_only.blocks > 0) {
        writeln!(sizes.to, "{PAUSE}")?;
    }
    for (number, count) in to_go.into_iter().rev() {
        sizes.repeat(&format!("- {number:x}\n"), count)?;
    }
    for (trace, story, _) in &stories {
        sizes.come(story.late, *trace)?;
    }
    writeln!(sizes.to, "c {end:x}")?;
    let rss = process.history.iter().flat_map(|history| &history.rss_bytes).max().copied().unwrap_or(0);
    if rss > 0 {
        writeln!(sizes.to, "R {:x}", rss / 0x1000)?;
    }
    Ok(())
}

/// Milliseconds at the peak and at the end, as far as somebody watched.
fn times(process: &Process) -> (u64, u64) {
    let Some(history) = &process.history else { return (0, 0) };
    let moments = history.time_ns.iter().zip(&history.live_bytes);
    let peak = moments.max_by_key(|(_, bytes)| **bytes).map_or(0, |(time, _)| time / 1_000_000);
    (peak, history.time_ns.last().map_or(0, |time| time / 1_000_000))
}

/// Sizes of blocks, each with its trace.
struct Sizes<'w> {
    to: &'w mut dyn Write,
    count: u64,
}

impl Sizes<'_> {
    fn add(&mut self, size: u64, trace: usize) -> io::Result<u64> {
        writeln!(self.to, "a {size:x} {trace:x}")?;
        self.count += 1;
        Ok(self.count - 1)
    }

    fn repeat(&mut self, lines: &str, count: u64) -> io::Result<()> {
        (0..count).try_for_each(|_| self.to.write_all(lines.as_bytes()))
    }

    /// Blocks that come to stay for now: their sizes and how many.
    fn come(&mut self, sum: Sum, trace: usize) -> io::Result<Vec<(u64, u64)>> {
        let mut came = Vec::new();
        for (size, count) in pieces(sum) {
            let number = self.add(size, trace)?;
            self.repeat(&format!("+ {number:x}\n"), count)?;
            came.push((number, count));
        }
        Ok(came)
    }
}

/// Sizes that sum up: so many blocks of one size, and so many that are a byte larger.
fn pieces(sum: Sum) -> Vec<(u64, u64)> {
    let Some(size) = sum.bytes.checked_div(sum.blocks) else { return Vec::new() };
    let larger = sum.bytes % sum.blocks;
    [(size, sum.blocks - larger), (size.saturating_add(1), larger)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// A story that has the row's sums.
fn story(row: &Row<'_>) -> Story {
    let within = |sum: Sum| Sum { blocks: sum.blocks.min(row.total.blocks), bytes: sum.bytes.min(row.total.bytes) };
    let (total, peak, live) = (row.total, within(row.peak), within(row.live));
    let least = (peak.blocks + live.blocks).saturating_sub(total.blocks);
    let most = peak.blocks.min(live.blocks);
    let least_bytes = peak.bytes.saturating_add(live.bytes).saturating_sub(total.bytes);
    let most_bytes = peak.bytes.min(live.bytes);
    // Any number of kept blocks between the two leaves blocks for every part; at the ends a part may have none.
    let candidates =
        [least, least + 1, most.saturating_sub(1), most].into_iter().filter(|kept| (least..=most).contains(kept));
    let stories = candidates.flat_map(|blocks| {
        [least_bytes, most_bytes].map(|bytes| {
            let kept = Sum { blocks, bytes };
            let without = |sum: Sum| Sum { blocks: sum.blocks - blocks, bytes: sum.bytes.saturating_sub(bytes) };
            let (peak_only, late) = (without(peak), without(live));
            let other = Sum {
                blocks: total.blocks - peak_only.blocks - live.blocks,
                bytes: total.bytes.saturating_sub(peak_only.bytes.saturating_add(live.bytes)),
            };
            Story { kept, peak_only, late, other }
        })
    });
    let stories: Vec<Story> = stories.collect();
    let is_sound = |story: &&Story| {
        let parts = [story.kept, story.peak_only, story.late, story.other];
        parts.iter().all(|part| part.blocks > 0 || part.bytes == 0)
    };
    stories.iter().find(is_sound).or(stories.first()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum((blocks, bytes): (u64, u64)) -> Sum {
        Sum { blocks, bytes }
    }

    fn told(total: (u64, u64), peak: (u64, u64), live: (u64, u64)) -> Story {
        let row = Row {
            stack: 0,
            thread: None,
            op: "malloc",
            kind: None,
            live: sum(live),
            peak: sum(peak),
            total: sum(total),
            temporary_blocks: 0,
        };
        story(&row)
    }

    #[test]
    fn a_story_has_the_sums_of_the_row() {
        for (total, peak, live) in [
            ((1, 10), (1, 10), (1, 10)),
            ((1, 10), (1, 10), (0, 0)),
            ((2, 30), (1, 10), (1, 20)),
            ((2, 30), (1, 20), (1, 10)),
            ((5, 50), (3, 20), (3, 25)),
            ((3, 0), (2, 0), (1, 0)),
            ((4, 100), (3, 99), (2, 1)),
            ((10, 100), (5, 50), (5, 50)),
            ((2, 30), (2, 30), (1, 10)),
            ((7, 7), (0, 0), (0, 0)),
        ] {
            let story = told(total, peak, live);
            let add = |one: Sum, other: Sum| (one.blocks + other.blocks, one.bytes + other.bytes);
            assert_eq!(add(story.kept, story.peak_only), peak, "{total:?} {story:?}");
            assert_eq!(add(story.kept, story.late), live, "{total:?} {story:?}");
            let (blocks, bytes) = add(story.peak_only, story.other);
            assert_eq!(add(sum((blocks, bytes)), sum(live)), total, "{story:?}");
            for part in [story.kept, story.peak_only, story.late, story.other] {
                assert_eq!(pieces(part).iter().map(|(size, count)| size * count).sum::<u64>(), part.bytes);
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_true_are_told_as_far_as_they_can_be() {
        let story = told((1, 10), (5, 500), (9, 90));
        assert_eq!((story.kept, story.other), (sum((1, 10)), sum((0, 0))));
    }
}
