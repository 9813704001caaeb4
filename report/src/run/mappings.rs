//! Where the resident memory of a process is: now and then its mappings are looked at, from outside.
//!
//! The kernel keeps a process from changing its mappings while it tells them, which takes milliseconds for a gigabyte. So a look is
//! made only when there is other memory than at the last one, or long after it, and its price is kept small.

use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use memtrace_wire::layout::{PAGE_BYTES, ProcessHeader, module_flags};
use memtrace_wire::live::Spacing;

use super::smaps::{self, Pagemap};
use super::split::{self, Known};
use crate::profile::parts::Parts;
use crate::recording::Source;
use crate::recording::pulse::{Pulse, Trace};
use crate::sys;

/// Of all time, one part in so many is taken by these looks.
const SHARE: u32 = 200;
/// The resident memory has changed if it did by one part in so many.
const CHANGE: u64 = 16;
/// Where it has not, the next look comes after so many samples.
const SAMPLES: u32 = 64;
/// A thread's stack where nothing limits stacks (pthread_create(3)).
const STACK_BYTES: u64 = 2 << 20;

/// When mappings may be looked at, of any process.
pub struct Budget {
    rest: Instant,
    /// What they took since somebody asked.
    taken: Duration,
}

/// What is known of the last look at one process.
#[derive(Default)]
pub struct Last {
    rss_bytes: u64,
    samples: u32,
}

impl Budget {
    /// Nothing was taken yet.
    pub fn new(now: Instant) -> Budget {
        Budget { rest: now, taken: Duration::ZERO }
    }

    /// What looks took since this was asked last: samples are not to wait for it.
    pub fn taken(&mut self) -> Duration {
        std::mem::take(&mut self.taken)
    }

    /// A look, if one is due: of a process that has so much memory and so many live bytes at a time.
    pub fn look(
        &mut self,
        last: &mut Last,
        source: &Source,
        (header, pulse): (&ProcessHeader, &mut Pulse),
        now: Parts,
    ) -> Option<Parts> {
        last.samples = last.samples.saturating_add(1);
        let is_other = now.rss_bytes.abs_diff(last.rss_bytes) > last.rss_bytes / CHANGE;
        // Samples of blocks do not say where all blocks are.
        let is_due = (is_other || last.samples >= SAMPLES) && header.sample_bytes.get() == 0;
        if !is_due || Instant::now() < self.rest {
            return None;
        }
        let before = sys::thread_time();
        *last = Last { rss_bytes: now.rss_bytes, samples: 0 };
        let parts = parts(source, header, pulse);
        let taken = sys::thread_time().saturating_sub(before);
        self.taken += taken;
        self.rest = Instant::now() + taken * (SHARE - 1);
        let parts = parts.filter(|parts| parts.rss_bytes > 0)?;
        Some(Parts { time_ns: now.time_ns, live_bytes: now.live_bytes, ..parts })
    }
}

fn parts(source: &Source, header: &ProcessHeader, pulse: &mut Pulse) -> Option<Parts> {
    let pid = header.pid.get();
    let known = known(source, header, pulse)?;
    // The blocks first: what is mapped meanwhile is new, and what is given back is not there to be counted.
    let smaps = smaps::read(pid).ok()?;
    let pagemap = Pagemap::open(pid).ok();
    Some(split::split(&smaps, &known, &|range| pagemap.as_ref()?.resident_bytes(range)))
}

fn known(source: &Source, header: &ProcessHeader, pulse: &mut Pulse) -> Option<Known> {
    let mut known = Known { stack_bytes_max: stack_bytes(header.pid.get()), ..Known::default() };
    let mut heap = split::Ranges::default();
    let mut look = |range: Range<u64>, trace| {
        if trace == Trace::Once(Spacing::Apart) {
            known.arenas.extend(split::arena(&range));
        }
        heap.add(
            range.start / PAGE_BYTES * PAGE_BYTES..range.end.checked_next_multiple_of(PAGE_BYTES).unwrap_or(u64::MAX),
        );
    };
    pulse.heap(source, header, &mut look).ok()?;
    known.heap = heap.united();
    for module in pulse.modules(source, header).ok()?.iter().filter(|module| module.node_end.get() == 0) {
        let is_own = module.flags.get() & module_flags::SHIM != 0;
        let list = if is_own { &mut known.own } else { &mut known.modules };
        list.push(module.start.get()..module.end.get());
    }
    Some(known)
}

/// How long the stacks of threads are that do not say it themselves: the soft limit (proc(5), limits).
fn stack_bytes(pid: u32) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max stack size"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(STACK_BYTES)
}
