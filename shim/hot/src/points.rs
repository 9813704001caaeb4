//! Points: the stacks that allocate in the scope of MALLOC_FAIL_*, each listed once, by a name that holds for every run.

use memtrace_wire::layout::{Op, Point};
use memtrace_wire::loss::Loss;
use memtrace_wire::point::Namer;

use crate::Hot;
use crate::thread::Inside;
use crate::trie::roll;
use crate::unwind::{Entry, FRAMES_MAX};

/// Places of the index at the start: 4 KiB.
const BITS_FIRST: u32 = 9;

/// An allocation in scope, as the list of points sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its stack.
    pub node: u32,
    /// The function that was called.
    pub op: Op,
    /// Its index among the calls in scope.
    pub index: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// The thread's number.
    pub slot: u32,
}

/// A point that an allocation was counted at.
#[derive(Clone, Copy)]
pub struct Noted {
    /// Its name.
    pub name: u64,
    /// Its row, if this allocation has made it.
    pub new: Option<&'static Point>,
}

impl Hot {
    /// Counts an allocation at its point, which is made if it is new.
    pub fn note_point(&self, seen: Seen) -> Noted {
        let hash = roll(roll(0x7017, seen.node.into()), seen.op as u64);
        let known = self.find_point(&seen, hash);
        let new = if known.is_none() { self.new_point(&seen, hash) } else { None };
        let Some(point) = known.or(new) else {
            self.store.lose(Loss::PointDropped);
            return Noted { name: self.point_name(seen.node, seen.op), new: None };
        };
        point.count.fetch_add(1);
        Noted { name: point.name.get(), new }
    }

    /// The name of a stack that called a function.
    pub fn point_name(&self, node: u32, op: Op) -> u64 {
        let mut namer = Namer::new(op);
        let mut next = node;
        // Where a stack was cut, what stands for the rest is one more.
        for _ in 0..=FRAMES_MAX {
            let Some(node) = self.nodes.get(next.into()).filter(|_| next != 0) else { break };
            namer.push(self.frame_key(node.frame.get()));
            next = node.parent.get();
        }
        namer.name()
    }

    /// The name of the stack at an entry, as a point has it, but of no function that is called.
    pub fn stack_name(&self, inside: Inside<'_>, entry: Entry) -> u64 {
        // As for calls: whoever allocates from this stack finds a site that is right for it.
        let node = self.capture(&mut *inside.body, entry, Op::Malloc).node();
        if node == 0 { 0 } else { self.point_name(node, Op::Unknown) }
    }

    /// Whether a stack calls a function for the first time since failures were asked for last.
    pub(crate) fn is_first_of(&self, (node, op): (u32, Op)) -> bool {
        let hash = roll(roll(roll(0x0a5c, self.fault.choice.asked.round.get()), node.into()), op as u64);
        let is_it = |number: u32| number == node;
        if node == 0 || self.asked_index.find(hash, is_it).is_some() {
            return false;
        }
        let _guard = self.asked_index.lock();
        let has_table = self.asked_index.bytes() != 0 || self.asked_index.start(BITS_FIRST);
        // Another thread may have been faster. What cannot be kept would come again and again.
        let is_kept = has_table && self.asked_index.find(hash, is_it).is_none() && self.asked_index.insert(hash, node);
        if !is_kept {
            self.store.lose(Loss::PointDropped);
        }
        self.mind();
        is_kept
    }

    fn find_point(&self, seen: &Seen, hash: u64) -> Option<&'static Point> {
        let is_it = |point: &Point| point.node.get() == seen.node && point.op.get() == seen.op as u32;
        // The index keeps a point's number plus one, because 0 is an empty place.
        let get = |number: u32| self.points.get(u64::from(number).checked_sub(1)?);
        self.point_index.find(hash, |number| get(number).is_some_and(is_it)).and_then(get)
    }

    #[cold]
    fn new_point(&self, seen: &Seen, hash: u64) -> Option<&'static Point> {
        let process = self.store.process().filter(|_| seen.node != 0)?;
        let name = self.point_name(seen.node, seen.op);
        let _guard = self.point_index.lock();
        if let Some(point) = self.find_point(seen, hash) {
            return Some(point);
        }
        if self.point_index.bytes() == 0 && !self.point_index.start(BITS_FIRST) {
            return None;
        }
        let number = process.point_count.get();
        let point = self.points.make(&self.store, number)?;
        point.name.set(name);
        point.first.set(seen.index);
        point.bytes.set(seen.bytes);
        point.op.set(seen.op as u32);
        point.node.set(seen.node);
        point.thread.set(seen.slot);
        if !self.point_index.insert(hash, u32::try_from(number + 1).ok()?) {
            return None;
        }
        point.ready.publish(1);
        process.point_count.publish(number + 1);
        self.mind();
        Some(point)
    }
}
