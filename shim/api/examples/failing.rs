//! Says on stdout what the crate does; without the library the same, and nothing fails.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use memtrace_api::{Failure, benign, check_leaks, fail_sweep, is_here, last_point, marker, pause};

/// Whether an allocation succeeds.
fn one() -> bool {
    black_box(Vec::<u8>::new()).try_reserve_exact(10).is_ok()
}

/// A digit for each of five allocations: 1 it succeeded, 0 it failed.
fn five() -> [u8; 5] {
    [0; 5].map(|_| if one() { b'1' } else { b'0' })
}

/// Prints digits. Nothing is armed then, so that it may allocate itself.
fn say(what: &str, digits: [u8; 5]) {
    println!("{what} {}", String::from_utf8_lossy(&digits));
}

/// Three allocations, each of which may be refused.
fn pairs() -> Option<Vec<Vec<u8>>> {
    let mut pairs = Vec::new();
    pairs.try_reserve_exact(2).ok()?;
    for bytes in [20, 30] {
        let mut row = Vec::new();
        row.try_reserve_exact(bytes).ok()?;
        pairs.push(row);
    }
    Some(pairs)
}

/// The same in another thread, which has begun before the failure is armed and ends afterwards: what starts and ends a
/// thread allocates too.
fn elsewhere(failure: Failure<'_>) -> [u8; 5] {
    let stage = AtomicU32::new(0);
    let wait_for = |wanted| {
        while stage.load(Ordering::Acquire) != wanted {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            stage.store(1, Ordering::Release);
            wait_for(2);
            let digits = five();
            stage.store(3, Ordering::Release);
            wait_for(4);
            digits
        });
        wait_for(1);
        let failing = failure.arm();
        stage.store(2, Ordering::Release);
        wait_for(3);
        drop(failing);
        stage.store(4, Ordering::Release);
        other.join().unwrap_or_default()
    })
}

fn main() {
    println!("here {}, failed before {}", is_here(), last_point().is_some());
    let failing = Failure::after(1).times(2).arm();
    let (digits, fired, seen) = (five(), failing.fired(), failing.seen());
    drop(failing);
    say("armed", digits);
    println!("{fired} of {seen}, then {:?}", one());
    let name = last_point().map(|point| point.to_string()).unwrap_or_default();
    println!("a name of {} digits", name.chars().filter(char::is_ascii_hexdigit).count());

    let failing = Failure::after(0).for_ever().arm();
    let paused = pause();
    let also_paused = pause();
    drop(also_paused);
    let while_paused = five();
    drop(paused);
    let _benign = benign();
    let resumed = five();
    drop(failing);
    say("paused", while_paused);
    say("resumed", resumed);

    let failing = Failure::after(0).for_ever().in_modules(c"nowhere*").arm();
    let nowhere = five();
    drop(failing);
    let failing = Failure::after(0).for_ever().in_modules(c"nowhere*,failing*").arm();
    let itself = five();
    drop(failing);
    say("in no module", nowhere);
    say("in this one", itself);

    for failure in [Failure::after(0).for_ever(), Failure::after(0).for_ever().in_all_threads()] {
        say("elsewhere", elsewhere(failure));
    }

    let (mut calls, mut refused) = (0, 0);
    let points = fail_sweep(|| {
        calls += 1;
        refused += u32::from(pairs().is_none());
    });
    println!("sweep {points} in {calls} calls, {refused} refused");
    marker(c"begin");
    say("since the marker", five());
    println!("leaks checked {}", check_leaks().is_some());
}
