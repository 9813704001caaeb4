//! What there is to say about a process.

use memtrace_hot::Hot;
use memtrace_wire::layout::{IN_POOLS, Passive};
use memtrace_wire::leaks::Kinds;
use memtrace_wire::settings::Settings;
use memtrace_wire::verdict::Verdict;

use crate::check::Sums;

/// Sums over all sites, and what else asks for a report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    /// Live blocks.
    pub live_blocks: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Live blocks that pools of the program's own gave.
    pub pool_blocks: u64,
    /// Sites that have some.
    pub sites: u64,
    /// Allocations that were made to fail.
    pub faults: u64,
    /// Heap errors, and notes that were asked for.
    pub heap: u64,
    /// A failure was asked for, and none came.
    pub never_fired: bool,
    /// Settings that were not understood, or that contradict.
    pub warnings: bool,
    /// What a check found, if blocks were classified.
    pub lost: Option<Sums>,
    /// Why nothing was recorded, as a `Passive`; 0: it was.
    pub passive: u32,
}

impl Findings {
    /// Reads them from the tables.
    pub fn of(hot: &Hot, settings: &Settings<'_>) -> Findings {
        let mut findings = Findings { warnings: settings.wrong != 0 || settings.beaten != 0, ..Findings::default() };
        let Some(process) = hot.store.process() else { return findings };
        findings.passive = process.passive.get();
        findings.faults = process.fault_fired.get();
        findings.heap = process.heap_errors.get() + process.heap_notes.get();
        findings.never_fired = process.fault_armed.get() != 0 && findings.faults == 0;
        for number in 1..process.site_count.acquire() {
            let Some(site) = hot.sites.get(number) else { break };
            let (blocks, bytes) = live(site);
            if blocks != 0 && site.flags.get() & IN_POOLS != 0 {
                findings.pool_blocks += blocks;
            } else if blocks != 0 {
                findings.live_blocks += blocks;
                findings.live_bytes += bytes;
                findings.sites += 1;
            }
        }
        findings
    }

    /// Whether there may be something to say once blocks were classified.
    pub fn any_shown(&self, show: Kinds) -> bool {
        let quiet = match self.lost {
            Some(lost) => lost.lost_blocks == 0 && !show.has(Verdict::Reachable),
            None => false,
        };
        match quiet {
            true => Findings { live_blocks: 0, pool_blocks: 0, ..*self }.any(),
            false => self.any(),
        }
    }

    /// Whether a process that was not asked for a summary says anything.
    pub fn any(&self) -> bool {
        let quiet = [Passive::No as u32, Passive::Excluded as u32];
        let told = self.live_blocks != 0 || self.pool_blocks != 0 || self.faults != 0 || self.heap != 0;
        told || self.never_fired || self.warnings || !quiet.contains(&self.passive)
    }
}

/// About how many blocks live, of those that have a place in the tables.
pub fn live_blocks(hot: &Hot) -> u64 {
    let count = hot.store.process().map_or(0, |process| process.site_count.acquire());
    (1..count).map_while(|number| hot.sites.get(number)).map(|site| live(site).0).sum()
}

/// Live blocks and bytes of a site.
pub fn live(site: &memtrace_wire::layout::Site) -> (u64, u64) {
    // Read the frees first: whoever frees a block later was allocated before.
    let (foreign_blocks, foreign_bytes) = (site.foreign_count.get(), site.foreign_bytes.get());
    (site.live_count().saturating_sub(foreign_blocks), site.live_bytes.get().saturating_sub(foreign_bytes))
}
