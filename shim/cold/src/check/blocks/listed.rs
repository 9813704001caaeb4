//! The blocks of a check, listed from the tables: those of the allocator by address, and behind them those of pools.

use memtrace_hot::Hot;
use memtrace_hot::written::Written;

use super::SITE_BITS;
use crate::check::space::{Array, List};

const BYTES_MAX: u64 = (1 << (64 - SITE_BITS)) - 1;
/// Blocks that may come while they are counted, if threads could not be stopped.
const SLACK: usize = 4096;

/// Rows that are being filled.
pub(super) struct Filling<'a> {
    rows: &'a Array<[u64; 2]>,
    pub(super) count: usize,
    last: u64,
}

impl<'a> Filling<'a> {
    pub(super) fn of(rows: &'a Array<[u64; 2]>) -> Self {
        Self { rows, count: 0, last: 0 }
    }

    pub(super) fn push(&mut self, address: u64, bytes: u64, site: u32) {
        // What threads change while they are read may come twice or overlap; a table of intervals may not.
        if (self.count == 0 || address > self.last) && self.count < self.rows.length() {
            self.rows.set(self.count, [address << 8, bytes.min(BYTES_MAX) << SITE_BITS | u64::from(site)]);
            self.last = address;
            self.count += 1;
        }
    }
}

/// The blocks of the side table, by address: address, bytes, site.
pub struct Sides {
    /// Without a cell of their own.
    beside: List<[u64; 3]>,
    /// Of pools.
    pools: List<[u64; 3]>,
}

impl Sides {
    /// How many there are, and may come.
    pub(super) fn count_with_slack(&self) -> usize {
        self.beside.count() + self.pools.count() + SLACK
    }
}

/// How many blocks a list has: those of pools stand last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Of the allocator.
    pub own: usize,
    /// Of pools.
    pub pools: usize,
}

/// The blocks of the side table.
pub fn sides(hot: &Hot) -> Option<Sides> {
    let of = |is_pools: bool| {
        let blocks = || hot.sides.blocks(&hot.store).filter(move |(_, pool)| (*pool != 0) == is_pools);
        let list = List::<[u64; 3]>::new(blocks().count() + SLACK)?;
        blocks().for_each(|(block, _)| _ = list.push([block.address, block.bytes, u64::from(block.site)]));
        list.sort(|&[address, ..]| address);
        Some(list)
    };
    Some(Sides { beside: of(false)?, pools: of(true)? })
}

/// As many blocks as there can be.
pub fn room(hot: &Hot, sides: &Sides) -> usize {
    hot.live.cell_count() + sides.count_with_slack()
}

/// Lists the blocks of the live table and these.
pub fn list(hot: &Hot, Sides { beside: sides, pools }: &Sides, into: &Array<[u64; 2]>) -> Listed {
    let mut rows = Filling::of(into);
    let mut next = 0;
    hot.live.each_block(&Written::of(&hot.store), |address, bytes, site| {
        while next < sides.count() && sides.get(next)[0] < address {
            let [address, bytes, site] = sides.get(next);
            rows.push(address, bytes, site as u32);
            next += 1;
        }
        rows.push(address, bytes, site);
    });
    for [address, bytes, site] in sides.iter().skip(next) {
        rows.push(address, bytes, site as u32);
    }
    let own = rows.count;
    rows.last = 0;
    let mut end = 0;
    for [address, bytes, site] in pools.iter() {
        // A pool in a pool: the outer block stands for it.
        if address >= end && address > 0 {
            rows.push(address, bytes, site as u32);
            end = address.saturating_add(bytes.max(1));
        }
    }
    Listed { own, pools: rows.count - own }
}
