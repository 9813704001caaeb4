//! A lock for the rare moments in which a table grows.
//!
//! Whoever holds it does a few system calls at most. It is never taken by a hook that interrupted another one
//! (`Thread::inside`), so a thread cannot meet itself here, and fork children reset it.

use memtrace_wire::map::U32;
use memtrace_wire::sys;

/// Spins a little, then gives way.
pub struct Lock {
    held: U32,
}

/// Holds the lock until it is dropped.
pub struct Guard<'a>(&'a Lock);

/// Tries before the processor is given away; the longest holder maps a window, some microseconds.
const SPINS_MAX: u32 = 200;

impl Lock {
    /// Free.
    pub const fn new() -> Self {
        Self { held: U32::new(0) }
    }

    /// Waits until the lock is free, and takes it.
    pub fn enter(&self) -> Guard<'_> {
        let mut spins = 0;
        while !self.held.replace(0, 1) {
            spins += 1;
            if spins < SPINS_MAX {
                core::hint::spin_loop();
            } else {
                sys::give_way();
            }
        }
        Guard(self)
    }

    /// Takes it if it is free.
    pub fn try_enter(&self) -> Option<Guard<'_>> {
        // Not `then_some`: a guard that is made and dropped would free the lock of another.
        self.held.replace(0, 1).then(|| Guard(self))
    }

    /// Whether somebody has it.
    pub fn is_held(&self) -> bool {
        self.held.acquire() != 0
    }

    /// Free again, in a fork child whose holder stayed behind.
    pub fn reset(&self) {
        self.held.publish(0);
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.held.publish(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_stays_held_whoever_tries() {
        let lock = Lock::new();
        let guard = lock.enter();
        assert!(lock.try_enter().is_none() && lock.try_enter().is_none());
        drop(guard);
        assert!(lock.try_enter().is_some());
    }
}
