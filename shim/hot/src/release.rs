//! A block goes: before the real free. What gives it back is compared with what gave it.

use memtrace_wire::heap::{FAMILY, Kind, Releaser};
use memtrace_wire::layout::{LOADER_BLOCKS, Site};

use crate::Hot;
use crate::live::Block;
use crate::record::Taken;
use crate::sample::Weight;
use crate::site::UNKNOWN_SITE;
use crate::thread::{Body, Inside};
use crate::unwind::Entry;

/// A call that gives a block back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Release {
    /// Where the hook was entered.
    pub entry: Entry,
    /// The function.
    pub by: Releaser,
    /// The size that it was given, or `ANY`.
    pub given: u64,
}

/// No size was given.
pub const ANY: u64 = u64::MAX;

impl Release {
    /// free.
    pub const fn free(entry: Entry) -> Release {
        Release { entry, by: Releaser::FREE, given: ANY }
    }
}

/// What an operator delete that was left by a jump says about the free that it ends in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Expected {
    /// The block; 0: none. An operator that is called for this one has nothing to add.
    pub address: u64,
    /// The size that the operator was given, or `ANY`.
    pub bytes: u64,
    /// Flags of the sites whose blocks it may free.
    pub family: u32,
    /// Number of the operator.
    pub number: u32,
}

impl Expected {
    /// Nothing: free was called by itself.
    pub const NONE: Expected = Expected { address: 0, bytes: ANY, family: 0, number: 0 };
}

/// A block that was taken out: its site and bytes, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TakenOut(u64);

impl TakenOut {
    const fn of(number: u32, bytes: u64) -> TakenOut {
        TakenOut((number as u64) << 32 | bytes)
    }

    const fn whole(self) -> (u32, u64) {
        ((self.0 >> 32) as u32, self.0 & u32::MAX as u64)
    }
}

/// Sizes in cells fit half a word.
const _: () = assert!(memtrace_wire::live::SIZE_MAX <= u32::MAX as u64);

/// What came of a block that free gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freed {
    /// It is counted out.
    Whole,
    /// It is, and what the thread keeps to itself of the process's sum is to be handed over (`hand_over`).
    Due,
    /// It was taken out of the tables, and not counted yet: see `freed_of`.
    Other(TakenOut),
    /// It is not in the tables, or not by itself: see `released_by_free`.
    Unknown,
}

impl Hot {
    /// A block goes by free. What is not as usual is left to others: so nothing is called here.
    #[inline(always)]
    pub fn freed(&self, body: &mut Body, address: u64) -> Freed {
        let Some((number, bytes)) = self.take_own(address) else { return Freed::Unknown };
        let Some(site) = self.sites.get(u64::from(number)) else {
            body.last_block = 0;
            return Freed::Whole;
        };
        let family = body.expected.family;
        if site.flags.get() != family || site.thread.get() != body.slot || !self.settles_alone(body, site) {
            return Freed::Other(TakenOut::of(number, bytes));
        }
        if family != 0 {
            if body.expected.bytes != bytes && body.expected.bytes != ANY {
                return Freed::Other(TakenOut::of(number, bytes));
            }
            body.expected = Expected::NONE;
        }
        match self.count_out_own(body, site, Weight { count: 1, bytes }, address) {
            true => Freed::Due,
            false => Freed::Whole,
        }
    }

    /// The rest for a block that was taken out, but is another thread's, of another family or size than free expects, was
    /// sampled, or is the loader's.
    pub fn freed_of(&self, inside: Inside<'_>, address: u64, taken: TakenOut) {
        let entry = inside.entry();
        let body = &mut *inside.body;
        let (number, bytes) = taken.whole();
        let block = (address, bytes, number);
        let site = self.sites.get(u64::from(number));
        let given = body.expected;
        // Of an operator delete that was for another block, the family alone counts.
        let is_of_family = site.is_some_and(|site| site.flags.get() == given.family);
        match is_of_family && (given.family == 0 || given.address != address) {
            true => body.expected = Expected::NONE,
            false => {
                let release = expected(body, entry, address);
                self.compare(body, &release, block);
            }
        }
        if let Some(site) = site {
            self.count_out_of(body, site, address, bytes);
        }
    }

    /// As `released`, by the hook of free: it may be what an operator delete ends in.
    pub fn released_by_free(&self, inside: Inside<'_>, entry: Entry, address: u64) -> Result<Option<Taken>, Struck> {
        let body = &mut *inside.body;
        // That took the block out.
        if body.deleting == address && entry.sp <= body.deleting_sp && self.peek(address).is_none() {
            body.deleting = 0;
            body.last_block = 0;
            body.expected = Expected::NONE;
            self.operator.confirm_delete(body.delete as usize);
            return if core::mem::take(&mut body.deleting_struck) { Err(Struck) } else { Ok(None) };
        }
        let release = expected(body, entry, address);
        self.released(inside, release, address)
    }

