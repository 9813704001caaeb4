//! The allocation functions of C, exported. Each is one line of the entry macro.

use core::ffi::c_void;
use memtrace_hot::release::{ANY, Release};
use memtrace_hot::unwind::Entry;
use memtrace_wire::heap::Releaser;
use memtrace_wire::layout::Op;

use crate::frees::{self, free_slowly};
use crate::inside::{allocate, is_no_sample, passes, reallocate};
use crate::real;

/// An exported function: its naked entry hands rsp and rbp, which show the caller's frame, to the body as two
/// further arguments, and leaves. The body returns straight to the caller.
macro_rules! hook {
    ($(#[$doc:meta])* $name:ident($one:ident: $one_ty:ty) -> $result:ty, $entry:ident => $body:expr $(; first $first:block)?) => {
        hook!(@make $(#[$doc])* $name, ($one: $one_ty), $result, $entry, $body, "mov rsi, rsp", "mov rdx, rbp" $(, $first)?);
    };
    ($(#[$doc:meta])* $name:ident($one:ident: $one_ty:ty, $two:ident: $two_ty:ty) -> $result:ty, $entry:ident => $body:expr $(; first $first:block)?) => {
        hook!(@make $(#[$doc])* $name, ($one: $one_ty, $two: $two_ty), $result, $entry, $body, "mov rdx, rsp", "mov rcx, rbp" $(, $first)?);
    };
    ($(#[$doc:meta])* $name:ident($one:ident: $one_ty:ty, $two:ident: $two_ty:ty, $three:ident: $three_ty:ty) -> $result:ty, $entry:ident => $body:expr) => {
        hook!(@make $(#[$doc])* $name, ($one: $one_ty, $two: $two_ty, $three: $three_ty), $result, $entry, $body, "mov rcx, rsp", "mov r8, rbp");
    };
    ($(#[$doc:meta])* $name:ident($one:ident: $one_ty:ty, $two:ident: $two_ty:ty, $three:ident: $three_ty:ty, $four:ident: $four_ty:ty) -> $result:ty, $entry:ident => $body:expr) => {
        hook!(@make $(#[$doc])* $name, ($one: $one_ty, $two: $two_ty, $three: $three_ty, $four: $four_ty), $result, $entry, $body, "mov r8, rsp", "mov r9, rbp");
    };
    (@make $(#[$doc:meta])* $name:ident, ($($argument:ident: $ty:ty),*), $result:ty, $entry:ident, $body:expr, $sp:literal, $bp:literal $(, $first:block)?) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $ty),*) -> $result {
            extern "C" fn body($($argument: $ty,)* sp: u64, bp: u64) -> $result {
                // All that is done where it is no sample; in a function of its own, which saves no registers.
                $($first)?
                whole($($argument,)* sp, bp)
            }
            #[inline(never)]
            extern "C" fn whole($($argument: $ty,)* sp: u64, bp: u64) -> $result {
                let $entry = Entry { sp, bp };
                $body
            }
            core::arch::naked_asm!(".cfi_startproc", $sp, $bp, "jmp {body}", ".cfi_endproc", body = sym body)
        }
    };
}

pub(crate) use hook;

/// The bytes that a product asks for; more than there is, if it overflows.
pub const fn product(count: usize, size: usize) -> usize {
    count.saturating_mul(size)
}

hook!(
    /// See malloc(3).
    malloc(size: usize) -> *mut c_void, entry => allocate(entry, Op::Malloc, size, || real::malloc(size));
    first { if passes(size) { return real::malloc(size) } }
);
hook!(
    /// See calloc(3).
    calloc(count: usize, size: usize) -> *mut c_void, entry =>
        allocate(entry, Op::Calloc, product(count, size), || real::calloc(count, size));
    first { if passes(product(count, size)) { return real::calloc(count, size) } }
);
hook!(
    /// See realloc(3).
    realloc(old: *mut c_void, size: usize) -> *mut c_void, entry =>
        reallocate(entry, Op::Realloc, old, Some(size), || real::realloc(old, size))
);
hook!(
    /// See reallocarray(3).
    reallocarray(old: *mut c_void, count: usize, size: usize) -> *mut c_void, entry =>
        reallocarray_body(entry, old, count, size)
);
hook!(
    /// See memalign(3).
    memalign(alignment: usize, size: usize) -> *mut c_void, entry =>
        allocate(entry, Op::Memalign, size, || real::memalign(alignment, size))
);
hook!(
    /// glibc's own name for memalign, which old loaders call.
    __libc_memalign(alignment: usize, size: usize) -> *mut c_void, entry =>
        allocate(entry, Op::Memalign, size, || match real::LIBC_MEMALIGN.get() {
            0 => real::memalign(alignment, size),
            // SAFETY: glibc's function of this name has memalign's type.
            address => unsafe {
                core::mem::transmute::<usize, extern "C" fn(usize, usize) -> *mut c_void>(address)(alignment, size)
            },
        })
);
hook!(
    /// See aligned_alloc(3).
    aligned_alloc(alignment: usize, size: usize) -> *mut c_void, entry =>
        allocate(entry, Op::AlignedAlloc, size, || real::aligned_alloc(alignment, size))
);
hook!(
    /// See valloc(3).
    valloc(size: usize) -> *mut c_void, entry => allocate(entry, Op::Valloc, size, || real::valloc(size))
);
hook!(
    /// See pvalloc(3).
    pvalloc(size: usize) -> *mut c_void, entry => allocate(entry, Op::Pvalloc, size, || real::pvalloc(size))
);
hook!(
    /// See posix_memalign(3): the error is the result, errno and `*into` stay as they were.
    posix_memalign(into: *mut *mut c_void, alignment: usize, size: usize) -> i32, entry =>
        posix_memalign_body(entry, into, alignment, size)
);
hook!(
    /// See free(3).
    free(old: *mut c_void) -> (), entry => frees::free(entry, old);
    first { if is_no_sample(old) { return real::free(old) } }
);
hook!(
    /// free of C23: the size is a promise of the caller's, which the real one may check.
    free_sized(old: *mut c_void, size: usize) -> (), entry => {
        let next = free_slowly(Release { entry, by: Releaser::FREE_SIZED, given: size as u64 }, old);
        let free = || match real::FREE_SIZED.get() {
            0 => real::free(old),
            // SAFETY: the C library's function of this name has this type (C23 7.24.3.4).
            address => unsafe { core::mem::transmute::<usize, extern "C" fn(*mut c_void, usize)>(address)(old, size) },
        };
        frees::end(next, free);
    }
);
hook!(
    /// free of C23 for aligned blocks.
    free_aligned_sized(old: *mut c_void, alignment: usize, size: usize) -> (), entry => {
        let next = free_slowly(Release { entry, by: Releaser::FREE_ALIGNED_SIZED, given: ANY }, old);
        let free = || match real::FREE_ALIGNED_SIZED.get() {
            0 => real::free(old),
            // SAFETY: the C library's function of this name has this type (C23 7.24.3.5).
            address => unsafe {
                core::mem::transmute::<usize, extern "C" fn(*mut c_void, usize, usize)>(address)(old, alignment, size)
            },
        };
        frees::end(next, free);
    }
);
hook!(
    /// See malloc_usable_size(3).
    malloc_usable_size(block: *mut c_void) -> usize, _entry => {
        crate::guard::asked(block);
        real::malloc_usable_size(block)
    }
);

/// The real one would come back to our realloc, as a second call; it is defined by realloc and an overflow check.
fn reallocarray_body(entry: Entry, old: *mut c_void, count: usize, size: usize) -> *mut c_void {
    let bytes = count.checked_mul(size);
    reallocate(entry, Op::Reallocarray, old, bytes, || match bytes {
        Some(bytes) => real::realloc(old, bytes),
        None => {
            real::set_errno(libc::ENOMEM);
            core::ptr::null_mut()
        }
    })
}

fn posix_memalign_body(entry: Entry, into: *mut *mut c_void, alignment: usize, size: usize) -> i32 {
    let mut status = None;
    // An illegal alignment is judged before memory is asked for, so such a call is not an allocation.
    if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<*mut c_void>()) {
        return real::posix_memalign(into, alignment, size);
    }
    let errno = real::errno();
    allocate(entry, Op::PosixMemalign, size, || {
        let result = real::posix_memalign(into, alignment, size);
        status = Some(result);
        if result == 0 {
            // SAFETY: the real function has just written it.
            unsafe { *into }
        } else {
            core::ptr::null_mut()
        }
    });
    // Not called: made to fail, which must not show in errno.
    status.unwrap_or_else(|| {
        real::set_errno(errno);
        libc::ENOMEM
    })
}
