//! Mutexes that the program's first thread holds when the process ends, found in its memory.
//!
//! A mutex of glibc says who holds it, so nothing has to run in the program when it locks:
//!
//! ```text
//!   bytes  0       4       8          12       16      20              24 … 40
//!          lock    count   owner      holders  kind    spins, elision  list of robust ones
//!          1 or 2  0, n    thread id  1        0 to 3  any             0
//! ```
//!
//! Eight words of 32 bits that must all fit, the thread's id among them, are found by chance nowhere.
//!
//! Left out: other threads', as the process may end while they are at work; readers' and writers' locks, whose readers
//! have no names; locks that are made of futexes alone (Rust, GLib); robust mutexes, which the kernel sees to.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::names;
use crate::sys::{Pid, trace};

/// Memory that is looked at, of what was ever touched: what is beyond is not worth the time of every run.
const MEMORY_MAX: u64 = 16 << 20;
/// Kinds of mutexes: normal, recursive, error-checking, adaptive.
const KIND_MAX: u32 = 3;
/// Bits beside the kind that say how it locks: for other processes, with or without elision.
const KIND_FLAGS: u32 = 0x80 | 0x100 | 0x200;
/// Depth of a recursive one that is believed.
const COUNT_MAX: u32 = 1 << 16;
/// Bytes of a page, and of its entry in /proc/PID/pagemap.
const PAGE: u64 = 4096;
const ENTRY: u64 = 8;
/// Bytes of a mutex.
const BYTES: usize = 40;
/// `e_type` of a program that is not moved.
const ET_EXEC: u64 = 2;

/// A piece of memory, as /proc/PID/maps has it.
struct Piece {
    start: u64,
    end: u64,
    is_private_data: bool,
    offset: u64,
    /// A file, or a name in brackets.
    name: String,
}

/// What the mutexes are called that this process's first thread holds, and how many of each there are.
pub fn held(pid: Pid) -> BTreeMap<String, u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let pieces: Vec<Piece> = text.lines().filter_map(piece).collect();
    let pages = File::open(format!("/proc/{pid}/pagemap")).ok();
    let mut found = BTreeMap::new();
    let mut left = MEMORY_MAX;
    for (place, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.is_private_data) {
        for part in touched(pages.as_ref(), piece.start..piece.end) {
            let bytes = part.end - part.start;
            if bytes > left {
                continue;
            }
            left -= bytes;
            let mut memory = trace::memory_of(pid, part.start, bytes as usize);
            // What was never touched behind it is zero.
            memory.extend([0; BYTES]);
            for at in mutexes(&memory, pid as u32) {
                *found.entry(name(pid, &pieces, place, part.start + at as u64)).or_default() += 1;
            }
        }
    }
    found
}

/// The parts of a piece that were ever touched (proc(5), pagemap: bit 63 present, bit 62 swapped); all of it where the
/// kernel does not say. To read the others would give each a page.
fn touched(pages: Option<&File>, piece: Range<u64>) -> Vec<Range<u64>> {
    let mut entries = vec![0; ((piece.end - piece.start) / PAGE * ENTRY) as usize];
    let read = pages.map(|pages| pages.read_exact_at(&mut entries, piece.start / PAGE * ENTRY));
    if !matches!(read, Some(Ok(()))) {
        return vec![piece];
    }
    let mut parts: Vec<Range<u64>> = Vec::new();
    for (start, entry) in (piece.start..).step_by(PAGE as usize).zip(entries.chunks_exact(ENTRY as usize)) {
        // The byte with the highest bits.
        if entry[ENTRY as usize - 1] >> 6 == 0 {
            continue;
        }
        match parts.last_mut() {
            Some(last) if last.end == start => last.end += PAGE,
            _ => parts.push(start..start + PAGE),
        }
    }
    parts
}

