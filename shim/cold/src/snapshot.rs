//! A check in a copy of the process: the target goes on, or ends, while the copy is searched.
//!
//! ```text
//!   threads stop ─▶ raw clone, copy on write ─▶ threads go on          (target)
//!                         └─▶ reads the tables, marks, writes rows     (copy)
//!                              └─▶ a page that both see: how it went
//! ```
//!
//! No wait of the target's sees the copy (`parent`). A shared recording is no part of a copy; its
//! live table is read before the threads go on (`listing`).

use core::ffi::{CStr, c_void};
use memtrace_hot::Hot;
use memtrace_hot::lock::Guard;
use memtrace_hot::own::{self, Use};
use memtrace_hot::unwind::slow as unwind;
use memtrace_wire::dead;
use memtrace_wire::layout::{CHECKED, Cause, Check, Hindrance, Rung, check_flags};
use memtrace_wire::map::{U32, U64};
use memtrace_wire::sys;

use crate::check::space::Array;
use crate::check::{self, Blocks, Rules, Sums, Task};
use crate::freeze::freeze;
use crate::given::Given;
use crate::listing::Listing;
use crate::parent::Start;
use crate::threads::{Own, Threads};
use crate::{copy, file, task};

/// What a check is asked for.
pub struct Request<'a> {
    /// The tables.
    pub hot: &'static Hot,
    /// Why.
    pub cause: Cause,
    /// How pointers are understood.
    pub rules: Rules,
    /// The calling thread's.
    pub own: Own,
    /// Its thread pointer.
    pub tls: u64,
    /// The list of its mappings.
    pub maps: &'static CStr,
    /// An address in the library.
    pub library: u64,
    /// A file for the whole recording, with what was found, if the recording is private.
    pub into: Option<i32>,
    /// Where lost blocks are counted by site; in memory that the copy shares.
    pub lost: Option<&'a Array<u32>>,
    /// Nobody in the target waits for it.
    pub is_apart: bool,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub deadline_ns: u64,
}

/// What the copy says; on a page that both see.
#[repr(C)]
struct Answer {
    /// `DONE`, `FAILED`.
    state: U32,
    hindrance: U32,
    /// 1: the threads go on, and `pause_ns` is known.
    released: U32,
    is_written: U32,
    lost_blocks: U64,
    lost_bytes: U64,
    /// See `Listing`.
    listed: U64,
    check: Check,
}

const DONE: u32 = 1;
const FAILED: u32 = 2;
const PAGE: usize = 4096;

/// What a check came to.
pub struct Outcome {
    /// Sums, if blocks were classified.
    pub sums: Option<Sums>,
    /// The file holds the whole recording.
    pub is_written: bool,
}

/// Checks. Signals are blocked.
pub fn check(request: &Request<'_>) -> Outcome {
    let hot = request.hot;
    let failed = |hindrance: Hindrance| {
        note(hot, request.cause, hindrance);
        Outcome { sums: None, is_written: false }
    };
    let (page, copy) = match begin(request) {
        Ok(begun) => begun,
        Err(hindrance) => return failed(hindrance),
    };
    let answer = page.answer;
    let ended = wait(answer, copy, DONE, request.deadline_ns);
    task::reap(copy, answer.state.acquire() < DONE);
    match answer.state.acquire() {
        DONE => Outcome {
            sums: Some(Sums { lost_blocks: answer.lost_blocks.get(), lost_bytes: answer.lost_bytes.get() }),
            is_written: answer.is_written.get() == 1,
        },
        FAILED => failed(Hindrance::from_number(answer.hindrance.get()).unwrap_or(Hindrance::Broken)),
        _ => failed(if ended { Hindrance::Broken } else { Hindrance::Deadline }),
    }
}

/// Begins a check that the target does not wait for: the copy's id. The copy is nobody's child in the target, writes
/// what it finds into the shared recording or into a memory file of its own, and waits then to be killed if that is so.
pub fn begin_apart(request: &Request<'_>) -> Result<isize, Hindrance> {
    begin(request).map(|(_, copy)| copy)
}

/// Checks in a process that has the memory of one that is gone, and ends it.
pub fn check_dead(request: &Request<'_>, pid: u64, dead: &[dead::Thread]) -> ! {
    let (Some(page), Some(threads)) = (share(), Threads::of_dead(request.hot, pid, dead)) else {
        note(request.hot, request.cause, Hindrance::Memory);
        task::end()
    };
    let answer = page.answer;
    answer.check.cause.set(request.cause as u32);
    answer.check.time_ns.set(sys::now_ns());
    answer.check.threads.set(threads.count() as u32 - 1);
    describe(&answer.check, &threads, true);
    answer.released.publish(1);
    let work = Work { request, threads: &threads, answer, stack: 0, live: Live::Copied };
    in_copy(core::ptr::from_ref(&work).cast())
}

