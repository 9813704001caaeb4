//! What is counted for one stack in one thread.
//!
//! A site belongs to the thread that allocates there, and only that thread writes its counters, with plain
//! moves. Frees by other threads are counted beside, atomically. So every number is exact without a lock, and a
//! report can say which thread it was.
//!
//! The high of the whole process: a site keeps what it held then by copying its live bytes when it changes for
//! the first time after a new high (`settle`).

use memtrace_wire::heap::family_of;
use memtrace_wire::layout::{Family, IGNORED, LOADER_BLOCKS, Op, ProcessHeader, SAMPLED, Site};
use memtrace_wire::loss::Loss;

use crate::Hot;
use crate::sample::Weight;
use crate::thread::Body;

/// The site for what has no stack: see `Loss::Nested`, `Loss::ThreadDropped`.
pub const UNKNOWN_SITE: u32 = 1;

/// Sites that a thread finds without the index: 16 KiB, touched as they come.
const CACHED: usize = 1024;

/// A site as its thread knows it. All zeroes: none.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Known {
    /// Node and family: see `key`.
    key: u32,
    /// The site's number.
    pub number: u32,
    /// The site; `None`: there was no memory for it, which is counted.
    pub site: Option<&'static Site>,
}

impl Known {
    /// None.
    pub const NONE: Known = Known { key: 0, number: UNKNOWN_SITE, site: None };

    /// Whether this is the site of a stack and a function.
    #[inline(always)]
    pub fn is(&self, node: u32, op: Op) -> bool {
        self.key == key(node, op.family())
    }

    /// The same for a call of this function, which led to it.
    pub fn answering(self, op: Op) -> Known {
        Known { key: key(self.node(), op.family()), ..self }
    }

    /// What differs for each stack and family; never 0.
    #[inline(always)]
    pub fn name(&self) -> u32 {
        self.key
    }

    /// Whether a site of a stack that is known to be the right one is this function's too.
    #[inline(always)]
    pub fn is_of(&self, op: Op) -> bool {
        self.key & !(NODE_MAX << 2) == 1 << 31 | op.family() as u32
    }

    /// The stack.
    pub const fn node(&self) -> u32 {
        self.key >> 2 & NODE_MAX
    }
}

/// Node numbers have 28 bits.
const NODE_MAX: u32 = (1 << 28) - 1;

const _: () = assert!(size_of::<Known>() == 16);

/// The sites that a thread used lately.
#[repr(C, align(64))]
pub struct Sites {
    cached: [Known; CACHED],
    /// Blocks of this thread are ignored now: sites of their own.
    pub ignores: bool,
    /// Stacks have no sites until `settled`: with the Python functions on them they will be others.
    pub puts_off: bool,
}

/// Whose a site is.
#[derive(Clone, Copy)]
struct Owner {
    slot: u32,
    ignores: bool,
}

impl Sites {
    /// Forgets all.
    pub fn forget(&mut self) {
        self.cached.fill(Known::NONE);
    }

    #[inline(always)]
    fn place(&mut self, node: u32) -> &mut Known {
        &mut self.cached[node as usize % CACHED]
    }
}

/// Families have two bits; never 0.
#[inline(always)]
const fn key(node: u32, family: Family) -> u32 {
    1 << 31 | node << 2 | family as u32
}

impl Hot {
    /// The site of a stack in this thread, made if it is new.
    #[inline(always)]
    pub fn site_for(&self, sites: &mut Sites, slot: u32, node: u32, op: Op) -> Known {
        let known = *sites.place(node);
        if known.is(node, op) { known } else { self.site_again(sites, slot, node, op) }
    }

    #[cold]
    #[inline(never)]
    fn site_again(&self, sites: &mut Sites, slot: u32, node: u32, op: Op) -> Known {
        if sites.puts_off {
            return Known { key: key(node, op.family()), ..Known::NONE };
        }
        self.site_now(sites, slot, node, op)
    }

    /// The site of a stack that was captured, if sites were put off.
    #[inline(always)]
    pub(crate) fn settled(&self, body: &mut Body, known: Known, op: Op) -> Known {
        if known.site.is_some() || !body.sites.puts_off {
            return known;
        }
        self.site_now(&mut body.sites, body.slot, known.node(), op)
    }

    /// Where a block of a captured stack was made, and by which function: an operator new whose frame is on the stack is
    /// no frame of it, see `origin`.
    #[inline(always)]
    pub(crate) fn made_at(&self, known: Known, op: Op) -> (u32, Op) {
        let node = known.node();
        match known.site {
            Some(site) if site.node.get() != node => (site.node.get(), Op::from_number(site.op.get()).unwrap_or(op)),
            Some(_) => (node, op),
            None => self.origin(node, op),
        }
    }

