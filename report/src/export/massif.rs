//! What valgrind's Massif writes: ms_print draws it.
//!
//! A run that was watched has a snapshot for each sample. Of any other the peak and the end are known: there the axis counts
//! bytes that were allocated and given back, and the peak stands where it would be at the earliest.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::calls::{Calls, command};
use super::dhat;
use super::rows::{Metric, weights};
use crate::profile::Process;

/// Frames with a smaller part of the whole stand together in one line, as Massif does it: per cent.
const THRESHOLD: u64 = 1;

/// A tree of a snapshot.
#[derive(Default)]
struct Node {
    bytes: u64,
    /// By frame.
    children: BTreeMap<u32, Node>,
}

/// Writes one process.
pub fn write(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    let calls = Calls::of(process);
    let (unit, snapshots) = snapshots(process);
    writeln!(to, "desc: written by memtrace {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(to, "cmd: {}\ntime_unit: {unit}", line(&command(process)))?;
    for (number, snapshot) in snapshots.iter().enumerate() {
        let tree = snapshot.metric.map(|metric| tree(process, &calls, metric));
        let bytes = tree.as_ref().map_or(snapshot.bytes, |tree| tree.bytes);
        writeln!(to, "#-----------\nsnapshot={number}\n#-----------\ntime={}", snapshot.time)?;
        writeln!(to, "mem_heap_B={bytes}\nmem_heap_extra_B=0\nmem_stacks_B=0")?;
        let Some(tree) = tree else {
            writeln!(to, "heap_tree=empty")?;
            continue;
        };
        writeln!(to, "heap_tree={}", if snapshot.metric == Some(Metric::Peak) { "peak" } else { "detailed" })?;
        let label = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.";
        print(process, &calls, &tree, label, 0, tree.bytes, to)?;
    }
    Ok(())
}

struct Snapshot {
    time: u64,
    bytes: u64,
    /// What its tree shows.
    metric: Option<Metric>,
}

/// The unit of time, and the snapshots in their order.
fn snapshots(process: &Process) -> (&'static str, Vec<Snapshot>) {
    let peak = |time| Snapshot { time, bytes: 0, metric: Some(Metric::Peak) };
    let end = |time| Snapshot { time, bytes: 0, metric: Some(Metric::Live) };
    let empty = |time, bytes| Snapshot { time, bytes, metric: None };
    let Some(history) = process.history.as_ref().filter(|history| !history.time_ns.is_empty()) else {
        let summary = &process.summary;
        let last = summary.allocated_bytes.saturating_add(summary.freed_bytes);
        let first = summary.peak_bytes.min(last);
        return ("B", vec![empty(0, 0), peak(first), end(last)]);
    };
    let samples = history.time_ns.iter().zip(&history.live_bytes);
    let samples = samples.filter_map(|(&time, &bytes)| Some((time / 1_000_000, u64::try_from(bytes).ok()?)));
    let mut all: Vec<Snapshot> = samples.map(|(time, bytes)| empty(time, bytes)).collect();
    let last = all.last().map_or(0, |snapshot| snapshot.time);
    // A history ends as the process did: that is the snapshot with all stacks.
    all.pop_if(|snapshot| snapshot.bytes == process.summary.live_bytes);
    let highest = (0..all.len()).rev().max_by_key(|&place| all[place].bytes).unwrap_or(0);
    let time = all.get(highest).map_or(0, |snapshot| snapshot.time);
    // The peak itself lies between two samples: beside the higher one.
    all.insert((highest + 1).min(all.len()), peak(time));
    all.push(end(last));
    ("ms", all)
}

fn tree(process: &Process, calls: &Calls<'_>, metric: Metric) -> Node {
    let mut root = Node::default();
    for (stack, bytes) in weights(process, metric).unwrap_or_default() {
        let mut node = &mut root;
        node.bytes = node.bytes.saturating_add(bytes);
        for frame in calls.stack(stack) {
            node = node.children.entry(frame).or_default();
            node.bytes = node.bytes.saturating_add(bytes);
        }
    }
    root
}

/// One node with what is below it. A stack of thousands of frames is no deeper in calls of ours than it is long, so
/// the nodes that wait are kept here.
fn print(
    process: &Process,
    calls: &Calls<'_>,
    root: &Node,
    label: &str,
    depth: usize,
    all: u64,
    to: &mut dyn Write,
) -> io::Result<()> {
    enum Item<'n> {
        Node(&'n Node, String, usize),
        Rest(usize, u64, usize),
    }
    let mut waiting = vec![Item::Node(root, label.to_owned(), depth)];
    while let Some(item) = waiting.pop() {
        let (node, label, depth) = match item {
            Item::Node(node, label, depth) => (node, label, depth),
            Item::Rest(places, bytes, depth) => {
                let noun = if places == 1 { "place" } else { "places, all" };
                writeln!(to, "{:depth$}n0: {bytes} in {places} {noun} below massif's threshold ({THRESHOLD}.00%)", "")?;
                continue;
            }
        };
        let is_large = |node: &Node| u128::from(node.bytes) * 100 >= u128::from(all) * u128::from(THRESHOLD);
        let (mut large, small): (Vec<(&u32, &Node)>, Vec<_>) =
            node.children.iter().partition(|(_, child)| is_large(child));
        large.sort_by_key(|(frame, child)| (std::cmp::Reverse(child.bytes), **frame));
        let count = large.len() + usize::from(!small.is_empty());
        writeln!(to, "{:depth$}n{count}: {} {}", "", node.bytes, line(&label))?;
        if !small.is_empty() {
            let bytes = small.iter().fold(0u64, |sum, (_, child)| sum.saturating_add(child.bytes));
            waiting.push(Item::Rest(small.len(), bytes, depth + 1));
        }
        for (&frame, child) in large.into_iter().rev() {
            let label = calls.get(frame).map(|call| dhat::line(process, call)).unwrap_or_default();
            waiting.push(Item::Node(child, label, depth + 1));
        }
    }
    Ok(())
}

/// A text without what begins a comment.
fn line(text: &str) -> String {
    text.replace('#', "\\u{23}")
}
