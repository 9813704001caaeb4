//! Chunks that glibc keeps free in a thread's cache (tcache, glibc 2.26 and later), though they look as if they were in
//! use: malloc(3) puts there what it finds of the right size in a bin, remainders of larger chunks among it, which no
//! program ever freed at that address.
//!
//! Since glibc 2.29 the second word of such a chunk is a key: a random number of the process's since 2.34, before that
//! the address of the cache itself (malloc/malloc.c, tcache_put). It is taken out again when the chunk is.

use super::memory::Memory;

/// Sizes of the chunk that malloc keeps for each thread's cache, by version.
const CACHES: [u64; 4] = [0x250, 0x290, 0x2f0, 0x310];

/// What is known of the key.
#[derive(Default)]
pub struct Caches {
    /// 0: none was seen yet.
    key: u64,
    /// Caches are their own keys.
    is_own: bool,
}

impl Caches {
    /// Whether a chunk of this size may be a cache.
    pub fn is_one(size: u64) -> bool {
        CACHES.contains(&size)
    }

    /// Looks for the key: a cache has pointers to the first chunk of each size.
    pub fn learn(&mut self, memory: &impl Memory, cache: u64, size: u64, heap: (u64, u64)) {
        if self.key != 0 || self.is_own {
            return;
        }
        let entries = (cache..cache + size - 16).step_by(8).filter_map(|at| memory.word(at));
        let mut keys = entries
            .filter(|&entry| entry.is_multiple_of(16) && heap.0 <= entry && entry + 16 <= heap.1)
            .filter_map(|entry| memory.word(entry + 8));
        // Numbers of chunks stand beside the pointers, but none of those is as large as an address of the heap.
        match keys.next() {
            Some(key) if key == cache => self.is_own = true,
            Some(key) if keys.all(|other| other == key) => self.key = key,
            _ => {}
        }
    }

    /// Whether a chunk is in a cache, by what the program would have in its first words.
    pub fn hold(&self, memory: &impl Memory, user: u64) -> bool {
        match memory.word(user + 8) {
            None | Some(0) => false,
            Some(word) if self.is_own => {
                word.is_multiple_of(16) && memory.word(word - 8).is_some_and(|size| Self::is_one(size & !7))
            }
            Some(word) => word == self.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heuristics::tests::Words;
    use super::*;

    const HEAP: (u64, u64) = (0x1000, 0x2000);
    const CACHE: u64 = 0x1010;
    const KEY: u64 = 0x63c0_cac8_920e_b52a;

    /// A heap with a cache whose entry leads to a chunk with this key, and another chunk with `other`.
    fn heap(key: u64, other: u64) -> Words {
        let words = [(CACHE - 8, 0x291), (CACHE, 1), (CACHE + 0x88, 0x1800), (0x1808, key), (0x1908, other)];
        Words(words.into())
    }

    fn learned(memory: &Words) -> Caches {
        let mut caches = Caches::default();
        caches.learn(memory, CACHE, 0x290, HEAP);
        caches
    }

    #[test]
    fn a_chunk_with_the_key_of_the_process_is_free() {
        let memory = heap(KEY, KEY);
        assert!(learned(&memory).hold(&memory, 0x1900));
        let memory = heap(KEY, 5);
        assert!(!learned(&memory).hold(&memory, 0x1900));
    }

    #[test]
    fn a_cache_can_be_its_own_key() {
        let memory = heap(CACHE, CACHE);
        assert!(learned(&memory).hold(&memory, 0x1900));
        let memory = heap(CACHE, 0x1808);
        assert!(!learned(&memory).hold(&memory, 0x1900));
    }

    #[test]
    fn nothing_is_free_while_no_key_is_known() {
        let memory = Words([(CACHE - 8, 0x291), (0x1908, KEY)].into());
        assert!(!learned(&memory).hold(&memory, 0x1900));
        assert!(!learned(&memory).hold(&memory, 0x1a00));
    }
}
