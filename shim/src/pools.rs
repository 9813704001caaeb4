//! Pools and arenas of the program's own: it announces what they give and take back (`include/memtrace.h`).

use core::ffi::c_void;
use memtrace_hot::unwind::Entry;

use crate::hooks::hook;
use crate::inside::{HOT, enter, is_active};

hook!(
    /// A pool, which any address that is not null stands for, gave a block.
    memtrace_pool_alloc(pool: *const c_void, block: *const c_void, size: usize) -> (), entry => {
        if is_active() && let Some(inside) = enter(entry) {
            HOT.pool_gave(inside, entry, pool as u64, block as u64, size as u64);
        }
    }
);

/// A block went back to its pool.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_pool_free(pool: *const c_void, block: *const c_void) {
    let here = &raw const block as u64;
    if is_active()
        && let Some(inside) = enter(Entry { sp: here, bp: 0 })
    {
        HOT.pool_took(inside, pool as u64, block as u64);
    }
}

/// A pool gave all its blocks up.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_pool_destroy(pool: *const c_void) {
    let here = &raw const pool as u64;
    if is_active()
        && let Some(inside) = enter(Entry { sp: here, bp: 0 })
    {
        HOT.pool_ended(inside, pool as u64);
    }
}
