//! MALLOC_FAIL_*: whether an allocation fails, decided and recorded before NULL is returned.
//!
//! ```text
//!   call ──scope──▶ counts? ──index──▶ point ──choice──▶ fails? ──▶ record, then NULL
//! ```

use core::cell::UnsafeCell;
use memtrace_wire::layout::{BENIGN, Op, Point, ProcessHeader};
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{U32, U64};
use memtrace_wire::plan::{Children, Plan};
use memtrace_wire::scope::{Since, Until};

use crate::Hot;
use crate::choice::{Candidate, Choice, Kind, Terms};
use crate::points::Seen;
use crate::scope::Gate;
use crate::symbols::part;
use crate::thread::{Body, Inside};
use crate::unwind::Entry;

/// The plan of this process and how far it has come.
pub struct Fault {
    /// 1: allocations have to be looked at. What every hook reads.
    pub armed: U32,
    /// Allocations in scope so far.
    seen: U64,
    /// Whether the scope is open.
    pub gate: Gate,
    /// Which of them fail.
    pub choice: Choice,
    /// Name of the point that failed last.
    pub last: U64,
    /// Threads that have got a number.
    threads: U64,
    /// 1: the moment has come from which the plan holds.
    in_force: U32,
    plan: UnsafeCell<Plan<'static>>,
}

// SAFETY: the plan is written before `armed` is published, by the thread that starts the process or begins anew in a
// fork child, where others wait; otherwise it is read only.
unsafe impl Sync for Fault {}

/// What a thread keeps for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Own {
    /// In the order of first allocations.
    pub number: u64,
    /// Random numbers that it has drawn.
    drawn: u64,
    /// How often it asked that its allocations do not count.
    pub paused: u32,
    /// How often it said that its failures are no finding.
    pub benign: u32,
}

/// An allocation that is about to be made, or a call that counts like one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Where the hook was entered.
    pub entry: Entry,
    /// The function.
    pub op: Op,
    /// Bytes asked for; 0 for calls.
    pub bytes: u64,
    /// The block that a realloc moves; 0: none.
    pub old: u64,
}

/// What becomes of an allocation.
#[derive(Clone, Copy)]
pub enum Strike {
    /// It is made.
    No,
    /// It fails, and is recorded already.
    Fails,
    /// It is made; but first it fails in a copy of the process, because its point is new.
    InCopy(&'static Point),
}

/// Failures with a record of their own: the table's size.
const RECORDS_MAX: u64 = 64 * memtrace_wire::layout::FAULTS_PER_WINDOW;

impl Fault {
    /// No plan.
    pub const fn new() -> Self {
        Self {
            armed: U32::new(0),
            seen: U64::new(0),
            gate: Gate::new(),
            choice: Choice::new(),
            last: U64::new(0),
            threads: U64::new(0),
            in_force: U32::new(0),
            plan: UnsafeCell::new(Plan::NONE),
        }
    }

    /// Takes a plan. One that begins with the process comes into force at once, others with `arm`.
    pub fn set(&self, plan: Plan<'static>) {
        // SAFETY: `armed` is 0, so nobody reads.
        unsafe { *self.plan.get() = plan };
        self.gate.reset(&plan.scope);
        if plan.scope.since == Since::Start {
            self.arm();
        }
    }

    /// `main` is about to be entered: the plan comes into force.
    pub fn arm(&self) {
        self.in_force.set(1);
        self.choose();
    }

    /// Whether allocations have to be looked at may have changed.
    fn choose(&self) {
        let watches = self.plan().watches() && self.in_force.get() != 0;
        self.armed.publish(u32::from(watches || self.choice.asked.is_armed()));
    }

    /// In a fork child, after its tables began anew: the same plan, with texts of its own, and what it says about
    /// children. True: failures go on there.
    pub fn inherit(&self, plan: Plan<'static>) -> bool {
        // SAFETY: the other threads of a fork child wait until this one has begun anew.
        unsafe { *self.plan.get() = plan };
        self.threads.set(0);
        match plan.children {
            Children::No => {
                self.in_force.set(0);
                self.choice.asked.disarm();
            }
            // Its one thread has another number here.
            _ if self.choice.asked.is_for_one_thread() => self.choice.asked.disarm(),
            Children::Same => {}
            Children::All => {
                self.seen.set(0);
                self.choice.reset();
                self.gate.reset(&plan.scope);
            }
        }
        self.choose();
        self.in_force.get() != 0 && plan.fails()
    }

