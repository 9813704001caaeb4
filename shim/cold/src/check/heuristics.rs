//! Pointers behind a block's start that are taken for pointers to the start, as Memcheck takes them (Valgrind
//! manual, 4.3, `--leak-check-heuristics`).

use super::memory::Memory;

/// One of the four; its number is its place in `Check::heuristic_blocks`, plus 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Heuristic {
    /// `length capacity refcount characters`: the pointer is to the characters.
    StdString = 1,
    /// The length of the rest stands in the first 8 bytes: the pointer is behind it.
    Length64 = 2,
    /// The number of elements stands in front of them.
    NewArray = 3,
    /// The pointer is to an object inside, and both begin with a table of virtual functions.
    MultipleInheritance = 4,
}

/// Executable and readable mappings: where functions and tables of them lie.
pub trait Code {
    /// Whether functions lie there.
    fn is_code(&self, address: u64) -> bool;
    /// Whether a module's data lies there.
    fn is_module(&self, address: u64) -> bool;
}

/// Entries of a table of virtual functions that are looked at.
const ENTRIES_MAX: u64 = 20;
/// Functions that it must begin with.
const FUNCTIONS_MIN: u32 = 2;

/// The heuristic of those in `switched_on` (bit 0 is the first) that takes the pointer for one to the block's start.
pub fn applies(
    memory: &impl Memory,
    code: &impl Code,
    switched_on: u32,
    (start, bytes): (u64, u64),
    pointer: u64,
) -> Option<Heuristic> {
    let offset = pointer - start;
    if !offset.is_multiple_of(8) {
        return None;
    }
    let on = |heuristic: Heuristic| switched_on & 1 << (heuristic as u32 - 1) != 0;
    let word = |at: u64| memory.word(at);
    if on(Heuristic::StdString) && offset == 24 {
        let capacity = word(start + 8)?;
        if capacity.checked_add(25) == Some(bytes) && word(start)? <= capacity {
            return Some(Heuristic::StdString);
        }
    }
    if on(Heuristic::Length64) && offset == 8 {
        let length = word(start)?;
        if length != 0 && bytes - 8 == length {
            return Some(Heuristic::Length64);
        }
    }
    if on(Heuristic::NewArray) && offset == 8 {
        let elements = word(start)?;
        if elements != 0 && (bytes - 8) % elements == 0 {
            return Some(Heuristic::NewArray);
        }
    }
    if on(Heuristic::MultipleInheritance)
        && offset + 8 <= bytes
        && is_table(memory, code, word(pointer)?)
        && is_table(memory, code, word(start)?)
    {
        return Some(Heuristic::MultipleInheritance);
    }
    None
}

fn is_table(memory: &impl Memory, code: &impl Code, at: u64) -> bool {
    if !at.is_multiple_of(8) || !code.is_module(at) {
        return false;
    }
    let end = (at + ENTRIES_MAX * 8).min((at | 4095) + 1);
    let mut functions = 0;
    let mut is_table = true;
    memory.words(at, end, |_, entry| {
        if functions < FUNCTIONS_MIN && is_table && entry != 0 {
            is_table = code.is_code(entry);
            functions += u32::from(is_table);
        }
    });
    is_table && functions >= FUNCTIONS_MIN
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::collections::HashMap;

    pub struct Words(pub HashMap<u64, u64>);

    impl Memory for Words {
        fn words(&self, from: u64, to: u64, mut each: impl FnMut(u64, u64)) -> u64 {
            (from..to).step_by(8).for_each(|at| {
                if let Some(&word) = self.0.get(&at) {
                    each(at, word)
                }
            });
            0
        }
    }

    struct Program;

    impl Code for Program {
        fn is_code(&self, address: u64) -> bool {
            (0x40_0000..0x41_0000).contains(&address)
        }

        fn is_module(&self, address: u64) -> bool {
            (0x60_0000..0x61_0000).contains(&address)
        }
    }

    fn judge(words: &[(u64, u64)], bytes: u64, offset: u64) -> Option<Heuristic> {
        let memory = Words(words.iter().copied().collect());
        let found = applies(&memory, &Program, 15, (0x1000, bytes), 0x1000 + offset);
        let switch = found.map_or(0, |heuristic| 1 << (heuristic as u32 - 1));
        assert_eq!(applies(&memory, &Program, 15 & !switch, (0x1000, bytes), 0x1000 + offset), None);
        found
    }

    #[test]
    fn each_shape_is_known_and_can_be_switched_off() {
        let string = [(0x1000, 5), (0x1008, 15)];
        assert_eq!(judge(&string, 40, 24), Some(Heuristic::StdString));
        assert_eq!((judge(&string, 41, 24), judge(&string, 40, 16)), (None, None));
        assert_eq!(judge(&[(0x1000, 16), (0x1008, 15)], 40, 24), None);
        let memory = Words([(0x1000, 92)].into());
        let length = |on: u32, bytes| applies(&memory, &Program, on, (0x1000, bytes), 0x1008);
        assert_eq!((length(15, 100), length(15, 101)), (Some(Heuristic::Length64), None));
        assert_eq!(judge(&[(0x1000, 3)], 32, 8), Some(Heuristic::NewArray));
        assert_eq!((judge(&[(0x1000, 3)], 33, 8), judge(&[(0x1000, 0)], 32, 8)), (None, None));
        let tables = [(0x60_0100, 0x40_0010), (0x60_0108, 0x40_0020), (0x60_0200, 0), (0x60_0208, 0x40_0030)];
        let object = [(0x1000, 0x60_0100), (0x1010, 0x60_0200), (0x60_0210, 0x40_0040)];
        let whole: std::vec::Vec<(u64, u64)> = tables.iter().chain(&object).copied().collect();
        assert_eq!(judge(&whole, 48, 16), Some(Heuristic::MultipleInheritance));
        assert_eq!(judge(&whole[..5], 48, 16), None);
    }
}
