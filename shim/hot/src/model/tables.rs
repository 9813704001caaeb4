//! What must hold of each table, whoever comes in between.

use std::boxed::Box;
use std::collections::HashSet;
use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use super::explore;
use crate::Hot;
use crate::index::Index;
use crate::live::{Block, Inserted};
use crate::lock::Lock;
use crate::store::Source;
use crate::trie::roll;
use memtrace_wire::layout::{PAGE_BYTES, WindowKind};
use memtrace_wire::map::U64;

type Threads<'s> = Vec<Box<dyn FnOnce() + Send + 's>>;

/// A process with its first windows.
fn hot() -> Box<Hot> {
    let hot = Box::new(Hot::new());
    assert!(hot.store.open(Source::Private) && hot.start());
    hot
}

/// What is given back, so that thousands of them can be made.
fn gone(hot: &Hot) {
    hot.forget();
}

#[test]
fn one_at_a_time_holds_a_lock() {
    struct Shared {
        lock: Lock,
        count: U64,
    }
    explore(
        || Shared { lock: Lock::new(), count: U64::new(0) },
        |shared| {
            let work = || {
                for _ in 0..2 {
                    let _guard = shared.lock.enter();
                    // Two accesses, which another one could come in between.
                    shared.count.set(shared.count.get() + 1);
                }
            };
            vec![Box::new(work), Box::new(work), Box::new(work)]
        },
        |shared, order| assert_eq!(shared.count.get(), 6, "{order:?}"),
    );
}