    /// What is asked for.
    pub fn plan(&self) -> &Plan<'static> {
        // SAFETY: written before anybody reads: see `Sync`.
        unsafe { &*self.plan.get() }
    }

    /// What a thread that has just begun keeps for itself.
    pub fn next_thread(&self) -> Own {
        Own { number: self.threads.fetch_add(1), drawn: 0, paused: 0, benign: 0 }
    }
}

impl Default for Fault {
    fn default() -> Self {
        Self::new()
    }
}

impl Own {
    /// The next of the random numbers that a seed and the thread's number give: splitmix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self, seed: u64) -> u64 {
        self.drawn += 1;
        let start = seed.wrapping_add(self.number << 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let state = start.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Hot {
    /// Whether an allocation is to fail. `inside`: `None` in a hook that interrupted another one, and in a thread for
    /// which there was no memory.
    pub fn strikes(&self, inside: Option<Inside<'_>>, call: Call) -> Strike {
        let plan = self.fault.plan();
        let Some(process) = self.store.process() else { return Strike::No };
        if plan.forbids && process.fault_fired.get() != 0 {
            process.fault_after.fetch_add(1);
        }
        let Some(inside) = inside else {
            return if self.strikes_blindly(process, call) { Strike::Fails } else { Strike::No };
        };
        let body = &mut *inside.body;
        // The first allocation below an operator new is made by that.
        let call = match body.pending {
            Some(pending) if call.entry.sp <= pending.entry.sp && !call.op.is_call() => {
                Call { entry: pending.entry, op: pending.op.plain(), bytes: pending.bytes, ..call }
            }
            _ => call,
        };
        let mut origin = None;
        if body.fault.paused != 0 || !self.counts(body, &call, &mut origin) {
            return Strike::No;
        }
        let Some(index) = self.count(process) else { return Strike::No };
        // Points have their names at hand, so they are listed too where a name is looked for.
        let noted = (plan.points || self.fault.choice.looks_for_stack(plan)).then(|| {
            let (node, op) = self.origin_of(body, &call, &mut origin);
            self.note_point(Seen { node, op, index, bytes: call.bytes, slot: body.slot })
        });
        let is_asked = self.is_asked(body, &call, &mut origin);
        let by_stack = (is_asked && self.fault.choice.asked.is_by_stack()).then(|| {
            let (node, op) = self.origin_of(body, &call, &mut origin);
            // What a program means by a path has its Python functions, too.
            (self.node_with_python(body, node), op)
        });
        let candidate = Candidate {
            index,
            kind: Kind::of(call.op),
            name: noted.map_or(0, |noted| noted.name),
            bytes: call.bytes,
            live_bytes: if plan.live_bytes_max == u64::MAX || call.op.is_call() {
                0
            } else {
                self.live_bytes_with(body, &call)
            },
            is_asked: is_asked && by_stack.is_none_or(|stack| self.is_first_of(stack)),
            random: if plan.chance == 0 { u64::MAX } else { body.fault.draw(plan.seed) },
        };
        if !self.fault.choice.chooses(plan, &candidate) {
            let new = noted.and_then(|noted| noted.new).filter(|_| plan.screen_ms != 0);
            return new.map_or(Strike::No, Strike::InCopy);
        }
        let (node, op) = self.origin_of(body, &call, &mut origin);
        let name = noted.map_or_else(|| self.point_name(node, op), |noted| noted.name);
        let is_made = self.fault.choice.asked.is_only_recorded() && is_asked;
        // The operator new above will call its handler or throw: what comes next is another allocation.
        if !op.is_call() && !is_made {
            body.pending = None;
        }
        let flags = if body.fault.benign != 0 { BENIGN } else { 0 };
        let node = by_stack.map_or(node, |(node, _)| node);
        self.record_fault(process, Seen { node, op, index, bytes: call.bytes, slot: body.slot }, name, flags);
        if is_made {
            return Strike::No;
        }
        Strike::Fails
    }

    /// The same without a thread's state: neither stack nor thread are known.
    fn strikes_blindly(&self, process: &ProcessHeader, call: Call) -> bool {
        let plan = self.fault.plan();
        let Call { op, bytes, .. } = call;
        if !self.fault.gate.is_open_for_all(&plan.scope) || !plan.scope.takes(bytes, op) {
            return false;
        }
        let Some(index) = self.count(process) else { return false };
        if plan.points || self.fault.choice.looks_for_stack(plan) {
            self.store.lose(Loss::PointDropped);
        }
        let asked = &self.fault.choice.asked;
        let is_asked = !asked.is_for_one_thread() && !asked.is_by_stack() && asked.means(0, || false);
        let candidate =
            Candidate { index, kind: Kind::of(op), name: 0, bytes, live_bytes: 0, is_asked, random: u64::MAX };
        let strikes = self.fault.choice.chooses(plan, &candidate);
        if strikes {
            self.record_fault(process, Seen { node: 0, op, index, bytes, slot: 0 }, 0, 0);
        }
        strikes
    }

    /// The index of an allocation in scope. `None`: so many were to count, and no more.
    fn count(&self, process: &ProcessHeader) -> Option<u64> {
        let index = self.fault.seen.fetch_add(1);
        if let Until::Count(count) = self.fault.plan().scope.until
            && index >= count
        {
            return None;
        }
        process.fault_seen.fetch_add(1);
        Some(index)
    }

    /// Live bytes of the process when an allocation is made; those that other threads have not handed over are missing.
    fn live_bytes_with(&self, body: &Body, call: &Call) -> u64 {
        let moved = if call.old == 0 { 0 } else { self.peek(call.old).map_or(0, |block| block.bytes) };
        let live = body.process.live_bytes.get().wrapping_add(body.pending_bytes as u64).wrapping_sub(moved);
        u64::try_from(live as i64).unwrap_or(0).saturating_add(call.bytes)
    }

    /// Records a failure, before the target sees it.
    pub(crate) fn record_fault(&self, process: &ProcessHeader, seen: Seen, name: u64, flags: u64) {
        let number = process.fault_fired.fetch_add(1);
        self.fault.last.set(name);
        let record = if number < RECORDS_MAX { self.faults.make(&self.store, number) } else { None };
        let Some(record) = record else { return self.store.lose(Loss::FaultDropped) };
        record.index.set(seen.index);
        record.bytes.set(seen.bytes);
        record.op.set(seen.op as u32);
        record.node.set(seen.node);
        record.thread.set(seen.slot);
        record.name.set(name);
        record.flags.set(flags);
        record.ready.publish(1);
        process.fault_count.fetch_max(number + 1);
    }

    /// Whether an allocation is one of those that the program asked for.
    fn is_asked(&self, body: &mut Body, call: &Call, origin: &mut Option<(u32, Op)>) -> bool {
        self.fault.choice.asked.means(body.record.tid.get(), || {
            let (node, _) = self.origin_of(body, call, origin);
            self.parts_of_stack(node).1 & part::ASKED != 0
        })
    }

    /// The program asks for failures.
    pub fn ask(&self, terms: Terms) {
        self.fault.choice.asked.arm(terms);
        self.asked();
    }

    /// The same for stacks with code of a module that one of the patterns matches (commas between them).
    pub fn ask_for(&self, _: &Inside<'_>, terms: Terms, modules: &[u8]) {
        let guard = self.loaded.lock.enter();
        self.fault.choice.asked.arm_for(terms, modules);
        self.enter_asked();
        drop(guard);
        self.asked();
    }

    fn asked(&self) {
        self.fault.gate.api(&self.fault.plan().scope, true);
        self.fault.choose();
        self.choose_mode();
    }

    /// It takes that back.
    pub fn ask_no_more(&self) {
        self.fault.choice.asked.disarm();
        self.fault.gate.api(&self.fault.plan().scope, false);
        self.fault.choose();
        self.choose_mode();
    }
}
