//! What checks for leaks have found: tables of the recording that cold fills.

use memtrace_wire::layout::{
    CHECKS_PER_WINDOW, Check, EDGES_PER_WINDOW, Edge, HELD_PER_WINDOW, Held, LOST_PER_WINDOW, Lost, STEPS_PER_WINDOW,
    Step, WindowKind,
};
use memtrace_wire::map::U64;

use crate::map::Table;
use crate::store::Store;

/// Windows of each table: half a billion lost blocks.
const WINDOWS: usize = 8192;

/// The tables.
pub struct Checks {
    /// One row a check.
    pub rows: Table<Check, { WindowKind::Checks as u32 }, 1024, { CHECKS_PER_WINDOW.trailing_zeros() }>,
    /// Lost blocks.
    pub lost: Table<Lost, { WindowKind::Lost as u32 }, WINDOWS, { LOST_PER_WINDOW.trailing_zeros() }>,
    /// Pointers among them.
    pub edges: Table<Edge, { WindowKind::Edges as u32 }, WINDOWS, { EDGES_PER_WINDOW.trailing_zeros() }>,
    /// Sites whose blocks can be reached.
    pub held: Table<Held, { WindowKind::Held as u32 }, WINDOWS, { HELD_PER_WINDOW.trailing_zeros() }>,
    /// Steps from roots to blocks.
    pub steps: Table<Step, { WindowKind::Steps as u32 }, WINDOWS, { STEPS_PER_WINDOW.trailing_zeros() }>,
}

impl Checks {
    /// Empty.
    pub const fn new() -> Self {
        Self { rows: Table::new(), lost: Table::new(), edges: Table::new(), held: Table::new(), steps: Table::new() }
    }

    /// Goes on where the copy before stopped: the windows that it has begun are mapped here too.
    pub fn go_on(&self, store: &Store) {
        let Some(process) = store.process().filter(|_| store.is_shared()) else { return };
        for window in store.windows() {
            let begun = |count: &U64, rows: u64| {
                let first = window.index.get();
                (first..first + rows).contains(&count.get()).then(|| store.map_again(window)).flatten()
            };
            match WindowKind::from_number(window.kind.get()) {
                Some(WindowKind::Checks) => self.rows.adopt(window, begun(&process.check_count, CHECKS_PER_WINDOW)),
                Some(WindowKind::Lost) => self.lost.adopt(window, begun(&process.lost_count, LOST_PER_WINDOW)),
                Some(WindowKind::Edges) => self.edges.adopt(window, begun(&process.edge_count, EDGES_PER_WINDOW)),
                Some(WindowKind::Held) => self.held.adopt(window, begun(&process.held_count, HELD_PER_WINDOW)),
                Some(WindowKind::Steps) => self.steps.adopt(window, begun(&process.step_count, STEPS_PER_WINDOW)),
                _ => {}
            }
        }
    }

    /// Forgets all, in a fork child.
    pub fn forget(&self, shared: bool) {
        self.rows.forget(shared);
        self.lost.forget(shared);
        self.edges.forget(shared);
        self.held.forget(shared);
        self.steps.forget(shared);
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::new()
    }
}
