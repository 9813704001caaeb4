//! One thread's private state, and how a slot passes from a dead thread to a new one.
//!
//! No thread key, no destructor: a slot is free again when a new thread has the same TLS address, or when its
//! thread id is gone. The state lies in memory that fork wipes, so `ready` is 0 in a child until it registers.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicPtr, Ordering, compiler_fence};
use memtrace_wire::layout;
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{Record, Region, U32, U64};
use memtrace_wire::sys;

use crate::Hot;
pub use crate::inside::Inside;
use crate::lock::Lock;
pub use crate::operator::Pending;
use crate::release::Expected;
use crate::site::Sites;
use crate::unwind::cfi::Scratch;
use crate::unwind::chain::Chain;
use crate::unwind::memo::Memo;
use crate::unwind::paths::Paths;
use crate::unwind::stack::Stacks;
use crate::unwind::steps::Steps;

/// The state of one thread. Its own thread alone looks inside; others read the gate.
#[repr(C)]
pub struct Thread {
    /// Bytes to its next sample; as a signed number.
    pub left: U64,
    /// `IDLE`, or the stack pointer of the hook that is inside; 0: not registered in this process, as fork left it.
    pub state: U64,
    /// rbp at the entry of the hook that is inside, where it was kept (`Inside::keep`).
    pub(crate) bp: U64,
    body: UnsafeCell<Body>,
}

// SAFETY: the body is reached through `enter` only, by its own thread, once at a time.
unsafe impl Sync for Thread {}

/// Where a thread's `Body::expected` stands in its state.
pub const EXPECTED_AT: usize = core::mem::offset_of!(Thread, body) + core::mem::offset_of!(Body, expected);

/// `Thread::state`: registered, and not in memtrace's tables.
pub const IDLE: u64 = 1;

/// What only the thread itself uses, from inside.
#[repr(C)]
pub struct Body {
    /// Number of its slot.
    pub slot: u32,
    /// An operator new is under way, called from here; its first allocation below is recorded with this stack.
    pub pending: Option<Pending>,
    /// Entry sp of the operator new that an allocation was recorded for, until it returns; 0: none.
    pub recorded_sp: u64,
    /// The block that an operator delete has taken out of the tables and is about to free; 0: none.
    pub deleting: u64,
    /// Where the stack was when that operator was called.
    pub deleting_sp: u64,
    /// What the free that comes is to find, if an operator delete that was left by a jump ends in it.
    pub expected: Expected,
    /// Number of that operator.
    pub delete: u32,
    /// The free that it ends in is a heap error.
    pub deleting_struck: bool,
    /// Address of the block that the thread's last call allocated; 0 after any other call.
    pub last_block: u64,
    /// Live bytes that were not handed over to the process's sum.
    pub pending_bytes: i64,
    /// How often it asked that its blocks be ignored.
    pub ignoring: u32,
    /// Where its random numbers are.
    pub random: u64,
    /// Mean distance of the samples that its sites are for.
    pub mean: u64,
    /// The source site of the allocation that it is about to make.
    pub source: crate::source::Announced,
    /// The regions that it is in.
    pub regions: crate::regions::Regions,
    /// What it keeps for MALLOC_FAIL_*.
    pub fault: crate::fault::Own,
    /// Its counters.
    pub record: &'static layout::Thread,
    /// The process's.
    pub process: &'static layout::ProcessHeader,
    /// The stacks it runs on.
    pub stacks: Stacks,
    /// Room for the unwinder.
    pub scratch: Scratch,
    /// Sites that it used lately.
    pub sites: Sites,
    /// Steps of the trie that it took lately.
    pub known: Steps,
    /// Paths of it.
    pub paths: Paths,
    /// Ways to the last stack.
    pub memo: Memo,
    /// Python stacks.
    pub python: crate::python::frames::Own,
    /// The last stack.
    pub chain: Chain,
}

impl Thread {
    /// Whether the state belongs to this process, or fork has wiped it.
    #[inline(always)]
    pub fn is_ready(&self) -> bool {
        self.state.get() != 0
    }