    /// As `site_for`, put off or not.
    #[inline(never)]
    pub(crate) fn site_now(&self, sites: &mut Sites, slot: u32, node: u32, op: Op) -> Known {
        let known = *sites.place(node);
        if known.is(node, op) {
            return known;
        }
        let (origin, made_by) = self.origin(node, op);
        let known = match self.site_slowly(Owner { slot, ignores: sites.ignores }, origin, made_by) {
            Some(number) => Known { key: key(node, op.family()), number, site: self.sites.get(u64::from(number)) },
            None => return Known { key: key(node, op.family()), ..Known::NONE },
        };
        *sites.place(node) = known;
        known
    }

    fn is_site(&self, number: u32, node: u32, owner: Owner, family: Family) -> bool {
        self.sites.get(u64::from(number)).is_some_and(|site| {
            site.thread.get() == owner.slot
                && site.node.get() == node
                && (site.family() == family || site.family() == Family::Other)
                && u64::from(site.sample_bytes.get()) == self.sample.mean.get()
                && (site.flags.get() & IGNORED != 0) == owner.ignores
        })
    }

    fn site_slowly(&self, owner: Owner, node: u32, op: Op) -> Option<u32> {
        let family = op.family();
        let stack = u64::from(node) << 2 | family as u64;
        let hash = crate::trie::roll(crate::trie::roll(0x5173, stack), u64::from(owner.slot));
        let is_it = |site| self.is_site(site, node, owner, family);
        // The first site of a node stands in the node; only the others are in the index.
        let find = || {
            let first = self.nodes.get(u64::from(node)).map_or(0, |known| known.site.get());
            if first != 0 && is_it(first) { Some(first) } else { self.site_index.find(hash, is_it) }
        };
        if let Some(site) = find() {
            return Some(site);
        }
        let _guard = self.site_index.lock();
        if let Some(site) = find() {
            return Some(site);
        }
        let site = self.new_site(owner, node, op, hash);
        if site.is_none() {
            self.store.lose(Loss::SiteDropped);
        }
        site
    }

    fn new_site(&self, owner: Owner, node: u32, op: Op, hash: u64) -> Option<u32> {
        let process = self.store.process()?;
        let number = process.site_count.get();
        if number > u64::from(memtrace_wire::live::SITE_MAX) {
            return None;
        }
        let site = self.sites.make(&self.store, number)?;
        let known = self.nodes.get(u64::from(node));
        site.node.set(node);
        site.thread.set(owner.slot);
        site.op.set(op as u32);
        let mean = self.sample.mean.get();
        if mean != 0 {
            site.sample_bytes.set(mean as u32);
            site.flags.set(SAMPLED);
        }
        site.flags.set(site.flags.get() | family_of(op));
        if owner.ignores {
            site.flags.set(site.flags.get() | IGNORED);
        }
        if known.is_some_and(|known| self.objects.is_loader(known.frame.get())) {
            site.flags.set(site.flags.get() | LOADER_BLOCKS);
        }
        match known {
            Some(known) if known.site.get() == 0 => known.site.publish(number as u32),
            _ if !self.site_index.insert(hash, number as u32) => return None,
            _ => {}
        }
        process.site_count.publish(number + 1);
        self.mind();
        Some(number as u32)
    }

    /// Counts a block of `largest` bytes in; the site is this thread's.
    #[inline(always)]
    pub fn count_in(&self, body: &mut Body, site: &Site, largest: u64, weight: Weight) {
        let Weight { count, bytes } = weight;
        let process = body.process;
        let total = site.total_count.get().wrapping_add(count);
        let mut live = site.live_bytes.get().wrapping_add(bytes);
        let is_alone = self.alone.get() != 0;
        if site.epoch.get() != process.peak_epoch.get() as u32 {
            settle(process, site, is_alone);
        }
        site.total_count.set(total);
        site.total_bytes.add(bytes);
        site.live_bytes.set(live);
        if largest > site.largest_bytes.get() {
            site.largest_bytes.set(largest);
        }
        if !is_alone {
            live = live.wrapping_sub(site.foreign_bytes.get());
        }
        if live > site.peak_bytes.get() {
            site.peak_bytes.set(live);
            site.peak_count.set(total.wrapping_sub(site.freed_count.get()).wrapping_sub(site.foreign_count.get()));
        }
        if is_alone {
            let live = process.live_bytes.get().wrapping_add(bytes);
            process.live_bytes.set(live);
            if live as i64 > process.peak_bytes.get() as i64 {
                process.peak_bytes.set(live);
                process.peak_epoch.add(1);
            }
        } else {
            hand_over(body, bytes as i64);
        }
    }

