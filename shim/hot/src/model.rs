//! The tables under every order of threads that a test can think of: the code itself, one thread at a time.
//!
//! ```text
//!   thread 0 ──access──▶ step ─┐            an order says who goes on at each access to a cell:
//!   thread 1 ──access──▶ step ─┼─▶ baton ◀── two switches, at every pair of places in turn, or chance
//!   thread 2 ──access──▶ step ─┘
//! ```
//!
//! All that threads share in the tables are cells (`wire::map`), and an access to one is where another thread can come in
//! between. The orders are those of one memory that all see at once; what a processor may still put off, a store that
//! its own later loads pass, is looked for by the stress test and by ThreadSanitizer.

mod stress;
mod tables;

use std::boxed::Box;
use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::vec::Vec;

/// Who goes on when.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// The threads one after the other, but at these accesses (counted over all) the next one goes on.
    Switches([u32; 2]),
    /// One access in four, by chance from this seed.
    Chance(u64),
}

struct State {
    order: Order,
    now: usize,
    alive: Vec<bool>,
    steps: u32,
    random: u64,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
static TURN: Condvar = Condvar::new();
/// One model at a time.
static ALONE: Mutex<()> = Mutex::new(());
/// More accesses than any model here makes: somebody waits for ever.
const STEPS_MAX: u32 = 200_000;

std::thread_local! {
    static ME: Cell<Option<usize>> = const { Cell::new(None) };
}

impl State {
    /// The next one who is alive, from a place on.
    fn after(&self, place: usize) -> Option<usize> {
        let count = self.alive.len();
        (1..=count).map(|step| (place + step) % count).find(|&thread| self.alive[thread])
    }

    fn step(&mut self, me: usize) {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "{:?}: nobody gets on", self.order);
        let is_switch = match self.order {
            // Who waits for another one would wait for ever.
            Order::Switches(places) => places.contains(&self.steps) || self.steps.is_multiple_of(2000),
            Order::Chance(_) => {
                self.random =
                    self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                self.random >> 62 == 0
            }
        };
        if is_switch {
            let from = if matches!(self.order, Order::Chance(_)) { (self.random >> 40) as usize } else { me };
            self.now = self.after(from % self.alive.len()).unwrap_or(me);
        }
    }
}

fn wait_for_turn(mut state: MutexGuard<'_, Option<State>>, me: usize) {
    while state.as_ref().is_some_and(|state| state.now != me) {
        state = TURN.wait(state).expect("no model has failed");
    }
}

/// Before each access to a cell, by a thread of a model.
fn step() {
    let Some(me) = ME.get() else { return };
    let mut state = STATE.lock().expect("no model has failed");
    let Some(now) = state.as_mut() else { return };
    now.step(me);
    if now.now != me {
        TURN.notify_all();
        wait_for_turn(state, me);
    }
}

/// Runs the threads in one order; how many accesses they made.
fn run(order: Order, threads: Vec<Box<dyn FnOnce() + Send + '_>>) -> u32 {
    memtrace_wire::map::model::install(step);
    let seed = if let Order::Chance(seed) = order { seed } else { 0 };
    let alive = threads.iter().map(|_| true).collect();
    *STATE.lock().expect("no model has failed") = Some(State { order, now: 0, alive, steps: 0, random: seed });
    thread::scope(|scope| {
        for (me, work) in threads.into_iter().enumerate() {
            scope.spawn(move || {
                wait_for_turn(STATE.lock().expect("no model has failed"), me);
                ME.set(Some(me));
                work();
                ME.set(None);
                let mut state = STATE.lock().expect("no model has failed");
                if let Some(state) = state.as_mut() {
                    state.alive[me] = false;
                    state.now = state.after(me).unwrap_or(me);
                }
                TURN.notify_all();
            });
        }
    });
    STATE.lock().expect("no model has failed").take().map_or(0, |state| state.steps)
}

/// Accesses that two switches are tried at: of longer models only a part, evenly.
const PLACES_MAX: u32 = 24;
const CHANCES: u64 = 150;

/// Plays a scene in many orders. `scene` makes what the threads share and gives them, and what must hold afterwards.
fn explore<S>(
    make: impl Fn() -> S,
    threads: impl Fn(&S) -> Vec<Box<dyn FnOnce() + Send + '_>>,
    hold: impl Fn(&S, Order),
) {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let play = |order| {
        let shared = make();
        let steps = run(order, threads(&shared));
        hold(&shared, order);
        steps
    };
    let steps = play(Order::Switches([0, 0]));
    let every = steps / PLACES_MAX + 1;
    for first in (1..=steps).step_by(every as usize) {
        for second in (first + 1..=steps + 1).step_by(every as usize) {
            play(Order::Switches([first, second]));
        }
    }
    (1..=CHANCES).for_each(|seed| _ = play(Order::Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
}
