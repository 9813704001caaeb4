//! The threads of the process, as a check sees them: who they are, where their stacks stand, what their registers
//! hold.
//!
//! The thread that checks knows itself. The others are asked about through the kernel: `freeze` stops them and
//! reads their registers where ptrace(2) is allowed; `ask` reads the stack pointers of those that wait.

use memtrace_hot::Hot;
use memtrace_hot::maps::hexadecimal;
use memtrace_hot::text::Buffer;
use memtrace_hot::unwind::cfi::{self, RETURN, RSP};
use memtrace_hot::unwind::slow as unwind;
use memtrace_wire::dead::{self, REGISTERS};
use memtrace_wire::sys;

use crate::check::space::{List, Plain};

/// By their place in `Seen::registers`, their DWARF numbers (System V ABI, 3.6.2): r15 to r12, rbp, rbx, r11 to r8, rax,
/// rcx, rdx, rsi, rdi.
const DWARF_NUMBERS: [usize; 15] = [15, 14, 13, 12, 6, 3, 11, 10, 9, 8, 0, 2, 1, 4, 5];

/// One thread.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Seen {
    /// Its kernel id.
    pub tid: u32,
    /// `registers` were read.
    pub has_registers: u32,
    /// Its stack pointer; 0: not known.
    pub sp: u64,
    /// Its program counter; 0: not known.
    pub pc: u64,
    /// Its thread pointer; 0: not known.
    pub tls: u64,
    /// It is the process's first.
    pub is_main: bool,
    /// It has ended, and others go on: its stack holds nothing.
    pub is_gone: bool,
    /// See `REGISTERS`.
    pub registers: [u64; REGISTERS],
}

// SAFETY: zeroes are numbers and false.
unsafe impl Plain for Seen {}

impl Seen {
    /// Where its stack can be walked from; `None`: that is not known.
    pub fn frame(&self) -> Option<unwind::Registers> {
        if self.has_registers == 0 || self.pc == 0 {
            return None;
        }
        let mut frame: unwind::Registers = [0; cfi::REGISTERS];
        let known = DWARF_NUMBERS.into_iter().zip(self.registers);
        for (number, value) in known.chain([(RSP, self.sp), (RETURN, self.pc)]) {
            if let Some(slot) = frame.get_mut(number) {
                *slot = value;
            }
        }
        Some(frame)
    }
}

/// All threads.
pub struct Threads {
    seen: List<Seen>,
    base: u64,
    /// Where the thread that checks stands itself: below what it holds.
    here: unwind::Registers,
    /// TLS address and kernel id of threads that have registered.
    known: List<[u64; 2]>,
}

/// What the thread that checks holds: stack pointer, and registers that a function keeps.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Where its stack ends: what lies below is dead.
    pub sp: u64,
    /// Its program counter there, where a tracer has stopped it; 0: it is inside a call.
    pub pc: u64,
    /// rbx, rbp, r12 to r15.
    pub registers: [u64; 6],
}

impl Threads {
    /// The threads of the process. `None`: no memory, or the list cannot be read. `here`: a frame of the calling thread
    /// that outlives the check.
    pub fn list(hot: &Hot, own: &Own, tls: u64, here: unwind::Registers) -> Option<Self> {
        let known = known(hot)?;
        let mut tids = List::<u64>::new(TASKS_MAX)?;
        tasks(&mut tids)?;
        let seen = List::new(tids.count() + 1)?;
        let (pid, tid) = (sys::pid(), sys::tid());
        let mut registers = [0; REGISTERS];
        for (to, from) in registers.iter_mut().zip(own.registers.into_iter().rev()) {
            *to = from;
        }
        let Own { sp, pc, .. } = *own;
        seen.push(Seen { tid, has_registers: 1, sp, pc, tls, is_main: tid == pid, is_gone: false, registers });
        for other in tids.iter().map(|other| other as u32).filter(|&other| other != tid) {
            let tls = known.iter().find(|&[_, known]| known == u64::from(other)).map_or(0, |[tls, _]| tls);
            let is_main = other == pid;
            seen.push(Seen {
                tid: other,
                has_registers: 0,
                sp: 0,
                pc: 0,
                tls,
                is_main,
                is_gone: false,
                registers: [0; REGISTERS],
            });
        }
        let base = seen.base();
        Some(Self { seen, base, here, known })
    }

    /// Those of a process that is gone, of which this one has the memory.
    pub fn of_dead(hot: &Hot, pid: u64, threads: &[dead::Thread]) -> Option<Self> {
        let known = known(hot)?;
        let seen = List::new(threads.len() + 1)?;
        for &dead::Thread { tid, sp, pc, tls, registers } in threads {
            let is_main = tid == pid;
            seen.push(Seen { tid: tid as u32, has_registers: 1, sp, pc, tls, is_main, is_gone: false, registers });
        }
        let base = seen.base();
        Some(Self { seen, base, here: [0; cfi::REGISTERS], known })
    }

    /// Threads, the one that checks included.
    pub fn count(&self) -> usize {
        self.seen.count()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Seen> + '_ {
        self.seen.iter()
    }

    /// Replaces what is known of one.
    pub fn set(&self, place: usize, seen: Seen) {
        self.seen.set(place, seen);
    }

    /// What is known of one.
    pub fn get(&self, place: usize) -> Seen {
        self.seen.get(place)
    }

    /// Where the stack of one can be walked from.
    pub fn frame(&self, place: usize) -> Option<unwind::Registers> {
        self.get(place).frame().or((place == 0).then_some(self.here))
    }

