//! Pointers of CPython's that lead behind the start of a block, and mean it all the same: to objects behind the head that the
//! collector keeps, of two words, or of four where the object's dict stands in front of it, too; and to the values of an
//! object's dict, behind the bytes that say in which order they were set (3.11 and 3.12).

use super::memory::Memory;

/// Bytes in front of such an object: two words of the collector, and two of CPython 3.12 and later.
const HEADS: [u64; 2] = [16, 32];
/// Types of types that are looked at: a class, its metaclass, and what that is made by.
const TYPES_MAX: usize = 4;
/// Where an object has its type: behind the count of references.
const TYPE_AT: u64 = 8;

/// Whether a pointer into a block means its start. `type_of_types`: address of `type`; 0: there is no CPython.
pub fn means_start(memory: &impl Memory, type_of_types: u64, (start, bytes): (u64, u64), pointer: u64) -> bool {
    let offset = pointer - start;
    type_of_types != 0
        && (HEADS.contains(&offset) && is_object(memory, type_of_types, pointer)
            || is_values(memory, offset, bytes - offset, pointer))
}

/// Whether these are the values of a dict: behind a byte for each and two more, rounded up to words, whose last is their number.
fn is_values(memory: &impl Memory, offset: u64, bytes: u64, pointer: u64) -> bool {
    offset.is_multiple_of(8)
        && bytes.is_multiple_of(8)
        && (bytes / 8 + 2).next_multiple_of(8) == offset
        && memory.word(pointer - 8).is_some_and(|word| word >> 56 == offset)
}

fn is_object(memory: &impl Memory, type_of_types: u64, pointer: u64) -> bool {
    // What has a type of types, by whatever way, is an object.
    let mut at = pointer;
    for _ in 0..TYPES_MAX {
        match memory.word(at + TYPE_AT) {
            Some(of) if of == type_of_types => return true,
            Some(of) if of != 0 && of.is_multiple_of(8) => at = of,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::heuristics::tests::Words;
    use super::*;

    const TYPE: u64 = 0x60_0000;

    #[test]
    fn an_object_is_what_has_a_type_that_has_one() {
        // A dict at 0x1010 behind its head, of the type at 0x60_1000; an object of a class with a metaclass at 0x1020.
        let words = [(0x1018, 0x60_1000), (0x60_1008, TYPE), (0x1028, 0x2000), (0x2008, 0x60_2000), (0x60_2008, TYPE)];
        let memory = Words(words.into());
        let means = |of: u64, offset: u64| means_start(&memory, of, (0x1000, 64), 0x1000 + offset);
        assert!(means(TYPE, 16) && means(TYPE, 32));
        assert!(!means(TYPE, 24), "no head has this size");
        assert!(!means(0, 16), "no CPython");
        // Words that lead nowhere, or round and round.
        for word in [0, 7, 0x3000, 0x1008, 0x1010] {
            let memory = Words([(0x1018, word), (0x1010, 1)].into());
            assert!(!means_start(&memory, TYPE, (0x1000, 64), 0x1010), "{word:#x}");
        }
    }

    #[test]
    fn values_stand_behind_their_order() {
        // Three of them, behind a word that ends in its own length.
        let means = |bytes: u64, word: u64| means_start(&Words([(0x1000, word)].into()), TYPE, (0x1000, bytes), 0x1008);
        let order = 8 << 56 | 0x0302_0100;
        assert!(means(32, order));
        assert!(!means(40 + 32, order), "so many values have a longer order");
        assert!(!means(32, order >> 8) && !means(31, order));
    }
}
