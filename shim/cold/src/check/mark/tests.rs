//! The search over memories that are drawn by hand.

use std::collections::HashMap;
use std::vec::Vec;

use super::*;

struct Words(HashMap<u64, u64>);

impl Memory for Words {
    fn words(&self, from: u64, to: u64, mut each: impl FnMut(u64, u64)) -> u64 {
        (from.next_multiple_of(8)..to & !7).step_by(8).for_each(|at| {
            if let Some(&word) = self.0.get(&at) {
                each(at, word)
            }
        });
        0
    }
}

struct NoCode;

impl Code for NoCode {
    fn is_code(&self, _: u64) -> bool {
        false
    }

    fn is_module(&self, _: u64) -> bool {
        false
    }
}

const NO_TAGS: Rules = Rules { heuristics: 15, low_bits: 0, high_bits: 0, type_of_types: 0 };
const ROOT: Piece = Piece { start: 0x100, end: 0x200, holder: Holder::Global, number: 0 };

/// What becomes of blocks (address, bytes) in a memory of (place, word), with one root: a letter for each.
fn mark(blocks: &[(u64, u64)], words: &[(u64, u64)], rules: Rules) -> std::string::String {
    let blocks = Blocks::sorted(blocks.iter().map(|&(at, bytes)| (at, bytes, 1)), blocks.len()).unwrap();
    let memory = Words(words.iter().copied().collect());
    let mut marks = Marks::new(&blocks, &memory, &NoCode, rules).unwrap();
    marks.root(&ROOT, 0);
    assert!(marks.follow(|| true));
    let letter = |block: usize| match (blocks.state(block) & state::KIND, blocks.state(block) & state::ENTRY) {
        (state::REACHABLE, _) if blocks.state(block) >> state::HEURISTIC_SHIFT & 7 != 0 => 'h',
        (state::REACHABLE, _) => 'r',
        (state::POSSIBLE, 0) => 'p',
        (state::POSSIBLE, _) => 'e',
        _ => '-',
    };
    (0..blocks.count()).map(letter).collect()
}

#[test]
fn starts_reach_and_what_points_behind_a_start_is_possible() {
    let blocks = [(0x1000, 32), (0x2000, 32), (0x3000, 32), (0x4000, 32)];
    let chain = [(0x100, 0x1000), (0x1000, 0x2008), (0x2000, 0x3000)];
    assert_eq!(mark(&blocks, &chain, NO_TAGS), "rep-");
    // A second way, by starts.
    let both = [(0x100, 0x1000), (0x1000, 0x2009), (0x2000, 0x3000), (0x1008, 0x4000), (0x4000, 0x2000)];
    assert_eq!(mark(&blocks, &both, NO_TAGS), "rrrr");
}

#[test]
fn what_is_not_a_whole_aligned_word_of_a_block_holds_nothing() {
    let blocks = [(0x1000, 12), (0x2000, 8), (0x3000, 8)];
    assert_eq!(mark(&blocks, &[(0x100, 0x1000), (0x1008, 0x2000)], NO_TAGS), "r--");
    assert_eq!(mark(&blocks, &[(0x100, 0x2008), (0x108, 0x1fff)], NO_TAGS), "---");
    // The end of an array of no elements.
    assert_eq!(mark(&blocks, &[(0x100, 0x2008), (0x2000, 0)], NO_TAGS), "-r-");
    assert_eq!(mark(&[(0x1000, 0)], &[(0x100, 0x1000)], NO_TAGS), "r");
}

#[test]
fn a_pointer_to_the_very_start_needs_no_heuristic() {
    let blocks = [(0x1000, 40)];
    let string = [(0x100, 0x1018), (0x1000, 5), (0x1008, 15)];
    assert_eq!(mark(&blocks, &string, NO_TAGS), "h");
    let both: Vec<(u64, u64)> = string.into_iter().chain([(0x108, 0x1000)]).collect();
    assert_eq!(mark(&blocks, &both, NO_TAGS), "r");
    assert_eq!(mark(&blocks, &string, Rules { heuristics: 0, ..NO_TAGS }), "e");
}

#[test]
fn tags_are_taken_off_on_request() {
    let blocks = [(0x1000, 32), (0x2000, 32)];
    let words = [(0x100, 0x1003), (0x108, 0xabcd_0000_0000_2000)];
    assert_eq!(mark(&blocks, &words, NO_TAGS), "e-");
    assert_eq!(mark(&blocks, &words, Rules { low_bits: 2, ..NO_TAGS }), "r-");
    assert_eq!(mark(&blocks, &words, Rules { low_bits: 2, high_bits: 16, ..NO_TAGS }), "rr");
}

#[test]
fn more_blocks_than_the_queue_has_room_for_are_all_read() {
    // A star: one block holds all others, each of which holds one more.
    let count = 300_000u64;
    let block = |number: u64| (0x10_0000 + number * 16, 8);
    let star = (0x8000_0000, count * 8);
    let blocks: Vec<(u64, u64)> = (0..2 * count).map(block).chain([star]).collect();
    let mut words = vec_of_star(count);
    words.extend((0..count).map(|number| (block(number).0, block(count + number).0)));
    words.push((0x100, star.0));
    assert!(mark(&blocks, &words, NO_TAGS).bytes().all(|letter| letter == b'r'));
}

fn vec_of_star(count: u64) -> Vec<(u64, u64)> {
    (0..count).map(|number| (0x8000_0000 + number * 8, 0x10_0000 + number * 16)).collect()
}

#[test]
fn the_way_by_which_a_block_was_met_is_a_shortest_one() {
    let blocks = [(0x1000, 32), (0x2000, 32), (0x3000, 32)];
    let words = [(0x100, 0x1000), (0x108, 0x2000), (0x1000, 0x2000), (0x2008, 0x3000), (0x1008, 0x3000)];
    let table = Blocks::sorted(blocks.iter().map(|&(at, bytes)| (at, bytes, 1)), 3).unwrap();
    let memory = Words(words.iter().copied().collect());
    let mut marks = Marks::new(&table, &memory, &NoCode, NO_TAGS).unwrap();
    marks.root(&ROOT, 7);
    assert!(marks.follow(|| true));
    let parent = |block: usize| marks.parents.get(block);
    assert_eq!((parent(0), parent(1), parent(2)), (FROM_ROOT, FROM_ROOT | 1, 0));
    assert_eq!(marks.from_roots.get(1), [0x108, 7]);
    assert_eq!(marks.pointer_to(2, 0), Some((0x1008, 0x3000)));
}

#[test]
fn a_search_that_takes_too_long_is_given_up() {
    let blocks = [(0x1000, PATIENCE_BYTES)];
    let table = Blocks::sorted(blocks.iter().map(|&(at, bytes)| (at, bytes, 1)), 1).unwrap();
    let memory = Words([(0x100, 0x1000)].into());
    let mut marks = Marks::new(&table, &memory, &NoCode, NO_TAGS).unwrap();
    marks.root(&ROOT, 0);
    assert!(!marks.follow(|| false));
}
