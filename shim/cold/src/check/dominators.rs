//! What only one site holds: bytes that would be lost with its blocks.
//!
//! A block dominates another if every way from the roots leads through it. The nearest such block is found by the
//! iteration of Cooper, Harvey and Kennedy ("A Simple, Fast Dominance Algorithm", 2001), over the order in which
//! blocks were met: whoever dominates a block was met before it. Pointers are read once, and kept for the passes.

use super::space::{Array, List};

/// The graph of reachable blocks.
pub trait Graph {
    /// How many there are; they are numbered in the order in which they were met.
    fn count(&self) -> usize;
    /// Bytes of a block.
    fn bytes(&self, number: usize) -> u64;
    /// Site of a block.
    fn site(&self, number: usize) -> u32;
    /// Whether a root points to it.
    fn is_root_held(&self, number: usize) -> bool;
    /// The blocks that it points to.
    fn targets(&mut self, number: usize, each: impl FnMut(usize));
}

/// Pointers that are kept: a quarter of a GiB.
const EDGES_MAX: usize = 64 << 20;
/// Passes over the graph: most need three; what is not settled after this many is left out.
const PASSES_MAX: u32 = 24;
const NONE: u32 = u32::MAX;

/// Bytes that only the blocks of each site hold, their own included, by site; `None`: no memory, or no time.
/// Where several blocks of one site hold something together, and none of them alone, that is not counted.
pub fn retained(graph: &mut impl Graph, sites: usize, in_time: impl Fn() -> bool) -> Option<Array<u64>> {
    let count = graph.count();
    // Place 0 stands for all roots together.
    let above = Array::<u32>::new(count + 1)?;
    (1..=count).for_each(|place| above.set(place, if graph.is_root_held(place - 1) { 0 } else { NONE }));
    let edges = Edges::read(graph, &in_time)?;
    let mut is_settled = false;
    for _ in 0..PASSES_MAX {
        is_settled = true;
        for place in 1..=count {
            if place % 4096 == 0 && !in_time() {
                return None;
            }
            edges.each(place - 1, |target| {
                let target = target + 1;
                let before = above.get(target);
                let now = match before {
                    0 => 0,
                    NONE => place as u32,
                    before => common(&above, before, place as u32),
                };
                if now != before && target != place {
                    above.set(target, now);
                    is_settled = false;
                }
            });
        }
        if is_settled {
            break;
        }
    }
    is_settled.then(|| by_site(graph, &above, sites)).flatten()
}

/// The pointers of all blocks.
struct Edges {
    targets: List<u32>,
    /// By block: how many there are up to its end.
    ends: Array<u32>,
}

impl Edges {
    /// `None`: more than are kept, or no time.
    fn read(graph: &mut impl Graph, in_time: &impl Fn() -> bool) -> Option<Edges> {
        let count = graph.count();
        let words = (0..count).map(|number| graph.bytes(number) / 8).sum::<u64>();
        let room = usize::try_from(words).ok()?.min(EDGES_MAX);
        let edges = Edges { targets: List::new(room + 1)?, ends: Array::new(count + 1)? };
        for number in 0..count {
            if number % 1024 == 0 && !in_time() {
                return None;
            }
            let mut last = NONE;
            let mut is_kept = true;
            graph.targets(number, |target| {
                if target as u32 != last {
                    last = target as u32;
                    is_kept &= edges.targets.push(last);
                }
            });
            if !is_kept {
                return None;
            }
            edges.ends.set(number + 1, edges.targets.count() as u32);
        }
        Some(edges)
    }

    fn each(&self, number: usize, mut each: impl FnMut(usize)) {
        let places = self.ends.get(number) as usize..self.ends.get(number + 1) as usize;
        places.for_each(|place| each(self.targets.get(place) as usize));
    }
}

/// The nearest block that dominates both.
fn common(above: &Array<u32>, mut one: u32, mut other: u32) -> u32 {
    while one != other {
        if one > other {
            one = above.get(one as usize);
        } else {
            other = above.get(other as usize);
        }
    }
    one
}

