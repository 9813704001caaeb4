//! Finds a function in a loaded module by its symbol tables, without the loader's lock and without an allocation.
//!
//! Source: the System V ABI's hash table, and the GNU hash table as glibc reads it.

use core::ffi::CStr;

use super::object::{Dynamic, LinkMap, link_maps};

/// A symbol name.
pub type Name = &'static CStr;

const DT_HASH: i64 = 4;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_VERSYM: i64 = 0x6fff_fff0;
const DT_GNU_HASH: i64 = 0x6fff_fef5;
/// Kinds of symbols.
const OBJECT: u8 = 1;
const FUNCTION: u8 = 2;

/// The address of the function that the module defines under this name, in its default version.
pub fn function(map: &LinkMap, name: Name) -> Option<usize> {
    extent(map, name).map(|(address, _)| address)
}

/// The same, and its length in bytes.
pub fn extent(map: &LinkMap, name: Name) -> Option<(usize, usize)> {
    Tables::of(map, FUNCTION)?.find(name)
}

/// The address of the data that the module defines under this name, and its length in bytes.
pub fn data(map: &LinkMap, name: Name) -> Option<(usize, usize)> {
    Tables::of(map, OBJECT)?.find(name)
}

/// The next definition behind the module with this dynamic section, and its module. For modules outside the global
/// scope (RTLD_LOCAL) the order is that of loading.
pub fn next(own: *const Dynamic, name: Name) -> Option<(usize, &'static LinkMap)> {
    let behind = link_maps().skip_while(|map| !core::ptr::eq(map.dynamic, own)).skip(1);
    behind.into_iter().find_map(|map| Some((function(map, name)?, map)))
}

struct Tables {
    kind: u8,
    bias: u64,
    symbols: u64,
    texts: u64,
    versions: Option<u64>,
    gnu_hash: Option<u64>,
    hash: Option<u64>,
}

/// Symbols in one chain: a bound for broken tables.
const CHAIN_MAX: u32 = 1 << 20;

impl Tables {
    fn of(map: &LinkMap, kind: u8) -> Option<Tables> {
        // glibc makes these addresses absolute when it loads a module, except in the vdso, whose are offsets.
        let absolute = |value: u64| if value < map.bias { value.wrapping_add(map.bias) } else { value };
        Some(Tables {
            kind,
            bias: map.bias,
            symbols: absolute(map.dynamic(DT_SYMTAB)?),
            texts: absolute(map.dynamic(DT_STRTAB)?),
            versions: map.dynamic(DT_VERSYM).map(absolute),
            gnu_hash: map.dynamic(DT_GNU_HASH).map(absolute),
            hash: map.dynamic(DT_HASH).map(absolute),
        })
    }

    fn find(&self, name: Name) -> Option<(usize, usize)> {
        match (self.gnu_hash, self.hash) {
            (Some(table), _) => self.find_gnu(table, name),
            (None, Some(table)) => self.find_old(table, name),
            (None, None) => None,
        }
    }

    fn find_gnu(&self, table: u64, name: Name) -> Option<(usize, usize)> {
        let hash =
            name.to_bytes().iter().fold(5381u32, |sum, &byte| sum.wrapping_mul(33).wrapping_add(u32::from(byte)));
        let [buckets, first, blooms, _shift] = [0, 1, 2, 3].map(|place| word(table, place));
        if buckets == 0 {
            return None;
        }
        let heads = table + 16 + u64::from(blooms) * 8;
        let chains = heads + u64::from(buckets) * 4;
        let mut symbol = word(heads, hash.checked_rem(buckets)?);
        if symbol < first {
            return None;
        }
        for _ in 0..CHAIN_MAX {
            let entry = word(chains, symbol - first);
            if entry | 1 == hash | 1
                && let Some(found) = self.matches(symbol, name)
            {
                return Some(found);
            }
            if entry & 1 != 0 {
                return None;
            }
            symbol = symbol.wrapping_add(1);
        }
        None
    }

    fn find_old(&self, table: u64, name: Name) -> Option<(usize, usize)> {
        let hash = name.to_bytes().iter().fold(0u32, |sum, &byte| {
            let sum = (sum << 4).wrapping_add(u32::from(byte));
            let high = sum & 0xf000_0000;
            (sum ^ high >> 24) & !high
        });
        let [buckets, chains] = [0, 1].map(|place| word(table, place));
        let mut symbol = word(table + 8, hash.checked_rem(buckets)?);
        for _ in 0..chains.min(CHAIN_MAX) {
            if symbol == 0 {
                return None;
            }
            if let Some(found) = self.matches(symbol, name) {
                return Some(found);
            }
            symbol = word(table + 8 + u64::from(buckets) * 4, symbol);
        }
        None
    }

    fn matches(&self, number: u32, name: Name) -> Option<(usize, usize)> {
        // SAFETY: the hash tables name symbols that exist.
        let symbol = unsafe { &*(self.symbols as *const libc::Elf64_Sym).add(number as usize) };
        // What is defined here; an indirect function would have to be called to be known.
        if symbol.st_shndx == 0 || symbol.st_value == 0 || symbol.st_info & 15 != self.kind || symbol.st_info >> 4 == 0
        {
            return None;
        }
        // SAFETY: a symbol's name lies in the string table, which ends in a NUL.
        let found = unsafe { CStr::from_ptr((self.texts + u64::from(symbol.st_name)) as *const libc::c_char) };
        if found != name {
            return None;
        }
        // Bit 15: a version that only old programs ask for.
        let hidden = self.versions.is_some_and(|versions| {
            // SAFETY: the version table has an entry for every symbol.
            let version = unsafe { *(versions as *const u16).add(number as usize) };
            version & 0x8000 != 0
        });
        (!hidden).then_some((self.bias.wrapping_add(symbol.st_value) as usize, symbol.st_size as usize))
    }
}

fn word(table: u64, place: u32) -> u32 {
    // SAFETY: the places are those that the table's own header gives.
    unsafe { *(table as *const u32).add(place as usize) }
}
