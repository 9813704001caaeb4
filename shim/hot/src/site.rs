//! Which site is whose: the stack, the thread, the family of a call.
//!
//! A site belongs to the thread that allocates there; what is counted for it is in `count`.

use memtrace_wire::heap::family_of;
use memtrace_wire::layout::{Family, IGNORED, LOADER_BLOCKS, Op, SAMPLED, Site};
use memtrace_wire::loss::Loss;

use crate::Hot;
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
}