    /// A block goes that may be put back. `Ok(None)`: we do not know it; `Err`: it is no block, which is a heap error.
    #[inline(always)]
    pub fn released(&self, inside: Inside<'_>, release: Release, address: u64) -> Result<Option<Taken>, Struck> {
        let body = &mut *inside.body;
        let temporary = body.last_block == address;
        let Some(block) = self.take(address, true) else {
            body.last_block = 0;
            return match self.release_of_none(body, &release, address) {
                true => Err(Struck),
                false => Ok(None),
            };
        };
        self.let_go(body, &release, block);
        Ok(Some(Taken { block, temporary }))
    }

    /// As `released` where blocks may come past us, so that one that is not known is no error.
    pub fn released_if_known(&self, inside: Inside<'_>, release: Release, address: u64) -> Option<Taken> {
        let body = &mut *inside.body;
        let temporary = body.last_block == address;
        let Some(block) = self.take(address, true) else {
            body.last_block = 0;
            body.record.unknown_frees.add(1);
            return None;
        };
        self.let_go(body, &release, block);
        Some(Taken { block, temporary })
    }

    #[inline(always)]
    fn let_go(&self, body: &mut Body, release: &Release, block: Block) {
        self.compare(body, release, block.into());
        if self.errors.free_stacks.get() != 0 {
            self.note_free(body, release, block);
        }
        match self.sites.get(u64::from(block.site)) {
            Some(site) => self.count_out_of(body, site, block.address, block.bytes),
            None => body.last_block = 0,
        }
    }

    /// An operator delete was called: the free that it ends in is not an unknown one. The block that it takes out.
    #[inline(always)]
    pub fn deleted(&self, mut inside: Inside<'_>, release: Release, address: u64, number: u32) -> Option<Block> {
        let body = &mut *inside.body;
        // Of operators that call one another the innermost is the one that is seen to end.
        body.delete = number;
        if body.deleting == address && release.entry.sp <= body.deleting_sp {
            return None;
        }
        body.deleting = address;
        body.deleting_sp = release.entry.sp;
        let taken = self.delete(&mut inside, &release, address);
        inside.body.deleting_struck = taken.is_err();
        taken.ok().flatten()
    }

    #[inline(always)]
    fn delete(&self, inside: &mut Inside<'_>, release: &Release, address: u64) -> Result<Option<Block>, Struck> {
        let body = &mut *inside.body;
        let Some(block) = self.take(address, true) else {
            body.last_block = 0;
            return if self.release_of_none(body, release, address) { Err(Struck) } else { Ok(None) };
        };
        self.let_go(body, release, block);
        Ok(Some(block))
    }

    fn count_out_of(&self, body: &mut Body, site: &Site, address: u64, bytes: u64) {
        self.sample.mark(address, false);
        self.count_out(body, site, Weight::of(site, address, bytes), address);
        body.last_block = 0;
        if site.flags.get() & LOADER_BLOCKS != 0 {
            self.loader_freed(address);
        }
    }

    /// Compares who gives a block back with who gave it: (address, bytes, site).
    #[inline(always)]
    fn compare(&self, body: &mut Body, release: &Release, (address, bytes, number): (u64, u64, u32)) {
        let flags = self.sites.get(u64::from(number)).map_or(0, |site| site.flags.get());
        let differs = (flags & FAMILY) ^ release.by.family();
        if differs == 0 && (release.given == bytes || release.given == ANY) {
            return;
        }
        if number != UNKNOWN_SITE && flags & LOADER_BLOCKS == 0 {
            self.mismatched(body, release, differs, (address, bytes, number));
        }
    }

    #[cold]
    #[inline(never)]
    fn mismatched(&self, body: &mut Body, release: &Release, differs: u32, block: (u64, u64, u32)) {
        use memtrace_wire::heap::ALIGNED;
        if self.errors.is_off() || self.errors.operators_are_replaced.get() != 0 {
            return;
        }
        let kind = match differs {
            0 => Kind::MismatchedSize,
            ALIGNED => Kind::MismatchedAlignment,
            _ => Kind::MismatchedFree,
        };
        self.heap_error(body, release, kind, block.0, block);
    }
}

/// A heap error that the C library may end the process for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Struck;

/// The call of free, or of the operator delete that ends in it.
fn expected(body: &mut Body, entry: Entry, address: u64) -> Release {
    let expected = core::mem::replace(&mut body.expected, Expected::NONE);
    match expected.address == address && expected.family != 0 {
        true => Release { entry, by: Releaser::delete(expected.number), given: expected.bytes },
        false => Release::free(entry),
    }
}
