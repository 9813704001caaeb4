//! Whether a bare process has something to say at its end without being asked.
//!
//! Findings are: leaks, blocks of the kinds that MEMTRACE_SHOW asks for, heap errors, faults, warnings, and a reason why nothing was
//! recorded. Most processes have none, which is known before any name is looked up.

use memtrace_wire::layout::Passive;
use memtrace_wire::settings::{self, Settings};

use crate::profile;
use crate::profile::leaks::Kind;
use crate::recording::Process;
use crate::views::leaks;

/// What a process may have to say without being asked; found without any names.
pub struct Found {
    /// Lost blocks.
    pub lost: usize,
    /// Reachable blocks.
    pub held: u64,
    /// Heap errors, and notes of what was asked for.
    pub heap: bool,
    /// Faults, warnings, a reason why nothing was recorded, or live blocks of which nobody knows whether they are lost.
    pub others: bool,
}

impl Found {
    /// Of a recorded process.
    pub fn of(process: &Process) -> Found {
        let header = &process.header;
        let settings = settings::parse(process.settings());
        let is_passive = !matches!(Passive::from_number(header.passive.get()), Some(Passive::No | Passive::Excluded));
        let others = header.fault_armed.get() > 0
            || header.fault_fired.get() > 0
            || settings.wrong != 0
            || settings.beaten != 0
            || profile::is_own_bad(process)
            || is_passive;
        let heap = header.heap_errors.get() > 0 || header.heap_notes.get() > 0;
        match process.checks.whole().0.last().filter(|check| check.is_last_word()) {
            Some(check) => {
                let held = check.row.reachable_blocks.get();
                // Lost blocks for whose list there was no memory.
                let is_cut = check.row.blocks.get().saturating_sub(held) > check.lost.len() as u64;
                Found { lost: check.lost.len(), held, heap, others: others || is_cut }
            }
            None => {
                let mut sites = process.sites.iter().skip(1);
                let is_live = sites.any(|site| site.live_count() > site.foreign_count.get());
                Found { lost: 0, held: 0, heap, others: others || is_live }
            }
        }
    }

    /// Whether it is worth finding out what is to be said.
    pub fn may_be_shown(&self, settings: &Settings<'_>) -> bool {
        self.others || self.heap || self.lost > 0 || self.held > 0 && settings.show.has(Kind::Reachable.verdict())
    }
}

/// Whether there are leaks to be told, or blocks of a kind that MEMTRACE_SHOW asks for.
pub fn has_leaks_to_show(process: &profile::Process, settings: &Settings<'_>) -> bool {
    let Some(mut sums) = leaks::last_word(process).map(|check| check.summary) else { return false };
    let is_wanted = |kind: &Kind| settings.show.has(kind.verdict());
    let kinds = [Kind::Definite, Kind::Possible, Kind::Indirect, Kind::Reachable];
    leaks::leaked(process).blocks > 0
        || kinds.iter().filter(|kind| is_wanted(kind)).any(|&kind| sums.of(kind).blocks > 0)
}
