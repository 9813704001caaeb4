//! A running process, looked at again and again through its recording.
//!
//! ```text
//!   recording ─▶ tables now ─▶ stacks: sums, and what changed since the last look ─▶ the largest ─▶ names, each once
//! ```
//!
//! Nothing of the target is touched: the recording is a file, and statm(5) takes no lock.

use std::collections::HashMap;
use std::fs::File;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use memtrace_wire::layout::IN_POOLS;

use super::keys::{Order, View};
use crate::error::Error;
use crate::leaks::target;
use crate::names::Known;
use crate::profile::Process;
use crate::recording::{self, Source};
use crate::run::alive;
use crate::run::statm::Statm;
use crate::sys::Pid;

/// Stacks of which a filter or a tree takes its own; more would need names for all.
const CHOSEN_MAX: usize = 5_000;
/// Looks that a stack's curve goes back.
const LOOKS_MAX: usize = 24;

/// The process.
pub struct Watch {
    pid: u32,
    file: File,
    statm: Option<Statm>,
    known: Known,
    before: Option<Before>,
    /// Live bytes of the whole process, look by look.
    heap: Vec<i64>,
}

/// What the last look found of the same image.
struct Before {
    root: u64,
    moment: Instant,
    sums: HashMap<u32, Sum>,
    curves: HashMap<u32, Vec<i64>>,
}

/// Sums of a stack, or of all.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sum {
    /// Live bytes.
    pub live_bytes: u64,
    /// Live blocks.
    pub live_blocks: u64,
    /// Allocations.
    pub calls: u64,
    /// Bytes of all of them.
    pub total_bytes: u64,
    /// Freed by the same thread's next call.
    pub temporary: u64,
}

/// A stack.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Its place in the process's stacks.
    pub stack: u32,
    /// Now.
    pub sum: Sum,
    /// Bytes that it has grown by, in a second.
    pub growth: i64,
    /// Allocations in a second.
    pub rate: u64,
    /// Live bytes at the last looks.
    pub curve: Vec<i64>,
}

/// What one look found.
pub struct Look {
    /// With the stacks of the rows only, and their names.
    pub process: Process,
    /// In order.
    pub rows: Vec<Row>,
    /// How many stacks there are.
    pub stack_count: usize,
    /// Of the whole process.
    pub all: Sum,
    /// Bytes that it has grown by, in a second.
    pub growth: i64,
    /// Allocations in a second.
    pub rate: u64,
    /// Resident memory; `None`: it has ended, or cannot be seen.
    pub rss_bytes: Option<u64>,
    /// Live bytes at the last looks.
    pub curve: Vec<i64>,
    /// Nanoseconds since the recording began.
    pub time_ns: u64,
}

impl Watch {
    /// Finds the process's recording.
    pub fn of(pid: u32) -> Result<Watch, Error> {
        let file = target::recording(pid)?;
        Ok(Watch { pid, file, statm: Statm::open(pid).ok(), known: Known::new(), before: None, heap: Vec::new() })
    }

    /// Whether it is still there.
    pub fn is_alive(&self) -> bool {
        alive::exists(self.pid as Pid)
    }

    /// Looks.
    pub fn look(&mut self, view: &View) -> Result<Look, Error> {
        let what = format!("recording of process {}", self.pid);
        let failed = |cause| Error::System { what: "cannot open the recording", cause };
        let source = Rc::new(Source::new(self.file.try_clone().map_err(failed)?, &what)?);
        let newest = recording::Process::newest(&source, self.pid)?;
        let Some((root, recorded)) = newest else { return Err(source.error("the process is not in it")) };
        let moment = Instant::now();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sums = by_node(&recorded);
        let before = self.before.take().filter(|before| before.root == root);
        let seconds = before.as_ref().map_or(0.0, |before| (moment - before.moment).as_secs_f64());
        let change = Change { before: before.as_ref(), seconds };
        let mut nodes: Vec<(u32, Sum)> = sums.iter().map(|(&node, &sum)| (node, sum)).collect();
        let key = |&(node, sum): &(u32, Sum)| (std::cmp::Reverse(change.key(node, &sum, view.order)), node);
        nodes.sort_by_cached_key(key);
        let (stack_count, all) = (nodes.len(), total(&recorded));
        let wanted = if view.needs_all() { CHOSEN_MAX } else { view.rows_max };
        nodes.truncate(wanted);
        let chosen: Vec<u32> = nodes.iter().map(|(node, _)| *node).collect();
        let (process, numbers) = Process::chosen(&recorded, &chosen, &mut self.known);
        let curves = change.curves(&nodes);
        let row = |(&(node, sum), stack): (&(u32, Sum), u32)| Row {
            stack,
            sum,
            growth: change.growth(node, &sum),
            rate: change.rate(node, &sum),
            curve: curves.get(&node).cloned().unwrap_or_default(),
        };
        let mut rows: Vec<Row> = nodes.iter().zip(numbers).map(row).collect();
        view.filter(&process, &mut rows);
        self.heap.push(all.live_bytes.min(i64::MAX as u64) as i64);
        let first = self.heap.len().saturating_sub(LOOKS_MAX);
        self.heap.drain(..first);
        let whole_before = before.as_ref().map(|before| before.sums.values().fold(Sum::default(), Sum::and));
        let per_second = |change: i128| if seconds > 0.0 { (change as f64 / seconds) as i64 } else { 0 };
        let (growth, rate) = whole_before.map_or((0, 0), |old| {
            let growth = i128::from(all.live_bytes) - i128::from(old.live_bytes);
            (per_second(growth), per_second(i128::from(all.calls) - i128::from(old.calls)).max(0) as u64)
        });
        let time_ns = (since_1970.as_nanos() as u64).saturating_sub(recorded.header.start_ns.get());
        let rss_bytes = self.statm.as_ref().and_then(|statm| statm.read().ok()).map(|rss| rss.all);
        self.before = Some(Before { root, moment, sums, curves });
        Ok(Look {
            process,
            rows,
            stack_count,
            all,
            growth,
            rate,
            rss_bytes: rss_bytes.filter(|&bytes| bytes > 0),
            curve: self.heap.clone(),
            time_ns,
        })
    }
}

