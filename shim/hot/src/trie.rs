//! Stacks as a trie: (caller's node, return address) → node.
//!
//! Nodes are numbered in the order in which they are met, and a new path is numbered at once: the callee's node
//! is very often its caller's number plus one, on the same cache line. That is looked at first, so such a node
//! needs no entry in the index: only the first of a row has one.

use memtrace_wire::layout::frame;
use memtrace_wire::loss::Loss;

use crate::Hot;
use crate::unwind::chain::Fresh;

/// The hash of a path, from its caller's: rolling, so that the loads of successive frames do not wait for each other.
#[inline(always)]
pub fn roll(hash: u64, frame: u64) -> u64 {
    (hash.rotate_left(23) ^ frame).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Hot {
    /// The node for a frame below `parent`, made if it is new. 0: no memory; the stack cannot be told from others.
    /// `below`: frames under it, innermost first, which are made with it then.
    #[inline(always)]
    pub fn child(&self, parent: u32, frame: u64, hash: u64, below: &[Fresh]) -> u32 {
        match self.known_child(parent, frame, hash) {
            Some(node) => node,
            None => self.new_child(parent, frame, hash, below),
        }
    }

    /// The node for a frame below `parent`, if there is one.
    #[inline(always)]
    pub fn known_child(&self, parent: u32, frame: u64, hash: u64) -> Option<u32> {
        if self.is_next(parent, frame) {
            return Some(parent + 1);
        }
        self.node_index.find(hash, |node| self.is_node(node, parent, frame))
    }

    /// Whether the node after the caller's is this frame's.
    #[inline(always)]
    pub fn is_next(&self, parent: u32, frame: u64) -> bool {
        parent != 0 && self.is_node(parent.wrapping_add(1), parent, frame)
    }

    #[inline(always)]
    fn is_node(&self, node: u32, parent: u32, frame: u64) -> bool {
        self.nodes.get(u64::from(node)).is_some_and(|node| node.frame.get() == frame && node.parent.get() == parent)
    }

    #[cold]
    #[inline(never)]
    fn new_child(&self, parent: u32, frame: u64, hash: u64, below: &[Fresh]) -> u32 {
        let _guard = self.node_index.lock();
        if let Some(node) = self.known_child(parent, frame, hash) {
            return node;
        }
        let Some(first) = self.append(parent, frame) else { return 0 };
        if !self.is_next(parent, frame) && !self.node_index.insert(hash, first) {
            self.store.lose(Loss::WindowRefused);
        }
        // What is below a new node is new as well.
        below.iter().rev().try_fold(first, |parent, fresh| self.append(parent, fresh.pc));
        self.mind();
        first
    }

    /// One more node; the lock is held.
    #[inline(always)]
    fn append(&self, parent: u32, frame: u64) -> Option<u32> {
        let process = self.store.process()?;
        let number = process.node_count.get();
        let node = self.nodes.make(&self.store, number)?;
        let short = u32::try_from(number).ok()?;
        node.parent.set(parent);
        node.site.set(0);
        node.frame.publish(frame);
        process.node_count.publish(number + 1);
        Some(short)
    }

    /// No new stack finds the nodes from `first` on whose address lies in `start..end`: their module went.
    pub fn retire(&self, first: u64, start: u64, end: u64) {
        let _guard = self.node_index.lock();
        let count = self.store.process().map_or(0, |process| process.node_count.get());
        for number in first..count {
            let Some(node) = self.nodes.get(number) else { break };
            let word = node.frame.get();
            if frame::kind(word) == frame::NATIVE && (start..end).contains(&frame::address(word)) {
                node.frame.set(word | frame::RETIRED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Hot;
    use crate::store::Source;
    use crate::unwind::chain::Fresh;
    use std::boxed::Box;
    use std::collections::HashMap;
    use std::vec::Vec;

    fn hot() -> &'static Hot {
        let hot = Box::leak(Box::new(Hot::new()));
        assert!(hot.store.open(Source::Private) && hot.start());
        hot
    }

    fn intern(hot: &Hot, path: &[u64]) -> u32 {
        path.iter()
            .fold((0, 0), |(node, hash), &frame| {
                let hash = super::roll(hash, frame);
                (hot.child(node, frame, hash, &[]), hash)
            })
            .0
    }

    #[test]
    fn equal_stacks_have_equal_nodes_and_others_do_not() {
        let hot = hot();
        let mut model: HashMap<Vec<u64>, u32> = HashMap::new();
        let mut state = 7u64;
        for _ in 0..50_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let depth = state >> 60;
            let path: Vec<u64> = (0..=depth).map(|at| 0x1000 + (state >> (at * 2 + 20) & 7) * 16).collect();
            let node = intern(hot, &path);
            assert_eq!(*model.entry(path).or_insert(node), node);
        }
        let mut nodes: Vec<u32> = model.values().copied().collect();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), model.len());
    }

    #[test]
    fn what_is_below_a_new_node_is_made_with_it_and_found_without_the_index() {
        let hot = hot();
        let fresh = |pc| Fresh { sp: 0, pc, bp: 0, rule: crate::unwind::rules::Short::UNKNOWN };
        let path = [0x10, 0x20, 0x30, 0x40];
        let below: Vec<Fresh> = path.iter().skip(1).rev().map(|&pc| fresh(pc)).collect();
        let first = hot.child(0, 0x10, super::roll(0, 0x10), &below);
        let count = || hot.store.process().map_or(0, |process| process.node_count.get());
        let made = count();
        assert_eq!(intern(hot, &path), first + 3);
        assert_eq!(count(), made);
        // Hashes are of use for the first node only.
        assert_eq!(hot.child(first, 0x20, 0, &[]), first + 1);
        assert_ne!(hot.child(first, 0x21, 1, &[]), first + 1);
        assert_eq!((hot.child(first, 0x21, 1, &[]), count()), (made as u32, made + 1));
    }

    #[test]
    fn a_stack_through_an_unloaded_module_is_not_found_again() {
        let hot = hot();
        let before = intern(hot, &[0x10, 0x5000, 0x20]);
        let other = intern(hot, &[0x10, 0x9000]);
        hot.retire(0, 0x5000, 0x6000);
        assert_ne!(intern(hot, &[0x10, 0x5000, 0x20]), before);
        assert_eq!(intern(hot, &[0x10, 0x9000]), other);
    }
}
