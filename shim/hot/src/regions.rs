//! Regions: a thread says that what it allocates from here on belongs to something that has a name; and markers, which
//! say that it came by a place.
//!
//! The names of the regions that are open stand on the stacks of a thread's allocations as frames of their own kind, the
//! innermost first. While any thread is in one, every allocation takes the careful way (`mode`); else none asks.

use memtrace_wire::layout::{MARKERS_MAX, REGION, REGIONS_MAX, frame};
use memtrace_wire::sys;

use crate::Hot;
use crate::source::text_word_parts;
use crate::thread::{Body, Inside};

/// Regions of a thread that are open at once; those inside the last are not told apart from it.
const OPEN_MAX: usize = 16;

/// Bytes of a name; the rest is cut off.
const NAME_BYTES_MAX: usize = 255;

/// The regions of one thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Regions {
    words: [u64; OPEN_MAX],
    /// Rows that say when they began, counted from 1; 0: none.
    rows: [u32; OPEN_MAX],
    depth: u32,
}

impl Regions {
    /// None.
    pub const NONE: Regions = Regions { words: [0; OPEN_MAX], rows: [0; OPEN_MAX], depth: 0 };

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.depth == 0
    }

    /// Frame words of those that are open, the outermost first.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().copied().take(self.depth as usize).filter(|&word| word != 0)
    }
}

fn cut(name: &[u8]) -> &[u8] {
    name.get(..NAME_BYTES_MAX).unwrap_or(name)
}

impl Hot {
    /// This thread is in a region of this name until `region_end`; regions nest.
    pub fn region_begin(&self, inside: Inside<'_>, name: &[u8]) {
        let word = self.text_word(frame::TAG, &[cut(name)], None);
        let slot = inside.body.slot;
        let regions = &mut inside.body.regions;
        let depth = regions.depth as usize;
        if let (Some(place), Some(row)) = (regions.words.get_mut(depth), regions.rows.get_mut(depth)) {
            (*place, *row) = (word, self.row(slot, word, REGION, REGIONS_MAX).unwrap_or(0));
        }
        regions.depth = regions.depth.saturating_add(1);
        if regions.depth == 1 {
            self.in_regions.fetch_add(1);
            self.choose_mode();
        }
    }

    /// Its innermost region ends, if there is one.
    pub fn region_end(&self, inside: Inside<'_>) {
        let regions = &mut inside.body.regions;
        if regions.depth == 1 {
            self.leave_regions();
        }
        regions.depth = regions.depth.saturating_sub(1);
        let row = regions.rows.get(regions.depth as usize).copied().unwrap_or(0);
        if let Some(region) = row.checked_sub(1).and_then(|row| self.markers.get(row.into())) {
            region.end_ns.set(sys::now_ns());
        }
        if let Some(row) = regions.rows.get_mut(regions.depth as usize) {
            *row = 0;
        }
    }

    /// A thread is in no region any more.
    pub(crate) fn leave_regions(&self) {
        self.in_regions.fetch_sub(1);
        self.choose_mode();
    }

    /// A thread came by a place of this name.
    pub fn mark_time(&self, body: &Body, name: &[u8]) {
        self.row(body.slot, self.text_word(frame::TAG, &[cut(name)], None), 1, u64::MAX);
    }

    /// A row that says when something began, of which there may be so many with all others; its number, counted from 1.
    fn row(&self, slot: u32, word: u64, ready: u32, rows_max: u64) -> Option<u32> {
        let process = self.store.process().filter(|process| process.marker_count.get() < rows_max)?;
        let number = process.marker_count.fetch_add(1);
        let marker = self.markers.make(&self.store, number).filter(|_| number < MARKERS_MAX)?;
        let [at, bytes] = text_word_parts(word);
        marker.name.at.set(at);
        marker.name.bytes.set(bytes);
        marker.time_ns.set(sys::now_ns());
        marker.thread.set(slot);
        marker.ready.publish(ready);
        Some(number as u32 + 1)
    }
}