    /// Counts a block out; the site may be another thread's.
    #[inline(always)]
    pub fn count_out(&self, body: &mut Body, site: &Site, weight: Weight, address: u64) {
        let is_due = if site.thread.get() == body.slot {
            self.settle(body, site);
            self.count_out_own(body, site, weight, address)
        } else {
            self.settle(body, site);
            count_out_foreign(body, site, weight);
            self.take_off(body, weight.bytes)
        };
        if is_due {
            hand_over_now(body);
        }
    }

    /// The same for a site that is this thread's, and settled. True: what it keeps to itself is to be handed over.
    #[inline(always)]
    pub fn count_out_own(&self, body: &mut Body, site: &Site, weight: Weight, address: u64) -> bool {
        let Weight { count, bytes } = weight;
        site.freed_count.add(count);
        site.live_bytes.sub(bytes);
        if body.last_block == address {
            site.temporary_count.add(count);
        }
        body.last_block = 0;
        self.take_off(body, bytes)
    }

    /// Takes bytes off the process's sum. True: the thread keeps so many to itself that they are to be handed over.
    #[inline(always)]
    fn take_off(&self, body: &mut Body, bytes: u64) -> bool {
        if self.alone.get() != 0 {
            body.process.live_bytes.sub(bytes);
            return false;
        }
        body.pending_bytes = body.pending_bytes.wrapping_sub(bytes as i64);
        body.pending_bytes.unsigned_abs() >= SLACK_BYTES
    }

    /// Adds what a thread keeps to itself to the process's sum.
    pub fn hand_over(&self, body: &mut Body) {
        hand_over_now(body);
    }

    /// The live bytes of the process go up again: a realloc that failed.
    pub fn hand_back(&self, body: &mut Body, bytes: u64) {
        if self.alone.get() == 0 {
            return hand_over(body, bytes as i64);
        }
        body.process.live_bytes.add(bytes);
    }

    /// As `settle`, if no other thread has to be minded for it; false: one has.
    #[inline(always)]
    pub fn settles_alone(&self, body: &Body, site: &Site) -> bool {
        let epoch = body.process.peak_epoch.get() as u32;
        if site.epoch.get() == epoch {
            return true;
        }
        if self.alone.get() == 0 {
            return false;
        }
        settle_alone(site, epoch);
        true
    }

    /// Before a site's live bytes change: keeps them if the whole process stood at its high since the last change.
    #[inline(always)]
    pub fn settle(&self, body: &Body, site: &Site) {
        if site.epoch.get() != body.process.peak_epoch.get() as u32 {
            settle(body.process, site, self.alone.get() != 0);
        }
    }
}

#[cold]
#[inline(never)]
fn count_out_foreign(body: &mut Body, site: &Site, weight: Weight) {
    site.foreign_count.fetch_add(weight.count);
    site.foreign_bytes.fetch_add(weight.bytes);
    body.record.foreign_frees.add(weight.count);
    body.record.foreign_freed_bytes.add(weight.bytes);
}

/// Keeps what a site held at the high.
#[inline(always)]
fn settle(process: &ProcessHeader, site: &Site, is_alone: bool) {
    let epoch = process.peak_epoch.get() as u32;
    if is_alone {
        return settle_alone(site, epoch);
    }
    let before = site.epoch.get();
    let (bytes, count) = held(site);
    // The owner and a thread that frees may come here together: one of them keeps the numbers.
    if before != epoch && site.epoch.replace(before, epoch) {
        site.at_peak_bytes.set(bytes);
        site.at_peak_count.set(count);
    }
}

#[inline(always)]
fn settle_alone(site: &Site, epoch: u32) {
    site.epoch.set(epoch);
    let (bytes, count) = held(site);
    site.at_peak_bytes.set(bytes);
    site.at_peak_count.set(count);
}

/// Live bytes and blocks of a site.
#[inline(always)]
fn held(site: &Site) -> (u64, u64) {
    let bytes = site.live_bytes.get().wrapping_sub(site.foreign_bytes.get());
    (bytes, site.live_count().wrapping_sub(site.foreign_count.get()))
}

/// Adds to the live bytes of a process with several threads: now and then.
#[inline(always)]
fn hand_over(body: &mut Body, bytes: i64) {
    body.pending_bytes = body.pending_bytes.wrapping_add(bytes);
    if body.pending_bytes.unsigned_abs() >= SLACK_BYTES {
        hand_over_now(body);
    }
}

#[cold]
#[inline(never)]
fn hand_over_now(body: &mut Body) {
    let process = body.process;
    let pending = core::mem::take(&mut body.pending_bytes);
    let live = process.live_bytes.fetch_add(pending as u64).wrapping_add(pending as u64);
    if live as i64 > process.peak_bytes.get() as i64 {
        process.peak_bytes.fetch_max(live);
        process.peak_epoch.fetch_add(1);
    }
}

/// Bytes that a thread keeps to itself while others run: the high is exact to this many a thread.
pub const SLACK_BYTES: u64 = 32 << 10;