#[test]
fn a_number_is_found_from_its_insertion_on_while_the_index_doubles() {
    struct Shared {
        index: Index,
        wrong: Mutex<Vec<u64>>,
    }
    let hash = |key: u64| (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    explore(
        || {
            let shared = Shared { index: Index::new(), wrong: Mutex::new(Vec::new()) };
            assert!(shared.index.start(2));
            shared
        },
        |shared| {
            // Each thread puts keys in, some of which others put in too, and looks for all that it has put in.
            let work = move |first: u64| {
                for key in first..first + 4 {
                    let find = || shared.index.find(hash(key), |number| number == key as u32 + 1);
                    if find().is_none() {
                        let _guard = shared.index.lock();
                        if find().is_none() {
                            assert!(shared.index.insert(hash(key), key as u32 + 1));
                        }
                    }
                    // A reader who finds nothing looks again under the lock, as `Hot::child` does.
                    let is_there = (first..=key).all(|key| {
                        let find = || shared.index.find(hash(key), |number| number == key as u32 + 1);
                        find().is_some() || {
                            let _guard = shared.index.lock();
                            find().is_some()
                        }
                    });
                    if !is_there {
                        shared.wrong.lock().unwrap().push(key);
                    }
                }
            };
            vec![Box::new(move || work(0)), Box::new(move || work(2))]
        },
        |shared, order| {
            assert_eq!(*shared.wrong.lock().unwrap(), [0u64; 0], "{order:?}");
            assert!((0..6).all(|key| shared.index.find(hash(key), |number| number == key as u32 + 1).is_some()));
            // Each is there once: with all places taken out there is no second.
            for key in 0..6u64 {
                let mut count = 0;
                shared.index.find(hash(key), |number| {
                    count += u32::from(number == key as u32 + 1);
                    false
                });
                assert_eq!(count, 1, "{order:?}: key {key}");
            }
            shared.index.forget();
        },
    );
}

#[test]
fn equal_stacks_of_two_threads_are_one_node() {
    struct Shared {
        hot: Box<Hot>,
        nodes: Mutex<Vec<(Vec<u64>, u32)>>,
    }
    let intern = |hot: &Hot, path: &[u64]| {
        let mut at = (0, 0);
        for &frame in path {
            let hash = roll(at.1, frame);
            at = (hot.child(at.0, frame, hash, &[]), hash);
        }
        at.0
    };
    explore(
        || Shared { hot: hot(), nodes: Mutex::new(Vec::new()) },
        |shared| {
            let work = move |last: u64| {
                for path in [vec![0x10, 0x20, 0x30], vec![0x10, 0x20, last], vec![0x10, last, 0x30]] {
                    let node = intern(&shared.hot, &path);
                    shared.nodes.lock().unwrap().push((path, node));
                }
            };
            vec![Box::new(move || work(0x40)), Box::new(move || work(0x50))]
        },
        |shared, order| {
            let nodes = shared.nodes.lock().unwrap();
            for (path, node) in nodes.iter() {
                assert!(*node != 0);
                assert_eq!(intern(&shared.hot, path), *node, "{order:?}: {path:x?}");
                // The node leads back over its own frames.
                let (mut at, mut frames) = (*node, Vec::new());
                while at != 0 {
                    let node = shared.hot.nodes.get(u64::from(at)).expect("a node has its record");
                    frames.insert(0, node.frame.get());
                    at = node.parent.get();
                }
                assert_eq!(frames, *path, "{order:?}");
            }
            let distinct: HashSet<&Vec<u64>> = nodes.iter().map(|(path, _)| path).collect();
            let numbers: HashSet<u32> = nodes.iter().map(|(_, node)| *node).collect();
            assert_eq!(distinct.len(), numbers.len(), "{order:?}");
            gone(&shared.hot);
        },
    );
}

/// Blocks side by side, in one line of cells, which two threads own.
fn block(place: u64, bytes: u64, site: u32) -> Block {
    Block { address: 0x7f12_3440_0000 + place * 32, bytes, site }
}

#[test]
fn neighbours_of_two_threads_come_and_go_without_each_other() {
    explore(
        hot,
        |hot| {
            let work = move |side: u64| {
                for round in 0..2 {
                    // The first of all makes the leaf; both may be it.
                    let blocks =
                        [block(side, 24, 7 + side as u32), block(side + 4, 100 + side, 9), block(side + 40, 16, 8)];
                    for block in blocks {
                        assert_eq!(hot.insert(block, true), Inserted::New);
                    }
                    for block in blocks {
                        assert_eq!(hot.take(block.address, true), Some(block), "round {round}");
                    }
                }
            };
            vec![Box::new(move || work(0)), Box::new(move || work(2))]
        },
        |hot, order| {
            let mut left = 0;
            hot.live.each_block(&crate::written::Written::of(&hot.store), |_, _, _| left += 1);
            assert_eq!(left, 0, "{order:?}");
            gone(hot);
        },
    );
}

#[test]
fn a_block_that_is_handed_over_is_known_to_whoever_frees_it_and_its_place_to_the_next() {
    struct Shared {
        hot: Box<Hot>,
        /// The address that is handed over, then that of nobody.
        way: U64,
    }
    explore(
        || Shared { hot: hot(), way: U64::new(0) },
        |shared| {
            let first = block(0, 4096, 5);
            let second = Block { bytes: 24, site: 6, ..first };
            let gives = move || {
                assert_eq!(shared.hot.insert(first, true), Inserted::New);
                shared.way.publish(first.address);
                // The allocator gives the address again only when it was freed.
                while shared.way.acquire() != 0 {}
                assert_eq!(shared.hot.insert(second, true), Inserted::New);
                assert_eq!(shared.hot.take(second.address, true), Some(second));
            };
            let takes = move || {
                while shared.way.acquire() == 0 {}
                assert_eq!(shared.hot.take(first.address, true), Some(first));
                shared.way.publish(0);
            };
            vec![Box::new(gives), Box::new(takes)]
        },
        |shared, _| gone(&shared.hot),
    );
}

#[test]
fn blocks_without_a_cell_are_kept_apart() {
    explore(
        hot,
        |hot| {
            let work = move |side: u64| {
                let huge = Block { address: 0x7f12_3440_0000 + side * 32, bytes: 1 << 40, site: 7 + side as u32 };
                for _ in 0..2 {
                    assert_eq!(hot.insert(huge, true), Inserted::New);
                    assert_eq!(hot.take(huge.address, true), Some(huge));
                }
            };
            vec![Box::new(move || work(0)), Box::new(move || work(1))]
        },
        |hot, _| gone(hot),
    );
}

#[test]
fn windows_of_three_threads_lie_apart_and_are_all_named() {
    explore(
        hot,
        |hot| {
            let work = move |side: u64| {
                for number in 0..2 {
                    let index = 100 + side * 2 + number;
                    assert!(hot.store.window(WindowKind::Points, index, PAGE_BYTES, true).is_some());
                }
            };
            vec![Box::new(move || work(0)), Box::new(move || work(1)), Box::new(move || work(2))]
        },
        |hot, order| {
            let named = hot.store.windows().filter(|window| window.kind.get() == WindowKind::Points as u32);
            let mut indices: Vec<u64> = named.map(|window| window.index.get()).collect();
            indices.sort_unstable();
            assert_eq!(indices, [100, 101, 102, 103, 104, 105], "{order:?}");
            let mut ranges: Vec<(u64, u64)> =
                hot.store.windows().map(|window| (window.offset.get(), window.bytes.get())).collect();
            ranges.sort_unstable();
            assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{order:?}: {ranges:?}");
            gone(hot);
        },
    );
}

#[test]
fn an_interrupted_thread_waits_for_nobody() {
    explore(
        hot,
        |hot| {
            // As in a signal handler: what another one holds is given up, and counted.
            let interrupts = move || {
                for place in 0..3 {
                    let block = block(place * 4096, 24, 7);
                    let came = hot.insert(block, false);
                    let found = hot.take(block.address, false);
                    match came {
                        Inserted::New => assert_eq!(found, Some(block)),
                        Inserted::Dropped => assert_eq!(found, None),
                        Inserted::Replaced(_) => unreachable!("nothing was there"),
                    }
                }
            };
            let grows = move || {
                for index in 0..3 {
                    assert!(hot.store.window(WindowKind::Points, index, PAGE_BYTES, true).is_some());
                }
            };
            vec![Box::new(interrupts) as Box<dyn FnOnce() + Send>, Box::new(grows)] as Threads<'_>
        },
        |hot, _| gone(hot),
    );
}
