//! 24 threads that really run at once: every free is told what the table says, and the table says what it was told.

use std::boxed::Box;
use std::sync::Mutex;
use std::thread;
use std::vec::Vec;

use super::ALONE;
use crate::Hot;
use crate::live::{Block, Inserted};
use crate::store::Source;
use crate::trie::roll;

const THREADS: u64 = 24;
const ROUNDS: u64 = 8_000;
/// Granules that a thread allocates in; those of all threads lie in the same leaves.
const PLACES: u64 = 512;

#[test]
fn every_free_of_24_threads_finds_the_block_that_was_entered() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let hot = Box::leak(Box::new(Hot::new()));
    assert!(hot.store.open(Source::Private) && hot.start());
    let hot: &Hot = hot;
    // Whoever wants to can free what others have put here.
    let common: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    let kept: Vec<Block> = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|me| {
                let common = &common;
                scope.spawn(move || work(hot, common, me))
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its panic has been printed")).collect()
    });
    let rest = common.into_inner().unwrap();
    for block in kept.into_iter().chain(rest) {
        assert_eq!(hot.take(block.address, true), Some(block));
    }
    let mut left = 0;
    hot.live.each_block(&crate::written::Written::of(&hot.store), |_, _, _| left += 1);
    assert_eq!(left, 0);
}

/// One thread's blocks: granule `place * THREADS + me`, so that neighbours are always another's.
fn work(hot: &Hot, common: &Mutex<Vec<Block>>, me: u64) -> Vec<Block> {
    let mut random = me.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut live: Vec<Option<Block>> = (0..PLACES).map(|_| None).collect();
    // Places whose block went to others come back only when it was freed, as an allocator gives them.
    let mut fresh = PLACES;
    for _ in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = (random >> 40) % PLACES;
        let path = [0x1000, 0x2000 + (random >> 33) % 7 * 16, 0x3000 + (random >> 50) % 5 * 16];
        let node = path
            .iter()
            .fold((0, 0), |(node, hash), &frame| {
                let hash = roll(hash, frame);
                (hot.child(node, frame, hash, &[]), hash)
            })
            .0;
        assert!(node != 0);
        match live[place as usize].take() {
            Some(block) if random >> 61 == 0 => common.lock().unwrap().push(block),
            Some(block) => assert_eq!(hot.take(block.address, true), Some(block), "thread {me}"),
            None => {
                // A block that was handed over has its granule for ever: the next one stands elsewhere.
                fresh += 1;
                let bytes = if random >> 60 == 0 { 1 << 33 } else { 1 + (random >> 45) % 24 };
                let block = Block { address: 0x7f00_0000_0000 + (fresh * THREADS + me) * 64, bytes, site: node };
                assert_eq!(hot.insert(block, true), Inserted::New, "thread {me}");
                live[place as usize] = Some(block);
            }
        }
        let other = if random >> 62 == 0 { common.lock().unwrap().pop() } else { None };
        if let Some(block) = other {
            assert_eq!(hot.take(block.address, true), Some(block), "thread {me}, of another");
        }
    }
    live.into_iter().flatten().collect()
}
