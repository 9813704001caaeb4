//! The functions that the target would have called without us: the next definitions in link order.

use core::ffi::c_void;
use core::sync::atomic::{AtomicUsize, Ordering};
use memtrace_hot::unwind::elf::{self, Name};
use memtrace_hot::unwind::object::{Dynamic, LinkMap, link_maps};

/// One function, looked up at the start or when it is first called.
pub struct Real {
    address: AtomicUsize,
    /// Its symbol.
    pub name: Name,
}

impl Real {
    const fn new(name: Name) -> Self {
        Self { address: AtomicUsize::new(0), name }
    }

    /// Its address; 0 if no module has it.
    #[inline(always)]
    pub fn get(&self) -> usize {
        match self.address.load(Ordering::Relaxed) {
            0 => self.look(),
            known => known,
        }
    }

    #[cold]
    fn look(&self) -> usize {
        let found = next(self.name).map_or(0, |(address, _)| address);
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

unsafe extern "C" {
    /// Our own dynamic section.
    #[link_name = "_DYNAMIC"]
    static OWN_DYNAMIC: Dynamic;
}

/// Whether a link map is ours.
pub fn is_own(map: &LinkMap) -> bool {
    core::ptr::eq(map.dynamic, &raw const OWN_DYNAMIC)
}

/// The next definition behind ours, and its module.
pub fn next(name: Name) -> Option<(usize, &'static LinkMap)> {
    elf::next(&raw const OWN_DYNAMIC, name)
}

/// The first definition in front of ours, if there is one: then ours is never called.
pub fn before(name: Name) -> Option<&'static LinkMap> {
    link_maps().take_while(|map| !is_own(map)).find(|map| elf::function(map, name).is_some())
}

macro_rules! reals {
    ($($variable:ident = $name:literal;)*) => {
        $(#[doc = concat!("The real `", stringify!($name), "`.")] pub static $variable: Real = Real::new($name);)*
    };
}

reals! {
    MALLOC = c"malloc";
    CALLOC = c"calloc";
    REALLOC = c"realloc";
    FREE = c"free";
    MEMALIGN = c"memalign";
    POSIX_MEMALIGN = c"posix_memalign";
    ALIGNED_ALLOC = c"aligned_alloc";
    VALLOC = c"valloc";
    PVALLOC = c"pvalloc";
    MALLOC_USABLE_SIZE = c"malloc_usable_size";
    FREE_SIZED = c"free_sized";
    FREE_ALIGNED_SIZED = c"free_aligned_sized";
    LIBC_MEMALIGN = c"__libc_memalign";
    FFLUSH = c"fflush";
    SIGALTSTACK = c"sigaltstack";
    MADVISE = c"madvise";
    WAITPID = c"waitpid";
    WAITID = c"waitid";
    WAIT3 = c"wait3";
    WAIT4 = c"wait4";
    EXIT = c"exit";
    FAST_EXIT = c"_exit";
    FAST_EXIT_C99 = c"_Exit";
    QUICK_EXIT = c"quick_exit";
    ABORT = c"abort";
    ASSERT_FAIL = c"__assert_fail";
    STACK_CHK_FAIL = c"__stack_chk_fail";
    LIBC_START_MAIN = c"__libc_start_main";
    FORK = c"fork";
    RAW_FORK = c"_Fork";
    VFORK = c"vfork";
    EXECVE = c"execve";
    EXECV = c"execv";
    EXECVP = c"execvp";
    EXECVPE = c"execvpe";
    EXECL = c"execl";
    EXECLP = c"execlp";
    EXECLE = c"execle";
    FEXECVE = c"fexecve";
    EXECVEAT = c"execveat";
    POSIX_SPAWN = c"posix_spawn";
    POSIX_SPAWNP = c"posix_spawnp";
    PTHREAD_CREATE = c"pthread_create";
    PRCTL = c"prctl";
    SYSCALL = c"syscall";
    PTHREAD_SETNAME = c"pthread_setname_np";
    DLOPEN = c"dlopen";
    DLMOPEN = c"dlmopen";
    DLCLOSE = c"dlclose";
    REGISTER_FRAME = c"__register_frame";
    CXA_ATEXIT = c"__cxa_atexit";
    CXA_AT_QUICK_EXIT = c"__cxa_at_quick_exit";
    ERRNO_LOCATION = c"__errno_location";
    FIND_OBJECT = c"_dl_find_object";
}

/// The calling thread's errno.
pub fn errno() -> i32 {
    // SAFETY: `errno_place` gives null or the thread's own.
    unsafe { errno_place().as_ref() }.copied().unwrap_or(0)
}

/// Sets errno, as a failing allocator does.
pub fn set_errno(value: i32) {
    // SAFETY: as above.
    if let Some(place) = unsafe { errno_place().as_mut() } {
        *place = value;
    }
}

fn errno_place() -> *mut i32 {
    let address = ERRNO_LOCATION.get();
    if address == 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: glibc's function of this type (errno(3)).
    let location: extern "C" fn() -> *mut i32 = unsafe { core::mem::transmute(address) };
    location()
}

/// free, if it was looked up, as it was if anything is recorded; else what is to be done instead. Calls nothing but these.
#[inline(always)]
pub fn free_if_known(block: *mut c_void, otherwise: fn(*mut c_void)) {
    match FREE.address.load(Ordering::Relaxed) {
        0 => otherwise(block),
        // SAFETY: the C library's free has this type (malloc(3)).
        address => unsafe { core::mem::transmute::<usize, extern "C" fn(*mut c_void)>(address)(block) },
    }
}

macro_rules! caller {
    ($($(#[$doc:meta])* $name:ident($real:ident; $($argument:ident: $ty:ty),*) -> $result:ty;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $name($($argument: $ty),*) -> $result {
                let address = $real.get();
                // SAFETY: the function of this name has this type (its man page); every C library has it, and
                // where one does not, nobody could have linked against our export of it either.
                let call: extern "C" fn($($ty),*) -> $result = unsafe { core::mem::transmute(address) };
                call($($argument),*)
            }
        )*
    };
}

caller! {
    /// malloc(3).
    malloc(MALLOC; size: usize) -> *mut c_void;
    /// calloc(3).
    calloc(CALLOC; count: usize, size: usize) -> *mut c_void;
    /// realloc(3).
    realloc(REALLOC; old: *mut c_void, size: usize) -> *mut c_void;
    /// free(3).
    free(FREE; old: *mut c_void) -> ();
    /// memalign(3).
    memalign(MEMALIGN; alignment: usize, size: usize) -> *mut c_void;
    /// posix_memalign(3).
    posix_memalign(POSIX_MEMALIGN; into: *mut *mut c_void, alignment: usize, size: usize) -> i32;
    /// aligned_alloc(3).
    aligned_alloc(ALIGNED_ALLOC; alignment: usize, size: usize) -> *mut c_void;
    /// valloc(3).
    valloc(VALLOC; size: usize) -> *mut c_void;
    /// pvalloc(3).
    pvalloc(PVALLOC; size: usize) -> *mut c_void;
    /// malloc_usable_size(3).
    malloc_usable_size(MALLOC_USABLE_SIZE; block: *mut c_void) -> usize;
}
