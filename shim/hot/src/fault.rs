//! MALLOC_FAIL_*: which allocation fails, decided and recorded before NULL is returned.

use core::cell::UnsafeCell;
use memtrace_wire::layout::Op;
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{U32, U64};
use memtrace_wire::settings::{Children, FAIL_STACKS_MAX, Plan};

use crate::Hot;
use crate::points::Seen;
use crate::thread::Inside;
use crate::unwind::Entry;

/// The plan of this process and how far it has come.
pub struct Fault {
    /// 1: a plan is armed. What every hook reads.
    pub armed: U32,
    /// Allocations in scope so far.
    seen: U64,
    /// Place in `Plan::stacks` of the one that is looked for; their number: all have failed.
    stack_at: U32,
    /// Allocations of each of them, while it was looked for.
    stack_seen: [U64; FAIL_STACKS_MAX],
    /// Index of the last of them that failed.
    stack_struck: U64,
    plan: UnsafeCell<Plan>,
}

// SAFETY: the plan is written before `armed` is published, by the thread that starts the process, and then read only.
unsafe impl Sync for Fault {}

/// Failures with a record of their own: the table's size.
const RECORDS_MAX: u64 = 64 * memtrace_wire::layout::FAULTS_PER_WINDOW;

impl Fault {
    /// No plan.
    pub const fn new() -> Self {
        Self {
            armed: U32::new(0),
            seen: U64::new(0),
            stack_at: U32::new(0),
            stack_seen: [const { U64::new(0) }; FAIL_STACKS_MAX],
            stack_struck: U64::new(0),
            plan: UnsafeCell::new(Plan::NONE),
        }
    }

    /// Takes a plan; it comes into force with `arm`.
    pub fn set(&self, plan: Plan) {
        // SAFETY: `armed` is 0, so nobody reads.
        unsafe { *self.plan.get() = plan };
    }

    /// `main` is about to be entered: the scope begins.
    pub fn arm(&self) {
        if self.plan().watches() {
            self.armed.publish(1);
        }
    }

    /// In a fork child, after its tables began anew: what the plan says about children. True: failures go on there.
    pub fn inherit(&self) -> bool {
        match self.plan().children {
            Children::No => self.armed.set(0),
            Children::Same => {}
            Children::All => {
                self.seen.set(0);
                self.stack_at.set(0);
                self.stack_seen.iter().for_each(|seen| seen.set(0));
            }
        }
        self.armed.get() != 0 && self.plan().fails()
    }

    fn plan(&self) -> &Plan {
        // SAFETY: written once, before `arm`.
        unsafe { &*self.plan.get() }
    }

    /// Whether a stack has to be known by its name.
    fn looks_for_stack(&self) -> bool {
        (self.stack_at.get() as usize) < self.plan().stack_count
    }

    /// Whether an allocation fails. `name`: of its point, where that was asked for.
    fn chooses(&self, index: u64, name: u64) -> bool {
        let plan = self.plan();
        if plan.stack_count == 0 {
            return plan.strikes(index);
        }
        let place = self.stack_at.acquire() as usize;
        if place >= plan.stack_count {
            let first = self.stack_struck.get();
            return index > first && index - first < plan.times;
        }
        let (Some(wanted), Some(seen)) = (plan.stacks.get(place), self.stack_seen.get(place)) else { return false };
        // One thread alone comes to the number that is waited for.
        if name != wanted.name || seen.fetch_add(1) + 1 != wanted.occurrence {
            return false;
        }
        self.stack_struck.set(index);
        self.stack_at.publish(place as u32 + 1);
        true
    }
}

impl Default for Fault {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Counts an allocation in scope. True: it is to fail, and is recorded already. `inside`: `None` in a hook that
    /// interrupted another one, and in a thread for which there was no memory.
    pub fn strikes(&self, inside: Option<Inside<'_>>, entry: Entry, op: Op, bytes: u64) -> bool {
        let plan = self.fault.plan();
        let index = self.fault.seen.fetch_add(1);
        if let Some(process) = self.store.process() {
            process.fault_seen.fetch_add(1);
        }
        let Some(inside) = inside else {
            if plan.points || self.fault.looks_for_stack() {
                self.store.lose(Loss::PointDropped);
            }
            let strikes = self.fault.chooses(index, 0);
            if strikes {
                self.record_fault(Seen { node: 0, op, index, bytes, slot: 0 }, 0);
            }
            return strikes;
        };
        let body = &mut *inside.body;
        // The first allocation below an operator new is made by that.
        let (entry, op, bytes) = match body.pending {
            Some(pending) if entry.sp <= pending.entry.sp => (pending.entry, pending.op, pending.bytes),
            _ => (entry, op, bytes),
        };
        let slot = body.slot;
        let mut seen = || {
            let (node, op) = self.origin(self.capture(body, entry, op).node(), op);
            Seen { node, op, index, bytes, slot }
        };
        // Points have their names at hand, so they are listed too where a name is looked for.
        let noted = (plan.points || self.fault.looks_for_stack()).then(|| {
            let seen = seen();
            (seen, self.note_point(seen))
        });
        if !self.fault.chooses(index, noted.map_or(0, |(_, name)| name)) {
            return false;
        }
        let (seen, name) = noted.unwrap_or_else(|| {
            let seen = seen();
            (seen, self.point_name(seen.node, seen.op))
        });
        // The operator new above will call its handler or throw: what comes next is another allocation.
        body.pending = None;
        self.record_fault(seen, name);
        true
    }

    /// Records a failure, before the target sees it.
    fn record_fault(&self, seen: Seen, name: u64) {
        let Some(process) = self.store.process() else { return };
        let number = process.fault_fired.fetch_add(1);
        let record = if number < RECORDS_MAX { self.faults.make(&self.store, number) } else { None };
        let Some(record) = record else { return self.store.lose(Loss::FaultDropped) };
        record.index.set(seen.index);
        record.bytes.set(seen.bytes);
        record.op.set(seen.op as u32);
        record.node.set(seen.node);
        record.thread.set(seen.slot);
        record.name.set(name);
        record.ready.publish(1);
        process.fault_count.fetch_max(number + 1);
    }
}
