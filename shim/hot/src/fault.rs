//! MALLOC_FAIL_*: which allocation fails, decided and recorded before NULL is returned.

use core::cell::UnsafeCell;
use memtrace_wire::layout::Op;
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{U32, U64};
use memtrace_wire::settings::{Children, Plan};

use crate::Hot;

/// The plan of this process and how far it has come.
pub struct Fault {
    /// 1: a plan is armed. What every hook reads.
    pub armed: U32,
    /// Allocations in scope so far.
    seen: U64,
    plan: UnsafeCell<Plan>,
}

// SAFETY: the plan is written before `armed` is published, by the thread that starts the process, and then read only.
unsafe impl Sync for Fault {}

/// Failures with a record of their own: the table's size.
const RECORDS_MAX: u64 = 64 * memtrace_wire::layout::FAULTS_PER_WINDOW;

impl Fault {
    /// No plan.
    pub const fn new() -> Self {
        Self { armed: U32::new(0), seen: U64::new(0), plan: UnsafeCell::new(Plan::NONE) }
    }

    /// Takes a plan; it comes into force with `arm`.
    pub fn set(&self, plan: Plan) {
        // SAFETY: `armed` is 0, so nobody reads.
        unsafe { *self.plan.get() = plan };
    }

    /// `main` is about to be entered: the scope begins.
    pub fn arm(&self) {
        if self.plan().range_count != 0 {
            self.armed.publish(1);
        }
    }

    /// In a fork child, after its tables began anew: what the plan says about children. True: failures go on there.
    pub fn inherit(&self) -> bool {
        match self.plan().children {
            Children::No => self.armed.set(0),
            Children::Same => {}
            Children::All => self.seen.set(0),
        }
        self.armed.get() != 0
    }

    fn plan(&self) -> Plan {
        // SAFETY: written once, before `arm`.
        unsafe { *self.plan.get() }
    }
}

impl Default for Fault {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Counts an allocation in scope. `Some(index)`: it is to fail.
    pub fn strikes(&self) -> Option<u64> {
        let index = self.fault.seen.fetch_add(1);
        if let Some(process) = self.store.process() {
            process.fault_seen.fetch_add(1);
        }
        // SAFETY: written once, before `arm`.
        unsafe { &*self.fault.plan.get() }.strikes(index).then_some(index)
    }

    /// Records a failure, before the target sees it.
    pub fn record_fault(&self, index: u64, bytes: u64, op: Op, node: u32, slot: u32) {
        let Some(process) = self.store.process() else { return };
        let number = process.fault_fired.fetch_add(1);
        let record = if number < RECORDS_MAX { self.faults.make(&self.store, number) } else { None };
        let Some(record) = record else { return self.store.lose(Loss::FaultDropped) };
        record.index.set(index);
        record.bytes.set(bytes);
        record.op.set(op as u32);
        record.node.set(node);
        record.thread.set(slot);
        record.ready.publish(1);
        process.fault_count.fetch_max(number + 1);
    }
}
