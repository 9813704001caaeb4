//! What checks for leaks have found: tables of the recording that cold fills.

use memtrace_wire::layout::{
    CHECKS_PER_WINDOW, Check, EDGES_PER_WINDOW, Edge, HELD_PER_WINDOW, Held, LOST_PER_WINDOW, Lost, STEPS_PER_WINDOW,
    Step, WindowKind,
};

use crate::map::Table;

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
