//! ptrace(2): one thread of another process is stopped, made to run a function, and put back.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::{Duration, Instant};

use memtrace_wire::dead;

use super::{Pid, checked};

const SET_MASK: libc::c_uint = 0x420b;
const GET_MASK: libc::c_uint = 0x420a;
const XSTATE: usize = 0x202;
/// Room for the largest processor state that there is (AMX: 11 KiB).
const XSTATE_BYTES: usize = 64 << 10;
/// The kernel changes rax to this where a stop has cut a call short.
const INTERRUPTED: u64 = (libc::EINTR as u64).wrapping_neg();
/// Calls have lower numbers; -1: the thread was in none.
const CALLS_MAX: u64 = 1024;
/// A stop that an interrupt or a stopping signal caused (ptrace(2), PTRACE_EVENT_STOP).
const EVENT_STOP: i32 = 128;

/// A thread that stands still; dropped, it goes on where it was.
pub struct Stopped {
    tid: Pid,
    registers: libc::user_regs_struct,
    state: Vec<u8>,
    mask: u64,
    /// Dropped, it is left to itself; else it stays traced, and stopped.
    is_let_go: bool,
}

impl Stopped {
    /// Stops a thread.
    pub fn stop(tid: Pid, patience: Duration) -> io::Result<Stopped> {
        request(libc::PTRACE_SEIZE, tid, 0, 0)?;
        let stopped = Self::seized(tid, patience);
        if stopped.is_err() {
            let _ = request(libc::PTRACE_DETACH, tid, 0, 0);
        }
        stopped
    }

    fn seized(tid: Pid, patience: Duration) -> io::Result<Stopped> {
        request(libc::PTRACE_INTERRUPT, tid, 0, 0)?;
        stop_seen(tid, patience)?;
        let mut stopped = Self::standing(tid)?;
        stopped.is_let_go = true;
        stopped.mend_call();
        Ok(stopped)
    }

    /// A traced thread that stands still already.
    pub fn standing(tid: Pid) -> io::Result<Stopped> {
        let registers = registers(tid)?;
        let mut state = vec![0u8; XSTATE_BYTES];
        let mut vector = libc::iovec { iov_base: state.as_mut_ptr().cast(), iov_len: state.len() };
        request(libc::PTRACE_GETREGSET, tid, XSTATE, &raw mut vector as usize)?;
        state.truncate(vector.iov_len);
        let mut mask = 0u64;
        request(GET_MASK, tid, size_of::<u64>(), &raw mut mask as usize)?;
        Ok(Stopped { tid, registers, state, mask, is_let_go: false })
    }

    /// A call that fails with EINTR because of this stop alone begins anew.
    fn mend_call(&mut self) {
        let at = self.registers.rip.wrapping_sub(2);
        if self.registers.rax == INTERRUPTED
            && self.registers.orig_rax < CALLS_MAX
            && self.read(at & !7).is_ok_and(|low| {
                let high = self.read((at & !7) + 8).unwrap_or(0);
                let bytes = (u128::from(high) << 64 | u128::from(low)) >> (at % 8 * 8);
                bytes as u16 == 0x050f
            })
            && !has_signal(self.tid)
        {
            self.registers.rax = self.registers.orig_rax;
            self.registers.rip = at;
        }
    }

    /// Where the thread is, and what it held: rip, rsp, rbp, rbx, r12 to r15.
    pub fn place(&self) -> [u64; 8] {
        let libc::user_regs_struct { rip, rsp, rbp, rbx, r12, r13, r14, r15, .. } = self.registers;
        [rip, rsp, rbp, rbx, r12, r13, r14, r15]
    }