impl Sum {
    fn and(self, other: &Sum) -> Sum {
        Sum {
            live_bytes: self.live_bytes.saturating_add(other.live_bytes),
            live_blocks: self.live_blocks.saturating_add(other.live_blocks),
            calls: self.calls.saturating_add(other.calls),
            total_bytes: self.total_bytes.saturating_add(other.total_bytes),
            temporary: self.temporary.saturating_add(other.temporary),
        }
    }

    fn of(site: &memtrace_wire::layout::Site) -> Sum {
        // A free of another thread's may be counted before the block itself.
        let sound = |number: u64| if number > i64::MAX as u64 { 0 } else { number };
        Sum {
            live_bytes: sound(site.live_bytes.get().wrapping_sub(site.foreign_bytes.get())),
            live_blocks: sound(site.live_count().wrapping_sub(site.foreign_count.get())),
            calls: site.total_count.get(),
            total_bytes: site.total_bytes.get(),
            temporary: site.temporary_count.get(),
        }
    }
}

/// The sums of each stack, by its node. What pools gave lies in other blocks.
fn by_node(process: &recording::Process) -> HashMap<u32, Sum> {
    let mut sums: HashMap<u32, Sum> = HashMap::new();
    for site in in_use(process) {
        let sum = sums.entry(site.node.get()).or_default();
        *sum = sum.and(&Sum::of(site));
    }
    sums
}

fn total(process: &recording::Process) -> Sum {
    in_use(process).fold(Sum::default(), |sum, site| sum.and(&Sum::of(site)))
}

fn in_use(process: &recording::Process) -> impl Iterator<Item = &memtrace_wire::layout::Site> {
    let sites = process.sites.iter().skip(1);
    sites.filter(|site| site.total_count.get() > 0 && site.flags.get() & IN_POOLS == 0)
}

/// What became of the stacks since the last look.
struct Change<'b> {
    before: Option<&'b Before>,
    seconds: f64,
}

impl Change<'_> {
    fn old(&self, node: u32) -> Sum {
        self.before.and_then(|before| before.sums.get(&node)).copied().unwrap_or_default()
    }

    /// In a second; 0 at the first look.
    fn growth(&self, node: u32, now: &Sum) -> i64 {
        let change = i128::from(now.live_bytes) - i128::from(self.old(node).live_bytes);
        if self.seconds > 0.0 { (change as f64 / self.seconds) as i64 } else { 0 }
    }

    fn rate(&self, node: u32, now: &Sum) -> u64 {
        let calls = now.calls.saturating_sub(self.old(node).calls);
        if self.seconds > 0.0 { (calls as f64 / self.seconds) as u64 } else { 0 }
    }

    fn key(&self, node: u32, now: &Sum, order: Order) -> (i128, u64) {
        match order {
            Order::Live => (now.live_bytes.into(), now.live_blocks),
            Order::Growth => (self.growth(node, now).into(), now.live_bytes),
            Order::Rate => (self.rate(node, now).into(), now.calls),
            Order::Total => (now.total_bytes.into(), now.calls),
            Order::Count => (now.calls.into(), now.total_bytes),
            Order::Temporary => (now.temporary.into(), now.calls),
        }
    }

    /// One look more for the stacks that are shown.
    fn curves(&self, nodes: &[(u32, Sum)]) -> HashMap<u32, Vec<i64>> {
        let curve = |&(node, sum): &(u32, Sum)| {
            let old = self.before.and_then(|before| before.curves.get(&node)).map_or(&[][..], Vec::as_slice);
            let kept = &old[old.len().saturating_sub(LOOKS_MAX - 1)..];
            let now = sum.live_bytes.min(i64::MAX as u64) as i64;
            (node, kept.iter().copied().chain([now]).collect())
        };
        nodes.iter().map(curve).collect()
    }
}