    /// Goes inside if nothing is in the way: registered, and no other hook is at work.
    #[inline(always)]
    pub fn enter_idle(&self, sp: u64) -> Option<Inside<'_>> {
        if self.state.get() != IDLE {
            return None;
        }
        self.state.set(sp);
        compiler_fence(Ordering::Acquire);
        // SAFETY: the thread was idle, so no other reference is in use.
        Some(Inside { thread: self, body: unsafe { &mut *self.body.get() } })
    }

    /// Goes inside; the thread is registered. `None`: this hook interrupted another one of the same thread.
    #[inline(always)]
    pub fn enter(&self, hot: &Hot, sp: u64) -> Option<Inside<'_>> {
        match self.enter_idle(sp) {
            None => self.enter_anew(hot, sp),
            inside => inside,
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_anew(&self, hot: &Hot, sp: u64) -> Option<Inside<'_>> {
        // A hook below us on the same stack is still at work; one that is above was jumped over.
        if sp <= self.state.get() {
            return None;
        }
        self.state.set(sp);
        compiler_fence(Ordering::Acquire);
        // SAFETY: the holder was abandoned by a jump: no other reference is in use.
        let body = unsafe { &mut *self.body.get() };
        hot.store.lose(Loss::Abandoned);
        body.chain.reset(0, 0);
        Some(Inside { thread: self, body })
    }
}

/// Who has which slot. Private memory.
pub struct Slots {
    table: AtomicPtr<u8>,
    first: AtomicPtr<Thread>,
    sweep_at: U32,
    lock: Lock,
}

/// One slot.
#[repr(C)]
struct Slot {
    tls: U64,
    thread: U64,
    tid: U32,
    spare: U32,
}

// SAFETY: repr(C), integers, no padding.
unsafe impl Record for Slot {}

/// Threads alive at once.
const SLOTS_MAX: usize = 16_384;
/// Bytes of a thread's state that count as memory of ours: most of it is never touched, and a thread that allocates
/// little touches 26 KiB.
const TOUCHED_BYTES: u64 = 64 << 10;
/// Slots in use before the first look for dead threads; it doubles from there.
const SWEEP_FIRST: u32 = 64;

impl Slots {
    /// Without memory.
    pub const fn new() -> Self {
        Self {
            table: AtomicPtr::new(core::ptr::null_mut()),
            first: AtomicPtr::new(core::ptr::null_mut()),
            sweep_at: U32::new(0),
            lock: Lock::new(),
        }
    }

    /// Asks for the table.
    pub fn start(&self) -> bool {
        let Some(region) = crate::map::map(SLOTS_MAX * size_of::<Slot>()) else { return false };
        self.table.store(region.base(), Ordering::Release);
        self.sweep_at.set(SWEEP_FIRST);
        true
    }

    /// Forgets everyone, in a fork child. The states stay mapped, wiped, for whoever registers again.
    pub fn forget(&self) {
        self.lock.reset();
        self.first.store(core::ptr::null_mut(), Ordering::Release);
        let table = self.table.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if !table.is_null() {
            // SAFETY: the child has one thread, and it is here.
            unsafe { crate::own::unmap(table, SLOTS_MAX * size_of::<Slot>()) };
        }
    }

    /// Threads that have registered and not been found dead: TLS address and kernel id of each.
    pub fn known(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let slots = (0..SLOTS_MAX as u32).map_while(|slot| self.get(slot)).take_while(|slot| slot.thread.get() != 0);
        slots.map(|slot| (slot.tls.get(), slot.tid.get()))
    }