    /// Has the thread run a function with two arguments: the address of `words`, which are copied below its stack, and
    /// a number. It is done when the second word has become `done`; then the first is the result. `stack`: where
    /// another stack ends that it is to run on.
    pub fn call(
        &self,
        function: u64,
        words: &[u64],
        number: u64,
        done: u64,
        patience: Duration,
        stack: Option<u64>,
    ) -> io::Result<u64> {
        // Below what the thread uses, its red zone included.
        let end = stack.unwrap_or(self.registers.rsp.wrapping_sub(128));
        let place = end.wrapping_sub(size_of_val(words) as u64) & !63;
        for (word, at) in words.iter().zip((place..).step_by(8)) {
            self.write(at, *word)?;
        }
        let mut registers = self.registers;
        (registers.rip, registers.rsp, registers.rdi, registers.rsi) = (function, place, place, number);
        // No call is to begin anew when the thread goes on.
        (registers.orig_rax, registers.rax) = (u64::MAX, 0);
        let all = u64::MAX;
        request(SET_MASK, self.tid, size_of::<u64>(), &raw const all as usize)?;
        request(libc::PTRACE_SETREGS, self.tid, 0, &raw const registers as usize)?;
        request(libc::PTRACE_CONT, self.tid, 0, 0)?;
        let limit = Instant::now() + patience;
        let mut finished = false;
        while !finished && Instant::now() < limit {
            std::thread::sleep(Duration::from_micros(100));
            finished = word_of(self.tid, place + 8).is_some_and(|word| word == done);
            let mut status = 0;
            // SAFETY: the kernel writes one int.
            let found = unsafe { libc::waitpid(self.tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
            if !finished && found == self.tid && libc::WIFSTOPPED(status) {
                // A stop that was on its way: a second interrupt, or one that stops the whole process.
                request(libc::PTRACE_CONT, self.tid, 0, 0)?;
            }
        }
        request(libc::PTRACE_INTERRUPT, self.tid, 0, 0)?;
        stop_seen(self.tid, patience)?;
        if finished { self.read(place) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    fn read(&self, at: u64) -> io::Result<u64> {
        // PEEKDATA gives the word itself, so that errno alone tells an error.
        word_of(self.tid, at).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn write(&self, at: u64, word: u64) -> io::Result<()> {
        request(libc::PTRACE_POKEDATA, self.tid, at as usize, word as usize)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let vector = libc::iovec { iov_base: self.state.as_mut_ptr().cast(), iov_len: self.state.len() };
        let _ = request(libc::PTRACE_SETREGSET, self.tid, XSTATE, &raw const vector as usize);
        let _ = request(libc::PTRACE_SETREGS, self.tid, 0, &raw const self.registers as usize);
        let _ = request(SET_MASK, self.tid, size_of::<u64>(), &raw const self.mask as usize);
        if self.is_let_go {
            let _ = request(libc::PTRACE_DETACH, self.tid, 0, 0);
        }
    }
}

/// What a traced task has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It ended with this status.
    Exited(u8),
    /// A signal ended it.
    Killed(i32),
    /// It made a task, which is traced too.
    Made(Pid),
    /// A signal is about to reach it.
    Signal(i32),
    /// A signal stops its process.
    GroupStop,
    /// It ends, with this status of wait(2); its memory, registers and descriptors are still there.
    Exiting(i32),
    /// Something else for which it stands still.
    Other,
}

/// A task that makes another or becomes another program is told of; what it makes is traced.
const MAKERS: i32 =
    libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEEXEC;

/// Traces a task, and all that it makes, up to the end of each.
pub fn follow(tid: Pid) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, tid, 0, (MAKERS | libc::PTRACE_O_TRACEEXIT) as usize)
}

/// The same, and none outlives us.
pub fn follow_to_the_end(tid: Pid) -> io::Result<()> {
    let options = MAKERS | libc::PTRACE_O_TRACEEXIT | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SEIZE, tid, 0, options as usize)
}

/// What a traced task has done, if anything new.
pub fn poll(tid: Pid) -> io::Result<Option<Event>> {
    poll_any(tid).map(|found| found.map(|(_, event)| event))
}

/// What a task has done, if anything new: this one, or with -1 any that we trace or started. `Err` with ECHILD: there is
/// none.
pub fn poll_any(tid: Pid) -> io::Result<Option<(Pid, Event)>> {
    let mut status = 0;
    // SAFETY: the kernel writes one int.
    let tid = checked(unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) })?;
    Ok(if tid == 0 { None } else { Some((tid, event(tid, status)?)) })
}

fn event(tid: Pid, status: i32) -> io::Result<Event> {
    if libc::WIFEXITED(status) {
        return Ok(Event::Exited(libc::WEXITSTATUS(status) as u8));
    }
    if libc::WIFSIGNALED(status) {
        return Ok(Event::Killed(libc::WTERMSIG(status)));
    }
    let signal = libc::WSTOPSIG(status);
    Ok(match status >> 16 {
        0 => Event::Signal(signal),
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            let mut made: libc::c_ulong = 0;
            request(libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut made as usize)?;
            Event::Made(made as Pid)
        }
        libc::PTRACE_EVENT_EXIT => {
            let mut status: libc::c_ulong = 0;
            request(libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut status as usize)?;
            Event::Exiting(status as i32)
        }
        EVENT_STOP if [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal) => {
            Event::GroupStop
        }
        _ => Event::Other,
    })
}

/// What a traced thread that stands still holds.
pub fn held(tid: Pid) -> io::Result<dead::Thread> {
    let user = registers(tid)?;
    let registers = [
        user.r15,
        user.r14,
        user.r13,
        user.r12,
        user.rbp,
        user.rbx,
        user.r11,
        user.r10,
        user.r9,
        user.r8,
        user.rax,
        user.rcx,
        user.rdx,
        user.rsi,
        user.rdi,
        user.orig_rax,
    ];
    Ok(dead::Thread { tid: tid as u64, sp: user.rsp, pc: user.rip, tls: user.fs_base, registers })
}

/// Lets a task go on, with a signal or 0.
pub fn go_on(tid: Pid, signal: i32) {
    let _ = request(libc::PTRACE_CONT, tid, 0, signal as usize);
}

/// Stops a traced task: `Event::Other` comes when it stands.
pub fn interrupt(tid: Pid) {
    let _ = request(libc::PTRACE_INTERRUPT, tid, 0, 0);
}