/// Walks down the tree of dominators; a block counts for its site unless one of the same site stands above it.
fn by_site(graph: &impl Graph, above: &Array<u32>, sites: usize) -> Option<Array<u64>> {
    let count = graph.count();
    let bytes = Array::<u64>::new(count + 1)?;
    let (first, next) = (Array::<u32>::new(count + 1)?, Array::<u32>::new(count + 1)?);
    for place in (1..=count).rev() {
        let parent = above.get(place) as usize;
        let own = bytes.get(place) + graph.bytes(place - 1);
        bytes.set(place, own);
        bytes.set(parent, bytes.get(parent) + own);
        next.set(place, first.get(parent));
        first.set(parent, place as u32);
    }
    let (retained, open) = (Array::<u64>::new(sites)?, Array::<u32>::new(sites)?);
    let way = List::<u32>::new(count + 1)?;
    let mut at = first.get(0);
    loop {
        if at != 0 {
            let site = graph.site(at as usize - 1) as usize;
            if open.get(site) == 0 {
                retained.set(site, retained.get(site) + bytes.get(at as usize));
            }
            open.set(site, open.get(site) + 1);
            way.push(at);
            at = first.get(at as usize);
            continue;
        }
        let Some(last) = way.count().checked_sub(1) else { return Some(retained) };
        let leaving = way.get(last);
        way.cut(last);
        let site = graph.site(leaving as usize - 1) as usize;
        open.set(site, open.get(site) - 1);
        at = next.get(leaving as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    struct Drawn {
        edges: Vec<Vec<usize>>,
        roots: Vec<usize>,
        sites: Vec<u32>,
    }

    impl Graph for Drawn {
        fn count(&self) -> usize {
            self.edges.len()
        }

        fn bytes(&self, number: usize) -> u64 {
            64 << number
        }

        fn site(&self, number: usize) -> u32 {
            self.sites[number]
        }

        fn is_root_held(&self, number: usize) -> bool {
            self.roots.contains(&number)
        }

        fn targets(&mut self, number: usize, each: impl FnMut(usize)) {
            self.edges[number].iter().copied().for_each(each);
        }
    }

    /// Numbered as they are met from the roots on, as `Graph` wants it.
    fn renumbered(edges: &[Vec<usize>], roots: &[usize]) -> Vec<usize> {
        let mut met: Vec<usize> = Vec::new();
        let meet = |met: &mut Vec<usize>, block: usize| {
            if !met.contains(&block) {
                met.push(block)
            }
        };
        roots.iter().for_each(|&root| meet(&mut met, root));
        let mut at = 0;
        while at < met.len() {
            edges[met[at]].iter().for_each(|&target| meet(&mut met, target));
            at += 1;
        }
        met
    }

    #[test]
    fn a_site_retains_what_is_lost_without_one_of_its_blocks() {
        let mut state = 5u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for round in 0..3000 {
            let count = 1 + random(9);
            let drawn: Vec<Vec<usize>> = (0..count).map(|_| (0..random(3)).map(|_| random(count)).collect()).collect();
            let drawn_roots: Vec<usize> = (0..1 + random(2)).map(|_| random(count)).collect();
            let met = renumbered(&drawn, &drawn_roots);
            let number = |block: usize| met.iter().position(|&other| other == block).unwrap();
            let edges: Vec<Vec<usize>> =
                met.iter().map(|&block| drawn[block].iter().map(|&target| number(target)).collect()).collect();
            let roots: Vec<usize> = drawn_roots.iter().map(|&root| number(root)).collect();
            let sites: Vec<u32> = (0..met.len()).map(|_| random(3) as u32).collect();
            let reach = |without: usize| {
                let mut seen = vec![false; edges.len()];
                let mut stack: Vec<usize> = roots.iter().copied().filter(|&root| root != without).collect();
                while let Some(at) = stack.pop() {
                    if !core::mem::replace(&mut seen[at], true) {
                        stack.extend(edges[at].iter().copied().filter(|&target| target != without));
                    }
                }
                seen
            };
            let mut expected = [0u64; 3];
            for block in 0..edges.len() {
                let lost: Vec<usize> =
                    reach(block).iter().enumerate().filter(|(_, seen)| !**seen).map(|(number, _)| number).collect();
                // Each block that is lost counts once for the site.
                expected[sites[block] as usize] |= lost.iter().map(|&number| 64u64 << number).sum::<u64>();
            }
            let mut graph = Drawn { edges: edges.clone(), roots: roots.clone(), sites: sites.clone() };
            let found = retained(&mut graph, 3, || true).unwrap();
            for (site, expected) in expected.into_iter().enumerate() {
                assert_eq!(found.get(site), expected, "round {round} site {site}: {edges:?} {roots:?} {sites:?}");
            }
        }
    }

    #[test]
    fn a_long_chain_takes_no_stack_and_few_passes() {
        let count = 100_000;
        struct Chain(usize);
        impl Graph for Chain {
            fn count(&self) -> usize {
                self.0
            }
            fn bytes(&self, _: usize) -> u64 {
                16
            }
            fn site(&self, _: usize) -> u32 {
                1
            }
            fn is_root_held(&self, number: usize) -> bool {
                number == 0
            }
            fn targets(&mut self, number: usize, mut each: impl FnMut(usize)) {
                if number + 1 < self.0 {
                    each(number + 1);
                }
            }
        }
        assert_eq!(retained(&mut Chain(count), 2, || true).unwrap().get(1), 16 * count as u64);
        assert!(retained(&mut Chain(count), 2, || false).is_none());
    }
}