    fn get(&self, slot: u32) -> Option<&'static Slot> {
        let base = self.table.load(Ordering::Acquire);
        if base.is_null() {
            return None;
        }
        // SAFETY: mapped by `start` with this length, unmapped by `forget` only.
        unsafe { Region::new(base, SLOTS_MAX * size_of::<Slot>()) }.at(slot as usize * size_of::<Slot>())
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Gives the calling thread a state and a slot. `top`: where its own stack ends; `tls`: address of its TLS word;
    /// `wiped`: its state from before a fork, if it had one. `None`: no memory.
    #[cold]
    pub fn register(&self, tls: u64, top: u64, wiped: *mut Thread) -> Option<&'static Thread> {
        let _guard = self.slots.lock.enter();
        let process = self.store.process()?;
        let count = process.thread_count.get() as u32;
        let (slot, place) = self.free_slot(tls, count)?;
        let record = self.threads.make(&self.store, u64::from(slot))?;
        let thread = match place.thread.get() {
            0 if wiped.is_null() => crate::map::map(size_of::<Thread>())?.base().cast::<Thread>(),
            0 => wiped,
            kept => kept as *mut Thread,
        };
        // SAFETY: fresh or a dead thread's memory, large enough; page aligned.
        unsafe { self.prepare(thread, slot, record, process, top, place.thread.get() != 0) };
        // SAFETY: just prepared, and never unmapped.
        let thread = unsafe { &*thread };
        place.tls.set(tls);
        place.tid.set(sys::tid());
        place.thread.set(core::ptr::from_ref(thread) as u64);
        record.tid.set(place.tid.get());
        record.uses.add(1);
        name(record, sys::thread_name());
        if slot == count {
            process.thread_count.publish(u64::from(count) + 1);
        }
        if self.slots.first.load(Ordering::Acquire).is_null() {
            self.slots.first.store(core::ptr::from_ref(thread).cast_mut(), Ordering::Release);
            sys::register_barrier();
        } else if self.alone.get() != 0 {
            self.end_of_solitude();
        }
        process.own_bytes.fetch_add(TOUCHED_BYTES);
        self.mind();
        Some(thread)
    }

    /// # Safety
    /// `thread` is mapped memory of this size that no other thread uses.
    unsafe fn prepare(
        &self,
        thread: *mut Thread,
        slot: u32,
        record: &'static layout::Thread,
        process: &'static layout::ProcessHeader,
        top: u64,
        used: bool,
    ) {
        // SAFETY: by this function's contract. The large arrays are left as they are, zeroed or from the thread
        // before: what is read of them was set by `reset` or written before, and zeroes are valid for all.
        unsafe {
            let body = UnsafeCell::raw_get(&raw const (*thread).body);
            (&raw mut (*body).slot).write(slot);
            (&raw mut (*body).pending).write(None);
            (&raw mut (*body).recorded_sp).write(0);
            (&raw mut (*body).deleting).write(0);
            (&raw mut (*body).deleting_sp).write(0);
            (&raw mut (*body).deleting_struck).write(false);
            (&raw mut (*body).expected).write(Expected::NONE);
            (&raw mut (*body).delete).write(0);
            (&raw mut (*body).last_block).write(0);
            (&raw mut (*body).pending_bytes).write(0);
            (*thread).left.set(0);
            (&raw mut (*body).random).write(sys::now_ns() ^ u64::from(sys::tid()) << 40 ^ u64::from(slot) << 20);
            (&raw mut (*body).mean).write(0);
            (&raw mut (*body).fault).write(self.fault.next_thread());
            if used && !(*body).regions.is_empty() {
                self.leave_regions();
            }
            (&raw mut (*body).regions).write(crate::regions::Regions::NONE);
            (&raw mut (*body).source).write(crate::source::Announced::NONE);
            (&raw mut (*body).ignoring).write(0);
            (*body).sites.ignores = false;
            (&raw mut (*body).record).write(record);
            (&raw mut (*body).process).write(process);
            if used {
                (*body).sites.forget();
                (*body).forget_stacks();
            }
            (*body).stacks.start(top);
            (*body).chain.generation = self.generation.acquire();
            (*body).chain.reset(0, 0);
            (*thread).state.publish(IDLE);
        }
    }

    fn free_slot(&self, tls: u64, count: u32) -> Option<(u32, &'static Slot)> {
        for slot in 0..count {
            let place = self.slots.get(slot)?;
            if place.tls.get() == tls {
                return Some((slot, place));
            }
        }
        if count >= self.slots.sweep_at.get() {
            let pid = sys::pid();
            for slot in 0..count {
                let place = self.slots.get(slot)?;
                if place.tls.get() != 0 && !sys::is_alive(pid, place.tid.get()) {
                    place.tls.set(0);
                }
            }
            self.slots.sweep_at.set(count.saturating_mul(2));
            for slot in 0..count {
                let place = self.slots.get(slot)?;
                if place.tls.get() == 0 {
                    return Some((slot, place));
                }
            }
        }
        Some((count, self.slots.get(count)?))
    }

    /// A second thread is about to record: the first one's plain counters of the whole process must be still.
    fn end_of_solitude(&self) {
        if let Some(process) = self.store.process() {
            process.peak_slack_bytes.set(crate::count::SLACK_BYTES);
        }
        self.alone.publish(0);
        let fenced = sys::barrier();
        let first = self.slots.first.load(Ordering::Acquire);
        // SAFETY: states are never unmapped.
        let Some(first) = (unsafe { first.as_ref() }) else { return };
        // It sees the change when it enters again; what it is in the middle of takes nanoseconds.
        for _ in 0..SOLITUDE_SPINS_MAX {
            if first.state.acquire() <= IDLE {
                if !fenced {
                    self.store.lose(Loss::LateThread);
                }
                return;
            }
            sys::give_way();
        }
        self.store.lose(Loss::LateThread);
    }
}

/// A hook is left within microseconds, unless its thread lost its processor; this is about half a second.
const SOLITUDE_SPINS_MAX: u32 = 1_000_000;

/// Keeps a thread's name: up to 15 bytes and a NUL, as the kernel does.
pub fn name(record: &layout::Thread, text: [u8; 16]) {
    let [low, high] = &record.name;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = text;
    low.set(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    high.set(u64::from_le_bytes([i, j, k, l, m, n, o, p]));
}