/// Lets a task stay stopped until its process is continued.
pub fn listen(tid: Pid) {
    const LISTEN: libc::c_uint = 0x4208;
    let _ = request(LISTEN, tid, 0, 0);
}

/// What is known of the signal that is about to reach a task.
pub struct About(Box<[u64; 16]>);

impl About {
    /// Reads it.
    pub fn read(tid: Pid) -> io::Result<About> {
        let mut about = Box::new([0u64; 16]);
        request(libc::PTRACE_GETSIGINFO, tid, 0, about.as_mut_ptr() as usize)?;
        Ok(About(about))
    }

    /// Whether the task's own instruction caused it: run again, it causes it again.
    pub fn is_fault(&self) -> bool {
        // si_code is the third int; those that the kernel makes for a fault are above 0.
        let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];
        faults.contains(&self.signal()) && self.code() > 0 && self.code() < 0x80
    }

    /// The signal's number.
    pub fn signal(&self) -> i32 {
        self.0[0] as i32
    }

    /// Why it was sent: sigaction(2), `si_code`.
    pub fn code(&self) -> i32 {
        self.0[1] as i32
    }

    /// The address of a fault: `si_addr`.
    pub fn address(&self) -> u64 {
        self.0[2]
    }

    /// Makes it that of the signal that is about to reach the task.
    pub fn write(&self, tid: Pid) {
        let _ = request(libc::PTRACE_SETSIGINFO, tid, 0, self.0.as_ptr() as usize);
    }
}

/// Sends a signal to one thread.
pub fn send_to(pid: Pid, tid: Pid, signal: i32) {
    // SAFETY: integers.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) };
}

fn request(kind: libc::c_uint, tid: Pid, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: each caller gives what ptrace(2) wants for this request, and memory that is large enough.
    checked(unsafe { libc::ptrace(kind, tid, address, data) } as i32).map(drop)
}

fn registers(tid: Pid) -> io::Result<libc::user_regs_struct> {
    let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
    request(libc::PTRACE_GETREGS, tid, 0, registers.as_mut_ptr() as usize)?;
    // SAFETY: zeroed at first, and integers all through.
    Ok(unsafe { registers.assume_init() })
}

/// Waits until a thread stands still. A signal that stops it first is handed on.
fn stop_seen(tid: Pid, patience: Duration) -> io::Result<()> {
    let limit = Instant::now() + patience;
    loop {
        if has_ended(tid)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut status = 0;
        // SAFETY: the kernel writes one int.
        let found = checked(unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) })?;
        if found == tid && libc::WIFSTOPPED(status) {
            if status >> 16 == EVENT_STOP {
                return Ok(());
            }
            request(libc::PTRACE_CONT, tid, 0, libc::WSTOPSIG(status) as usize)?;
            request(libc::PTRACE_INTERRUPT, tid, 0, 0)?;
        } else if Instant::now() > limit {
            return Err(io::ErrorKind::TimedOut.into());
        } else {
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

/// Whether a task has ended. It stays to be waited for: it may be a child whose end somebody wants to know.
fn has_ended(tid: Pid) -> io::Result<bool> {
    let mut about = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: room for what the kernel tells.
    checked(unsafe { libc::waitid(libc::P_PID, tid as libc::id_t, about.as_mut_ptr(), flags) })?;
    // SAFETY: zeroed before: integers.
    let about = unsafe { about.assume_init() };
    // Stops of a traced task are told too; without anything to tell si_code stays 0.
    Ok([libc::CLD_EXITED, libc::CLD_KILLED, libc::CLD_DUMPED].contains(&about.si_code))
}

/// Memory of another process, as far as it can be read.
pub fn memory_of(pid: Pid, at: u64, bytes: usize) -> Vec<u8> {
    let mut memory = vec![0u8; bytes];
    let own = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: bytes };
    let other = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: bytes };
    // SAFETY: the kernel writes no more than there is room for, and reads there only what can be read.
    let length = unsafe { libc::process_vm_readv(pid, &raw const own, 1, &raw const other, 1, 0) };
    memory.truncate(length.max(0) as usize);
    memory
}

/// A word of another process's memory.
pub fn word_of(pid: Pid, at: u64) -> Option<u64> {
    let mut word = 0u64;
    let own = libc::iovec { iov_base: ptr::from_mut(&mut word).cast(), iov_len: size_of::<u64>() };
    let other = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: size_of::<u64>() };
    // SAFETY: the kernel writes one word here, and reads there only what can be read.
    let length = unsafe { libc::process_vm_readv(pid, &raw const own, 1, &raw const other, 1, 0) };
    (length == size_of::<u64>() as isize).then_some(word)
}

/// Whether a signal waits to be handled by a thread; yes, if the kernel does not say.
fn has_signal(tid: Pid) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    match (value("SigPnd:"), value("ShdPnd:"), value("SigBlk:")) {
        (Some(own), Some(shared), Some(blocked)) => (own | shared) & !blocked != 0,
        _ => true,
    }
}
