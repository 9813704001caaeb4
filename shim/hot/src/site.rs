//! Which site is whose: the stack, the thread, the family of a call.
//!
//! A site belongs to the thread that allocates there; what is counted for it is in `count`.

use memtrace_wire::heap::family_of;
use memtrace_wire::layout::{Family, IGNORED, LOADER_BLOCKS, Op, SAMPLED, Site};
use memtrace_wire::live::SITE_MAX;
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
    span: Span,
}

/// Numbers of sites that are set aside for one thread. All zeroes: none; so it is in a fork child, whose tables begin anew
/// and whose thread's state was wiped.
///
/// So the counters of two threads do not lie side by side: a processor that reads a line asks for those behind it too, and
/// would take them from the one that counts there.
struct Span {
    next: u32,
    end: u32,
}

/// So many at a time: a page.
const SPAN: u32 = 4096 / size_of::<Site>() as u32;

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
        let owner = Owner { slot, ignores: sites.ignores };
        let known = match self.site_slowly(&mut sites.span, owner, origin, made_by) {
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

    fn site_slowly(&self, span: &mut Span, owner: Owner, node: u32, op: Op) -> Option<u32> {
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
        let site = self.new_site(span, owner, node, op, hash);
        if site.is_none() {
            self.store.lose(Loss::SiteDropped);
        }
        site
    }

    fn new_site(&self, span: &mut Span, owner: Owner, node: u32, op: Op, hash: u64) -> Option<u32> {
        let process = self.store.process()?;
        if span.next == span.end {
            *span = self.next_span(process.site_count.get());
        }
        let number = Some(span.next).filter(|&number| number < span.end)?;
        let site = self.sites.make(&self.store, number.into())?;
        let known = self.nodes.get(u64::from(node));
        site.node.set(node);
        site.thread.set(owner.slot);
        site.op.set(op as u32);
        let mean = self.sample.mean.get();
        site.sample_bytes.set(mean as u32);
        let is_loaders = known.is_some_and(|known| self.objects.is_loader(known.frame.get()));
        let flags = [(mean != 0, SAMPLED), (owner.ignores, IGNORED), (is_loaders, LOADER_BLOCKS)];
        let flags = flags.iter().filter(|(is_so, _)| *is_so).fold(0, |all, (_, flag)| all | flag);
        site.flags.set(flags | family_of(op));
        match known {
            Some(known) if known.site.get() == 0 => known.site.publish(number),
            _ if !self.site_index.insert(hash, number) => return None,
            _ => {}
        }
        span.next += 1;
        // Those of a span that are none yet have counted nothing.
        if u64::from(span.end) > process.site_count.get() {
            process.site_count.publish(span.end.into());
        }
        self.mind();
        Some(number)
    }

    /// The numbers that are set aside from the first free one on; none, if there are no more. They end with a page, so all
    /// are in one window.
    fn next_span(&self, next: u64) -> Span {
        let next = next.min(u64::from(SITE_MAX) + 1) as u32;
        let end = if self.alone.get() != 0 { next + 1 } else { (next | (SPAN - 1)) + 1 };
        Span { next, end: end.min(SITE_MAX + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Source;
    use std::boxed::Box;
    use std::vec::Vec;

    /// Numbers of the sites of 100 stacks, which two threads come to in turn.
    fn numbers(alone: u32) -> [Vec<u32>; 2] {
        let hot: &Hot = Box::leak(Box::new(Hot::new()));
        assert!(hot.store.open(Source::Private) && hot.start());
        hot.alone.set(alone);
        let mut sites = [(); 2].map(|()| Sites {
            cached: [Known::NONE; CACHED],
            ignores: false,
            puts_off: false,
            span: Span { next: 0, end: 0 },
        });
        let mut numbers = [Vec::new(), Vec::new()];
        for stack in 1..=100u64 {
            let node = hot.child(0, stack << 12, stack, &[]);
            for slot in 0..2 {
                numbers[slot].push(hot.site_now(&mut sites[slot], slot as u32, node, Op::Malloc).number);
            }
        }
        numbers
    }

    #[test]
    fn counters_of_two_threads_are_on_pages_of_their_own() {
        let [one, other] = numbers(0);
        let page = |number: &u32| number / SPAN;
        assert!(one.iter().all(|number| other.iter().all(|theirs| page(theirs) != page(number))), "{one:?} {other:?}");
        assert!(one.len() == 100 && one.is_sorted_by(|before, after| before < after));
        let pages = one.chunk_by(|before, after| page(before) == page(after)).count();
        assert!(pages <= 100 / SPAN as usize + 2, "{one:?}");
    }

    #[test]
    fn a_thread_that_is_alone_has_no_numbers_to_spare() {
        let [one, other] = numbers(1);
        let expected: Vec<u32> = (2..202).collect();
        let mut all = [one, other].concat();
        all.sort_unstable();
        assert_eq!(all, expected);
    }
}
