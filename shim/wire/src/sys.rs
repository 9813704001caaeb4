//! Every system call of the shim, raw: libc's wrappers are cancellation points and set errno.
//!
//! Results are what the kernel gives: a value, or -errno.

use core::arch::asm;

use crate::map::U32;

/// A system call with up to six arguments.
///
/// # Safety
/// The arguments are valid for that call.
#[inline(always)]
pub unsafe fn call6(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let result: isize;
    // SAFETY: the kernel keeps all registers but rax, rcx and r11; the caller answers for the arguments.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// A system call with up to four arguments.
///
/// # Safety
/// As `call6`.
#[inline(always)]
pub unsafe fn call(number: i64, a: usize, b: usize, c: usize, d: usize) -> isize {
    // SAFETY: passed on to the caller.
    unsafe { call6(number, a, b, c, d, 0, 0) }
}

/// Fresh private memory, zeroed, not counted against overcommit; null if refused.
pub fn map_private(bytes: usize) -> *mut u8 {
    map_new(bytes, libc::MAP_PRIVATE)
}

/// The same, shared with the process's copies that are made from here on.
pub fn map_common(bytes: usize) -> *mut u8 {
    map_new(bytes, libc::MAP_SHARED)
}

fn map_new(bytes: usize, kind: i32) -> *mut u8 {
    let flags = (kind | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as usize;
    let rights = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    // SAFETY: asks for new memory anywhere.
    address(unsafe { call6(libc::SYS_mmap, 0, bytes, rights, flags, usize::MAX, 0) })
}

/// Fresh private memory at this address; null if refused, or if there is something already.
pub fn map_at(wanted: usize, bytes: usize) -> *mut u8 {
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE) as usize;
    let rights = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    // SAFETY: asks for new memory where nothing is.
    let found = address(unsafe { call6(libc::SYS_mmap, wanted, bytes, rights, flags, usize::MAX, 0) });
    if found.is_null() || found as usize == wanted {
        return found;
    }
    // Kernels before 4.17 take the address for a wish.
    // SAFETY: mapped in the lines above.
    unsafe { unmap(found, bytes) };
    core::ptr::null_mut()
}

/// `bytes` of an open file from `offset`, shared; null if refused.
pub fn map_shared(fd: i32, offset: u64, bytes: usize) -> *mut u8 {
    let rights = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    // SAFETY: asks for new memory anywhere.
    address(unsafe { call6(libc::SYS_mmap, 0, bytes, rights, libc::MAP_SHARED as usize, fd as usize, offset as usize) })
}

/// `bytes` of an open file from its start, to be read; null if refused.
pub fn map_file(fd: i32, bytes: usize) -> *mut u8 {
    let (rights, private) = (libc::PROT_READ as usize, libc::MAP_PRIVATE as usize);
    // SAFETY: asks for new memory anywhere.
    address(unsafe { call6(libc::SYS_mmap, 0, bytes, rights, private, fd as usize, 0) })
}

fn address(result: isize) -> *mut u8 {
    if (-4095..0).contains(&result) { core::ptr::null_mut() } else { result as *mut u8 }
}

/// Gives memory back that one of those above gave.
///
/// # Safety
/// Nobody looks at it any more.
pub unsafe fn unmap(base: *mut u8, bytes: usize) {
    // SAFETY: by this function's contract.
    unsafe { call(libc::SYS_munmap, base as usize, bytes, 0, 0) };
}

/// madvise(2); 0 or -errno.
///
/// # Safety
/// The memory is ours, and the advice does not surprise whoever looks at it.
pub unsafe fn advise(base: *mut u8, bytes: usize, advice: i32) -> isize {
    // SAFETY: by this function's contract.
    unsafe { call(libc::SYS_madvise, base as usize, bytes, advice as usize, 0) }
}

/// Whether the page of an address can be read: a futex(2) wait reads the word that it would wait on, and a time of
/// zero ends it at once. Nothing changes; EFAULT: not readable.
pub fn is_readable(address: usize) -> bool {
    const WAIT_PRIVATE: usize = 128;
    let now = [0u64; 2];
    // SAFETY: no memory is written; nobody waits, because the time is over before it begins.
    let result = unsafe { call(libc::SYS_futex, address & !3, WAIT_PRIVATE, u32::MAX as usize, now.as_ptr() as usize) };
    result != -(libc::EFAULT as isize)
}

/// 1: the process has put itself behind a filter of system calls.
static SEALED: U32 = U32::new(0);

/// From here on only calls are made that allocators make as well: mmap, mremap, madvise, futex.
pub fn seal() {
    SEALED.set(1);
}

/// Whether `seal` was called.
pub fn is_sealed() -> bool {
    SEALED.get() != 0
}

/// getpid(2).
pub fn pid() -> u32 {
    // SAFETY: no arguments.
    unsafe { call(libc::SYS_getpid, 0, 0, 0, 0) as u32 }
}

/// getppid(2).
pub fn parent_pid() -> u32 {
    // SAFETY: no arguments.
    unsafe { call(libc::SYS_getppid, 0, 0, 0, 0) as u32 }
}

/// gettid(2); 0 behind a filter.
pub fn tid() -> u32 {
    if is_sealed() {
        return 0;
    }
    // SAFETY: no arguments.
    unsafe { call(libc::SYS_gettid, 0, 0, 0, 0) as u32 }
}

/// Whether a thread of this process is still there.
pub fn is_alive(pid: u32, tid: u32) -> bool {
    // SAFETY: signal 0 sends nothing.
    is_sealed() || unsafe { call(libc::SYS_tgkill, pid as usize, tid as usize, 0, 0) == 0 }
}

/// This thread's name: prctl(2), PR_GET_NAME.
pub fn thread_name() -> [u8; 16] {
    let mut name = [0u8; 16];
    if is_sealed() {
        return name;
    }
    // SAFETY: the kernel writes 16 bytes at most.
    unsafe { call(libc::SYS_prctl, libc::PR_GET_NAME as usize, name.as_mut_ptr() as usize, 0, 0) };
    name
}

/// CLOCK_REALTIME in nanoseconds.
pub fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CPU time of this process, in nanoseconds.
pub fn cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock_ns(clock: i32) -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes two words.
    unsafe { call(libc::SYS_clock_gettime, clock as usize, time.as_mut_ptr() as usize, 0, 0) };
    let [seconds, rest] = time;
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Opens a path (NUL at its end) without becoming its terminal's owner; fd or -errno.
pub fn open(path: &core::ffi::CStr, flags: i32, mode: u32) -> isize {
    let flags = (flags | libc::O_CLOEXEC | libc::O_NOCTTY) as usize;
    // SAFETY: the path ends in a NUL.
    unsafe { call(libc::SYS_openat, libc::AT_FDCWD as usize, path.as_ptr() as usize, flags, mode as usize) }
}

/// close(2).
pub fn close(fd: i32) {
    // SAFETY: only our own descriptors come here.
    unsafe { call(libc::SYS_close, fd as usize, 0, 0, 0) };
}

/// lseek(2): the new place, or an errno.
pub fn seek(fd: i32, to: usize, whence: i32) -> Result<usize, i32> {
    // SAFETY: no memory is read or written.
    let at = unsafe { call(libc::SYS_lseek, fd as usize, to, whence as usize, 0) };
    usize::try_from(at).map_err(|_| -at as i32)
}

/// read(2) into `into`; bytes or -errno.
pub fn read(fd: i32, into: &mut [u8]) -> isize {
    // SAFETY: the kernel writes into the slice only.
    unsafe { call(libc::SYS_read, fd as usize, into.as_mut_ptr() as usize, into.len(), 0) }
}

/// readlink(2); bytes or -errno.
pub fn read_link(path: &core::ffi::CStr, into: &mut [u8]) -> isize {
    // SAFETY: the path ends in a NUL, and the kernel writes into the slice only.
    unsafe {
        call(
            libc::SYS_readlinkat,
            libc::AT_FDCWD as usize,
            path.as_ptr() as usize,
            into.as_mut_ptr() as usize,
            into.len(),
        )
    }
}

/// Device, inode and mode of an open file.
pub fn identity(fd: i32) -> Option<(u64, u64, u32)> {
    status(fd).map(|stat| (stat.st_dev, stat.st_ino, stat.st_mode))
}

/// Length of an open file in bytes.
pub fn length(fd: i32) -> Option<usize> {
    status(fd).and_then(|stat| usize::try_from(stat.st_size).ok())
}

/// Everything that the kernel says of an open file (fstat(2)).
pub fn status(fd: i32) -> Option<libc::stat> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel writes one stat.
    let result = unsafe { call(libc::SYS_fstat, fd as usize, stat.as_mut_ptr() as usize, 0, 0) };
    // SAFETY: zeroed at first, so every field is a valid integer.
    let stat = unsafe { stat.assume_init() };
    (result == 0).then_some(stat)
}

/// sched_yield(2).
pub fn give_way() {
    // SAFETY: no arguments.
    unsafe { call(libc::SYS_sched_yield, 0, 0, 0, 0) };
}

/// Of membarrier(2): a barrier on the running threads of this process, and to register for it.
const BARRIER: usize = 1 << 3;
const BARRIER_REGISTER: usize = 1 << 4;

fn membarrier(command: usize) -> bool {
    // SAFETY: changes no memory. A filter may end the process for it.
    !is_sealed() && unsafe { call(libc::SYS_membarrier, command, 0, 0, 0) == 0 }
}

/// Registers for `barrier`: while the process has one thread, because with more the kernel waits until every processor
/// was somewhere else, which takes seconds on a machine with enough to do (`sync_runqueues_membarrier_state` of Linux).
pub fn register_barrier() {
    membarrier(BARRIER_REGISTER);
}

/// A barrier on every running thread of the process; false where the kernel has none.
pub fn barrier() -> bool {
    membarrier(BARRIER) || membarrier(BARRIER_REGISTER) && membarrier(BARRIER)
}
