//! Whether glibc's malloc has a chunk in use at an address, as far as its headers tell (malloc/malloc.c).
//!
//! A chunk begins with the size of the one before, if that is free, and its own size with three bits. A free chunk shows
//! itself in one of these ways: the next one says so; it is chained in a thread's cache or a fast bin (its first word
//! leads to another free chunk, mangled since glibc 2.32); it was joined to the free one before it.

const IN_USE: u64 = 1;
const MAPPED: u64 = 2;
const CHUNK_MIN: u64 = 32;
const CHUNK_MAX: u64 = 1 << 40;
/// Chunks up to this size may be in a cache or a fast bin.
const CACHED_MAX: u64 = 0x410;
const PAGE: u64 = 4096;

/// What the headers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It is in use.
    Used,
    /// It is free, or no chunk.
    Free,
    /// It is free in a fast bin, or was handed out and not written to since.
    Either,
}

/// See above. `word`: what stands at an address, if that can be read; `was_freed`: a block was freed at an address, and
/// none has begun there since.
pub fn state(word: impl Fn(u64) -> Option<u64>, was_freed: impl Fn(u64) -> bool, user: u64) -> State {
    let read = |at: u64| word(at).unwrap_or(0);
    if !user.is_multiple_of(16) || user < PAGE {
        return State::Free;
    }
    let header = read(user - 8);
    let size = header & !7;
    if !(CHUNK_MIN..CHUNK_MAX).contains(&size) || !size.is_multiple_of(16) {
        return State::Free;
    }
    let start = user - 16;
    if header & MAPPED != 0 {
        let before = read(start);
        let is_mapping =
            before < size.max(PAGE) && (start - before).is_multiple_of(PAGE) && (before + size).is_multiple_of(PAGE);
        return if is_mapping { State::Used } else { State::Free };
    }
    let Some(next) = word(start + size + 8) else { return State::Free };
    if next & IN_USE == 0 || next & !7 < 16 {
        return State::Free;
    }
    if header & IN_USE == 0 {
        let before = read(start);
        let is_whole = before >= CHUNK_MIN && before.is_multiple_of(16) && before < start;
        if !is_whole || read(start - before + 8) & !7 != before {
            return State::Free;
        }
    }
    if size > CACHED_MAX { State::Used } else { chained(read, was_freed, user) }
}

/// What the first words say: those of a chunk in a thread's cache or in a fast bin lead to the next.
fn chained(read: impl Fn(u64) -> u64, was_freed: impl Fn(u64) -> bool, user: u64) -> State {
    // Entries of caches lead to what the program would have, those of fast bins to headers.
    let leads = |to: u64| to == 0 || to.is_multiple_of(16) && (was_freed(to) || was_freed(to + 16));
    let (first, key) = (read(user), read(user + 8));
    let next = first ^ user >> 12;
    // A cached chunk that malloc itself has put there was never freed; but since 2.34 all have the same random key.
    let has_key = next.is_multiple_of(16) && key >> 32 != 0 && read(next + 8) == key;
    // Before 2.32: not mangled, and the second word leads to the cache, a chunk of one of these sizes.
    let is_cache = key.is_multiple_of(16) && key > PAGE && [0x250, 0x290].contains(&(read(key - 8) & !7));
    match (leads(next) || has_key || is_cache && leads(first), key) {
        // Whoever takes a chunk out of a cache clears its key, and nothing else.
        (true, 0) => State::Either,
        (true, _) => State::Free,
        (false, _) => State::Used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const USER: u64 = 0x5555_0000_1010;

    fn judge(words: &[(u64, u64)], freed: &[u64]) -> bool {
        let memory: HashMap<u64, u64> = words.iter().copied().collect();
        state(|at| memory.get(&at).copied(), |at| freed.contains(&at), USER) == State::Used
    }

    #[test]
    fn a_chunk_is_in_use_unless_something_says_otherwise() {
        let used = [(USER - 8, 0x51), (USER + 0x48, 0x21), (USER, 0x1234_5678)];
        assert!(judge(&used, &[]));
        // The next one says that it is free; it is none; nothing can be read.
        assert!(!judge(&[(USER - 8, 0x51), (USER + 0x48, 0x20)], &[]));
        assert!(!judge(&[(USER - 8, 0x49), (USER + 0x40, 0x21)], &[]));
        assert!(!judge(&[], &[]) && !judge(&[(USER - 8, 0x51)], &[]));
    }

    #[test]
    fn a_chunk_in_a_cache_or_a_fast_bin_is_free() {
        let chained = |first: u64, second: u64| {
            let words = [(USER - 8, 0x51), (USER + 0x48, 0x21), (USER, first), (USER + 8, second), (0x9008, 0x291)];
            judge(&words, &[0x5555_0000_2010])
        };
        assert!(!chained(USER >> 12, 7));
        assert!(!chained(USER >> 12 ^ 0x5555_0000_2010, 7) && !chained(USER >> 12 ^ 0x5555_0000_2000, 7));
        assert!(chained(USER >> 12 ^ 0x5555_0000_3010, 7) && chained(0, 7));
        // To a chunk that nobody has freed, with the same key.
        let keyed = |key: u64| {
            let next = 0x5555_0000_7010;
            let words = [
                (USER - 8, 0x51),
                (USER + 0x48, 0x21),
                (USER, USER >> 12 ^ next),
                (USER + 8, 5 << 40),
                (next + 8, key),
            ];
            judge(&words, &[])
        };
        assert!(!keyed(5 << 40) && keyed(6 << 40));
        assert!(!chained(0, 0x9010) && chained(8, 0x9010));
    }

    #[test]
    fn a_chained_chunk_without_a_key_may_have_been_handed_out() {
        let memory = HashMap::from([(USER - 8, 0x51), (USER + 0x48, 0x21), (USER, USER >> 12), (USER + 8, 0)]);
        assert_eq!(state(|at| memory.get(&at).copied(), |_| false, USER), State::Either);
    }

    #[test]
    fn a_chunk_that_was_joined_to_the_one_before_is_free() {
        let joined = |before: u64| {
            let words = [(USER - 8, 0x50), (USER - 16, 0x40), (USER - 0x48, before), (USER + 0x48, 0x21)];
            judge(&words, &[])
        };
        assert!(joined(0x41) && !joined(0x91));
    }

    #[test]
    fn a_mapped_chunk_begins_where_its_mapping_does() {
        let user = 0x7000_0000_0010u64;
        let judge = |size: u64, before: u64| {
            let memory = HashMap::from([(user - 8, size | MAPPED), (user - 16, before)]);
            state(|at| memory.get(&at).copied(), |_| false, user) == State::Used
        };
        assert!(judge(0x2000, 0) && !judge(0x2010, 0) && !judge(0x2000, 0x10));
    }
}