fn begin(request: &Request<'_>) -> Result<(Page, isize), Hindrance> {
    let hot = request.hot;
    let _alone = alone(request).ok_or(Hindrance::Deadline)?;
    // From here on the thread that checks stands still, the target's only one perhaps.
    let begin_ns = sys::monotonic_ns();
    let page = share().ok_or(Hindrance::Memory)?;
    let answer = page.answer;
    let threads = Threads::list(hot, &request.own, request.tls, unwind::here()).ok_or(Hindrance::Memory)?;
    let row = &answer.check;
    row.cause.set(request.cause as u32);
    row.time_ns.set(sys::now_ns());
    row.threads.set(threads.count() as u32 - 1);
    let listing = Listing::prepare(hot, &answer.listed);
    let frozen = (threads.count() > 1).then(|| freeze(&threads, request.deadline_ns)).flatten();
    describe(row, &threads, frozen.as_ref().is_some_and(|frozen| !frozen.is_refused));
    let stack = Array::<u8>::new(STACK_BYTES).ok_or(Hindrance::Memory)?;
    let live = listing.map_or(Live::Copied, Live::Beside);
    let mut work = Work { request, threads: &threads, answer, stack: stack.base() + STACK_BYTES as u64, live };
    let copied = match &work.live {
        Live::Beside(listing) => listing.beside(hot, || copy_given(&work)),
        _ => None,
    };
    let copy = copied.unwrap_or_else(|| {
        // The target's own pages of a shared recording are there to be read.
        let blocks = hot.store.is_shared().then(|| Blocks::of(hot)).flatten();
        work.live = blocks.map_or(Live::Copied, Live::Listed);
        copy_given(&work)
    });
    drop(frozen);
    let is_paused = threads.count() > 1 || request.cause != Cause::End;
    row.pause_ns.set(if is_paused { sys::monotonic_ns() - begin_ns } else { 0 });
    answer.released.publish(1);
    if copy > 0 { Ok((page, copy)) } else { Err(Hindrance::Copy) }
}

/// Waits for a check that another thread makes. A tracer's thread may have interrupted just that one.
fn alone(request: &Request<'_>) -> Option<Guard<'static>> {
    let patience_ns = if request.is_apart { 500_000_000 } else { u64::MAX };
    let limit_ns = request.deadline_ns.min(sys::monotonic_ns().saturating_add(patience_ns));
    loop {
        match request.hot.announced.checking.try_enter() {
            None if sys::monotonic_ns() < limit_ns => sys::give_way(),
            guard => return guard,
        }
    }
}

/// Copies the process, with all that a check needs.
fn copy_given(work: &Work<'_>) -> isize {
    let hot = work.request.hot;
    let Some(_given) = Given::to_copy(hot) else { return -(libc::ENOMEM as isize) };
    let start = Start::new(work.stack, in_copy, core::ptr::from_ref(work).cast());
    if work.request.is_apart { start.apart(hot) } else { start.child() }
}

/// How threads were seen.
fn describe(row: &Check, threads: &Threads, all_stopped: bool) {
    if threads.count() == 1 {
        return row.rung.set(Rung::Alone as u32);
    }
    if !all_stopped {
        threads.ask();
    }
    let others = || threads.iter().skip(1);
    let stopped = others().filter(|seen| seen.has_registers != 0).count();
    row.threads_stopped.set(stopped as u32);
    row.threads_whole.set(others().filter(|seen| seen.sp == 0).count() as u32);
    if all_stopped {
        row.rung.set(Rung::Stopped as u32);
    } else {
        row.rung.set(Rung::Waiting as u32);
        row.hindrance.set(Hindrance::Ptrace as u32);
        row.flags.set(row.flags.get() | check_flags::MOVING);
    }
}

/// What the copy is given.
struct Work<'a> {
    request: &'a Request<'a>,
    threads: &'a Threads,
    answer: &'static Answer,
    stack: u64,
    live: Live,
}

/// Where the copy has the live blocks from.
enum Live {
    /// A list that is made while the process is copied.
    Beside(Listing),
    /// One that was made before.
    Listed(Blocks),
    /// Its own copy of the live table.
    Copied,
}

const STACK_BYTES: usize = 256 << 10;

