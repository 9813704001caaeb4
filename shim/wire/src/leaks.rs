//! What the settings say about leaks: which kinds are shown, which pointers count, and how pointers may be tagged.

use crate::settings::number;
use crate::verdict::Verdict;

/// A set of kinds of leaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kinds(u8);

const DEFINITE: u8 = 1;
const POSSIBLE: u8 = 2;
const INDIRECT: u8 = 4;
const REACHABLE: u8 = 8;

impl Kinds {
    /// What is shown where nothing else is asked for.
    pub const DEFAULT: Kinds = Kinds(DEFINITE | POSSIBLE);
    /// All kinds.
    pub const ALL: Kinds = Kinds(DEFINITE | POSSIBLE | INDIRECT | REACHABLE);

    /// `definite,possible,indirect,reachable`, any of them, or `all`.
    pub fn parse(value: &[u8]) -> Option<Kinds> {
        if value == b"all" {
            return Some(Kinds::ALL);
        }
        value.split(|&byte| byte == b',').try_fold(Kinds(0), |kinds, word| {
            let kind = match word {
                b"definite" => DEFINITE,
                b"possible" => POSSIBLE,
                b"indirect" => INDIRECT,
                b"reachable" => REACHABLE,
                _ => return None,
            };
            Some(Kinds(kinds.0 | kind))
        })
    }

    /// Whether blocks of this kind are shown. Suppressed ones never are.
    pub fn has(self, verdict: Verdict) -> bool {
        let kind = match verdict {
            Verdict::Definite => DEFINITE,
            Verdict::Possible => POSSIBLE,
            Verdict::Indirect => INDIRECT,
            Verdict::Reachable => REACHABLE,
            Verdict::Suppressed => 0,
        };
        self.0 & kind != 0
    }
}

/// Memcheck's heuristics, as bits. `Check::heuristic_blocks` has them in this order.
pub mod heuristic {
    /// A pointer behind the header of an old std::string: length, capacity, reference count.
    pub const STDSTRING: u32 = 1;
    /// A pointer 8 bytes behind the start, where these 8 bytes hold the length of the rest.
    pub const LENGTH64: u32 = 2;
    /// A pointer behind the count of elements of a `new T[n]`.
    pub const NEWARRAY: u32 = 4;
    /// A pointer to the part of an object that is its second base class.
    pub const MULTIPLEINHERITANCE: u32 = 8;
    /// All of them.
    pub const ALL: u32 = 15;
    /// Their names, in the order of the bits.
    pub const NAMES: [&str; 4] = ["stdstring", "length64", "newarray", "multipleinheritance"];
}

/// Names of heuristics with commas between them, `all` or `none`.
pub(crate) fn heuristics(value: &[u8]) -> Option<u32> {
    match value {
        b"all" => Some(heuristic::ALL),
        b"none" => Some(0),
        _ => value.split(|&byte| byte == b',').try_fold(0, |bits, word| {
            let place = heuristic::NAMES.iter().position(|name| name.as_bytes() == word)?;
            Some(bits | 1 << place)
        }),
    }
}

/// Bits of a pointer in which a program may keep something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tags {
    /// The lowest bits: 0 to 4, for blocks stand on multiples of 16.
    pub low_bits: u32,
    /// The highest bits: 0 to 16, for addresses have 48.
    pub high_bits: u32,
}

impl Tags {
    /// Pointers are plain.
    pub const NONE: Tags = Tags { low_bits: 0, high_bits: 0 };

    /// `low:N`, `high:N`, or both; `0`: none.
    pub fn parse(value: &[u8]) -> Option<Tags> {
        if value == b"0" {
            return Some(Tags::NONE);
        }
        value.split(|&byte| byte == b',').try_fold(Tags::NONE, |tags, part| {
            let bits = |name: &[u8], most| {
                let bits = number(part.strip_prefix(name)?.strip_prefix(b":")?)?;
                u32::try_from(bits).ok().filter(|&bits| bits <= most)
            };
            match (bits(b"low", 4), bits(b"high", 16)) {
                (Some(low_bits), _) => Some(Tags { low_bits, ..tags }),
                (None, Some(high_bits)) => Some(Tags { high_bits, ..tags }),
                (None, None) => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_chosen_one_by_one_or_all() {
        let kinds = Kinds::parse(b"indirect,reachable").unwrap();
        assert!(kinds.has(Verdict::Indirect) && kinds.has(Verdict::Reachable));
        assert!(!kinds.has(Verdict::Definite) && !kinds.has(Verdict::Possible) && !Kinds::ALL.has(Verdict::Suppressed));
        assert_eq!(Kinds::parse(b"possible,definite"), Some(Kinds::DEFAULT));
        for wrong in [&b""[..], b"definite,", b"Definite", b"all,definite", b"none"] {
            assert_eq!(Kinds::parse(wrong), None);
        }
    }

    #[test]
    fn heuristics_are_bits_in_the_order_of_their_names() {
        assert_eq!(heuristics(b"stdstring"), Some(heuristic::STDSTRING));
        assert_eq!(heuristics(b"length64,newarray"), Some(heuristic::LENGTH64 | heuristic::NEWARRAY));
        assert_eq!(heuristics(b"multipleinheritance"), Some(heuristic::MULTIPLEINHERITANCE));
        assert_eq!((heuristics(b"all"), heuristics(b"none"), heuristics(b"some")), (Some(15), Some(0), None));
    }

    #[test]
    fn tags_are_low_and_high_bits_within_their_limits() {
        assert_eq!(Tags::parse(b"0"), Some(Tags::NONE));
        assert_eq!(Tags::parse(b"low:4"), Some(Tags { low_bits: 4, high_bits: 0 }));
        assert_eq!(Tags::parse(b"high:16,low:1"), Some(Tags { low_bits: 1, high_bits: 16 }));
        for wrong in [&b"low:5"[..], b"high:17", b"low", b"low:", b"3", b"low:1,", b"mid:1"] {
            assert_eq!(Tags::parse(wrong), None);
        }
    }
}