/// Where mutexes lie that this thread holds.
fn mutexes(memory: &[u8], owner: u32) -> Vec<usize> {
    let is_held = |bytes: &[u8]| {
        let word =
            |at: usize| bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap_or_default()));
        let kind = word(16) & !KIND_FLAGS;
        let is_recursive = kind == 1;
        word(8) == owner
            && matches!(word(0), 1 | 2)
            && (word(4) == 0) != is_recursive
            && word(4) < COUNT_MAX
            && word(12) == 1
            && kind <= KIND_MAX
            && [24, 28, 32, 36].iter().all(|&at| word(at) == 0)
    };
    (0..memory.len().saturating_sub(BYTES - 1)).step_by(8).filter(|&at| is_held(&memory[at..at + BYTES])).collect()
}

fn piece(line: &str) -> Option<Piece> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let access = words.next()?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let offset = number(words.next()?)?;
    let name = words.nth(2).unwrap_or_default().to_owned();
    let is_private_data = access == "rw-p" && !name.contains("libmemtrace");
    Some(Piece { start: number(start)?, end: number(end)?, is_private_data, offset, name })
}

/// A name that is the same in every run.
fn name(pid: Pid, pieces: &[Piece], place: usize, address: u64) -> String {
    // What follows a file's last piece without a name is its data that begins as zeros.
    let end = pieces.iter().enumerate().take(place + 1).rev();
    let mut next = u64::MAX;
    let owner = end.map_while(|(_, piece)| {
        let is_next = next == u64::MAX || piece.end == next;
        next = piece.start;
        is_next.then_some(piece)
    });
    match owner.into_iter().find(|piece| !piece.name.is_empty()) {
        Some(piece) if piece.name.starts_with('/') => {
            let base = pieces.iter().find(|first| first.name == piece.name && first.offset == 0);
            let base = base.map_or(piece.start - piece.offset, |first| first.start);
            let is_fixed = trace::word_of(pid, base + 16).is_some_and(|word| word & 0xffff == ET_EXEC);
            let offset = if is_fixed { address } else { address - base };
            let path = PathBuf::from(&piece.name);
            let file = Path::new(&piece.name).file_name().unwrap_or_default().to_string_lossy().into_owned();
            match names::datum(&path, offset) {
                Some(datum) if datum.offset == 0 => format!("mutex {} in {file}", datum.name),
                Some(datum) => format!("mutex {}+{} in {file}", datum.name, datum.offset),
                None => format!("mutex {file}+{offset:#x}"),
            }
        }
        Some(piece) if piece.name == "[stack]" => "mutex in the stack".to_owned(),
        _ => "mutex in the heap".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutex(words: [u32; 10]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn a_mutex_is_known_by_all_its_words() {
        let held = [1, 0, 77, 1, 0, 0, 0, 0, 0, 0];
        let at = |words| mutexes(&[&[0; 8][..], &mutex(words), &[9; 8]].concat(), 77);
        assert_eq!(at(held), [8]);
        assert_eq!(at([2, 3, 77, 1, 1, 0, 0, 0, 0, 0]), [8], "recursive, with waiters");
        assert_eq!(at([1, 0, 77, 1, 0x102, 9, 0, 0, 0, 0]), [8], "for errors, with elision, after spinning");
        let others = [(0, 0), (0, 3), (1, 1), (2, 78), (3, 0), (3, 2), (4, 4), (4, 1), (6, 1), (9, 1)];
        for (word, value) in others {
            let mut words = held;
            words[word] = value;
            assert!(at(words).is_empty(), "word {word} is {value}");
        }
        assert!(mutexes(&mutex(held)[..39], 77).is_empty());
    }

    #[test]
    fn pieces_are_read_as_the_kernel_writes_them() {
        let data = piece("7f00-8f00 rw-p 00001000 fe:01 12    /lib/x.so").unwrap();
        assert_eq!((data.start, data.end, data.offset, data.is_private_data), (0x7f00, 0x8f00, 0x1000, true));
        assert_eq!(data.name, "/lib/x.so");
        assert!(piece("7f00-8f00 rw-p 00000000 00:00 0 ").unwrap().name.is_empty());
        for other in ["r--p 0 0 0 /x", "rw-s 0 0 0 /memfd:x", "rw-p 0 0 0 /t/libmemtrace.so"] {
            assert!(!piece(&format!("1-2 {other}")).unwrap().is_private_data, "{other}");
        }
    }
}