/// The copy's life.
extern "C" fn in_copy(work: *const c_void) -> ! {
    // SAFETY: the copy's own copy of what `check` gave.
    let Work { request, threads, answer, live, .. } = unsafe { core::ptr::read(work.cast::<Work<'_>>()) };
    let hot = request.hot;
    task::step_back();
    if request.is_apart {
        // Whoever waits for the end of a pipe must not wait for this copy.
        file::close_all();
    }
    // Whoever held it is not in the copy.
    hot.store.unlock();
    hot.checks.go_on(&hot.store);
    let task = Task {
        hot,
        rules: request.rules,
        threads,
        maps: request.maps,
        library: request.library,
        check: &answer.check,
        is_apart: request.is_apart,
        lost: request.lost,
        deadline_ns: request.deadline_ns,
    };
    let row = &answer.check;
    let blocks = match live {
        Live::Beside(listing) => listing.blocks(request.deadline_ns),
        Live::Listed(blocks) => Ok(blocks),
        Live::Copied => Blocks::of(hot).ok_or(Hindrance::Memory),
    };
    let found = blocks.and_then(|blocks| check::run(&task, blocks));
    while answer.released.acquire() == 0 && sys::monotonic_ns() < request.deadline_ns {
        sys::give_way();
    }
    row.cpu_ns.set(sys::cpu_ns());
    if request.rules.low_bits | request.rules.high_bits != 0 {
        row.flags.set(row.flags.get() | check_flags::TAGGED);
    }
    match found {
        Ok(sums) => {
            answer.lost_blocks.set(sums.lost_blocks);
            answer.lost_bytes.set(sums.lost_bytes);
        }
        Err(hindrance) => {
            answer.hindrance.set(hindrance as u32);
            if request.is_apart {
                note(hot, request.cause, hindrance);
            }
        }
    }
    let is_kept = found.is_ok() && keep(hot, row);
    if found.is_ok() && !is_kept {
        answer.hindrance.set(Hindrance::Memory as u32);
    }
    if request.is_apart {
        wait_for_reader(hot, request.deadline_ns);
    } else if is_kept {
        let written = request.into.is_some_and(|fd| copy::to_file(hot, fd));
        answer.is_written.set(u32::from(written));
    }
    answer.state.publish(if is_kept { DONE } else { FAILED });
    task::wake(&answer.state);
    task::end()
}

/// Writes a private recording into a memory file, says so by the name of the task, and stays until the reader has
/// opened it and ends the task.
fn wait_for_reader(hot: &Hot, deadline_ns: u64) {
    if hot.store.is_shared() {
        return;
    }
    let Some(fd) = copy::memory_file() else { return };
    if !copy::to_file(hot, fd) {
        return;
    }
    // SAFETY: the name ends in a NUL.
    unsafe { sys::call(libc::SYS_prctl, libc::PR_SET_NAME as usize, CHECKED.as_ptr() as usize, 0, 0) };
    while sys::monotonic_ns() < deadline_ns {
        let pause = [0u64, 10_000_000];
        // SAFETY: a time of two words.
        unsafe { sys::call(libc::SYS_nanosleep, pause.as_ptr() as usize, 0, 0, 0) };
    }
}

/// A row of the recording like this one. False: no room.
fn keep(hot: &Hot, from: &Check) -> bool {
    let Some(process) = hot.store.process() else { return false };
    let number = process.check_count.get();
    if hot.checks.rows.get(number).is_none() {
        // A copy may have begun the window.
        hot.checks.go_on(&hot.store);
    }
    let Some(row) = hot.checks.rows.make(&hot.store, number) else { return false };
    let bytes = memtrace_wire::map::bytes_of(from);
    // SAFETY: a row of the same type, which nobody reads before the count is published.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), core::ptr::from_ref(row).cast_mut().cast(), bytes.len()) };
    row.ready.publish(1);
    process.check_count.publish(number + 1);
    true
}

/// Says in the recording that nothing was classified.
fn note(hot: &Hot, cause: Cause, hindrance: Hindrance) {
    let row: Check = file::zeroed();
    row.cause.set(cause as u32);
    row.time_ns.set(sys::now_ns());
    row.rung.set(Rung::None as u32);
    row.hindrance.set(hindrance as u32);
    keep(hot, &row);
}

struct Page {
    answer: &'static Answer,
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped by `share`; nobody has the reference any longer.
        unsafe { own::unmap(core::ptr::from_ref(self.answer).cast_mut().cast(), PAGE) };
    }
}

/// A page that a copy of the process shares with it.
fn share() -> Option<Page> {
    let base = sys::map_common(PAGE);
    if base.is_null() {
        return None;
    }
    own::add(base, PAGE, Use::Table);
    // SAFETY: zeroed memory, which is an answer, as long as the page is mapped.
    Some(Page { answer: unsafe { &*base.cast::<Answer>() } })
}

/// Waits until the copy has come so far, or has ended. False: the deadline came first.
fn wait(answer: &Answer, copy: isize, state: u32, deadline_ns: u64) -> bool {
    let mut pause_ns = 1_000_000u64;
    while answer.state.acquire() < state {
        if task::has_ended(copy) {
            return true;
        }
        if sys::monotonic_ns() >= deadline_ns {
            return false;
        }
        // A copy that was killed wakes nobody, so it is looked at now and then.
        task::wait_while(&answer.state, 0, pause_ns);
        pause_ns = (pause_ns * 2).min(5_000_000);
    }
    true
}