    /// Where the registers of each stand.
    pub fn registers(&self) -> impl Iterator<Item = u64> + '_ {
        let offset = core::mem::offset_of!(Seen, registers) as u64;
        (0..self.count() as u64).map(move |place| self.base + place * size_of::<Seen>() as u64 + offset)
    }

    /// Threads that have registered at any time.
    pub fn known_count(&self) -> usize {
        self.known.count()
    }

    /// Asks the kernel where the others' stacks stand, which it says of those that wait in a system call.
    pub fn ask(&self) {
        for place in 1..self.count() {
            let mut seen = self.get(place);
            if seen.sp == 0 {
                seen.sp = waiting_sp(seen.tid);
                self.set(place, seen);
            }
        }
    }
}

fn known(hot: &Hot) -> Option<List<[u64; 2]>> {
    let known = List::new(hot.slots.known().count() + 1)?;
    hot.slots.known().for_each(|(tls, tid)| _ = known.push([tls, u64::from(tid)]));
    Some(known)
}

/// Threads of one process that are looked at.
const TASKS_MAX: usize = 1 << 16;

/// The kernel ids of all threads.
fn tasks(into: &mut List<u64>) -> Option<()> {
    let directory = libc::O_RDONLY | libc::O_DIRECTORY;
    let fd = i32::try_from(sys::open(c"/proc/thread-self/../../task", directory, 0)).ok().filter(|&fd| fd >= 0);
    let fd = match fd {
        Some(fd) => fd,
        None => i32::try_from(sys::open(c"/proc/self/task", directory, 0)).ok().filter(|&fd| fd >= 0)?,
    };
    let mut buffer = [0u64; 256];
    loop {
        // SAFETY: the kernel writes into the buffer only.
        let length = unsafe {
            sys::call(libc::SYS_getdents64, fd as usize, buffer.as_mut_ptr() as usize, size_of_val(&buffer), 0)
        };
        if length <= 0 {
            break;
        }
        // SAFETY: the buffer's own bytes, as far as the kernel wrote them.
        let bytes = unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), length as usize) };
        let mut rest = bytes;
        // linux_dirent64: inode, offset, length of this entry (2 bytes at 16), type, name (from 19).
        while let (Some(&[low, high]), Some(name)) =
            (rest.get(16..18).and_then(|at| at.first_chunk::<2>()), rest.get(19..))
        {
            let digits = name.iter().take_while(|byte| byte.is_ascii_digit());
            let tid = digits.fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            if tid != 0 && !into.push(tid) {
                break;
            }
            rest = rest.get(usize::from(u16::from_le_bytes([low, high]))..).unwrap_or(&[]);
        }
    }
    sys::close(fd);
    Some(())
}

/// What the kernel says of a thread in `/proc/`, tid and `file`; `Err`: -errno. By number and not below `self`, because
/// the tracer's own process is another than the target's.
fn told<'a>(tid: u32, file: &[u8], into: &'a mut [u8]) -> Result<&'a [u8], isize> {
    let mut path = Buffer::<64>::new();
    path.push(b"/proc/");
    path.push_number(u64::from(tid));
    path.push(file);
    let fd = path.as_c_str().map_or(-1, |path| sys::open(path, libc::O_RDONLY, 0));
    if fd < 0 {
        return Err(fd);
    }
    let length = sys::read(fd as i32, into).max(0) as usize;
    sys::close(fd as i32);
    Ok(into.get(..length).unwrap_or(&[]))
}

/// Whether a signal waits to be handled by a thread (proc(5), SigPnd, ShdPnd, SigBlk); yes, if that cannot be read.
pub fn has_signal(tid: u32) -> bool {
    let mut text = [0u8; 4096];
    let Ok(text) = told(tid, b"/status", &mut text) else { return true };
    let value = |name: &[u8]| {
        let line = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name));
        line.map(|line| hexadecimal(line.trim_ascii_start()))
    };
    match (value(b"SigPnd:"), value(b"ShdPnd:"), value(b"SigBlk:")) {
        (Some(own), Some(shared), Some(blocked)) => (own | shared) & !blocked != 0,
        _ => true,
    }
}

/// Whether a thread has ended (proc(5), the state in /proc/pid/stat).
pub fn is_gone(tid: u32) -> bool {
    let mut text = [0u8; 128];
    match told(tid, b"/stat", &mut text) {
        Ok(text) => {
            // The name before the state is in parentheses, and may hold some.
            let behind = text.iter().rposition(|&byte| byte == b')').and_then(|end| text.get(end + 2));
            matches!(behind, Some(b'Z' | b'X') | None)
        }
        Err(error) => error == -(libc::ENOENT as isize),
    }
}

/// The stack pointer of a thread that waits (proc(5), /proc/pid/syscall); 0: it runs, or is gone.
fn waiting_sp(tid: u32) -> u64 {
    let mut text = [0u8; 256];
    let Ok(text) = told(tid, b"/syscall", &mut text) else { return 0 };
    if text.starts_with(b"running") {
        return 0;
    }
    // number, six arguments, stack pointer, program counter; for one stopped elsewhere -1 and the last two.
    let mut words = text.split(|&byte| byte == b' ' || byte == b'\n').filter(|word| !word.is_empty());
    let count = words.clone().count();
    words.nth(count.saturating_sub(2)).and_then(|word| word.strip_prefix(b"0x")).map_or(0, hexadecimal)
}
