//! The functions of allocators that are linked into a program, by the names in its symbol table: what each is asked for,
//! gives and takes.
//!
//! Sources: jemalloc(3) with the prefixes that its builds have, and mimalloc.h. Of C++'s operators only those of mimalloc
//! are here: jemalloc's call its malloc and free.

/// Whose function it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// jemalloc under names that C has, so that it stands for the C library's.
    JemallocAsLibc,
    /// jemalloc under names of its own.
    Jemalloc,
    /// mimalloc.
    Mimalloc,
}

impl Family {
    /// As the report names it.
    pub const fn name(self) -> &'static str {
        match self {
            Family::JemallocAsLibc | Family::Jemalloc => "jemalloc",
            Family::Mimalloc => "mimalloc",
        }
    }
}

/// What a function does with its arguments; numbers are their places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Gives a block of so many bytes: the product of two arguments, or one.
    Allocate(u8, Option<u8>),
    /// The same, and the block is written where the first argument leads; the result is an error.
    AllocateInto(u8),
    /// Takes a block and gives one.
    Reallocate(u8, u8, Option<u8>),
    /// Takes a block.
    Release(u8),
}

/// One function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// Whose it is.
    pub family: Family,
    /// What it does.
    pub act: Act,
    /// It has no way to say that there is no memory but an exception.
    pub throws: bool,
    /// Its name without what is put before it.
    pub name: &'static [u8],
}

const ONE: Act = Act::Allocate(0, None);
const TWO: Act = Act::Allocate(0, Some(1));
const SECOND: Act = Act::Allocate(1, None);
const MOVE: Act = Act::Reallocate(0, 1, None);
const MOVE_TWO: Act = Act::Reallocate(0, 1, Some(2));
const FREE: Act = Act::Release(0);

/// C's names.
const LIBC: &[(&str, Act)] = &[
    ("malloc", ONE),
    ("calloc", TWO),
    ("realloc", MOVE),
    ("reallocarray", MOVE_TWO),
    ("free", FREE),
    ("cfree", FREE),
    ("free_sized", FREE),
    ("free_aligned_sized", FREE),
    ("posix_memalign", Act::AllocateInto(2)),
    ("memalign", SECOND),
    ("aligned_alloc", SECOND),
    ("valloc", ONE),
    ("pvalloc", ONE),
];

/// jemalloc's beside them.
const JEMALLOC: &[(&str, Act)] =
    &[("mallocx", ONE), ("rallocx", MOVE), ("dallocx", FREE), ("sdallocx", FREE), ("sdallocx_noflags", FREE)];

/// mimalloc's beside them, without `mi_`.
const MIMALLOC: &[(&str, Act)] = &[
    ("zalloc", ONE),
    ("malloc_small", ONE),
    ("zalloc_small", ONE),
    ("mallocn", TWO),
    ("malloc_aligned", ONE),
    ("malloc_aligned_at", ONE),
    ("zalloc_aligned", ONE),
    ("zalloc_aligned_at", ONE),
    ("calloc_aligned", TWO),
    ("calloc_aligned_at", TWO),
    ("new", ONE),
    ("new_nothrow", ONE),
    ("new_aligned", ONE),
    ("new_aligned_nothrow", ONE),
    ("new_n", TWO),
    ("reallocn", MOVE_TWO),
    ("reallocf", MOVE),
    ("rezalloc", MOVE),
    ("recalloc", MOVE_TWO),
    ("realloc_aligned", MOVE),
    ("realloc_aligned_at", MOVE),
    ("rezalloc_aligned", MOVE),
    ("rezalloc_aligned_at", MOVE),
    ("recalloc_aligned", MOVE_TWO),
    ("recalloc_aligned_at", MOVE_TWO),
    ("new_realloc", MOVE),
    ("new_reallocn", MOVE_TWO),
    ("free_size", FREE),
    ("free_size_aligned", FREE),
    ("free_aligned", FREE),
];

/// Prefixes of jemalloc's, as its builds in other programs have them: Redis, Rust's tikv-jemallocator.
const PREFIXES: [&[u8]; 4] = [b"_rjem_je_je_", b"_rjem_", b"je_je_", b"je_"];

/// What a symbol is, if it is such a function. C's own names say nothing about whose they are: see `is_mark`.
pub fn function(symbol: &[u8]) -> Option<Function> {
    if let Some(name) = symbol.strip_prefix(b"mi_") {
        let of = |name: &[u8]| find(LIBC, name).or_else(|| find(MIMALLOC, name));
        let in_heap = || {
            let (name, act) = of(name.strip_prefix(b"heap_")?)?;
            Some((name, behind_heap(act)?))
        };
        let (name, act) = of(name).or_else(in_heap)?;
        let throws = name.starts_with(b"new") && !name.ends_with(b"_nothrow");
        return Some(Function { family: Family::Mimalloc, act, throws, name });
    }
    let prefix = PREFIXES.iter().find(|prefix| symbol.starts_with(prefix));
    let name = prefix.and_then(|prefix| symbol.strip_prefix(*prefix)).unwrap_or(symbol);
    let (name, act) = find(LIBC, name).or_else(|| find(JEMALLOC, name))?;
    // Inner functions of a build under C's names have a prefix, too.
    let is_renamed = prefix.is_some() && name != b"sdallocx_noflags";
    Some(Function {
        family: if is_renamed { Family::Jemalloc } else { Family::JemallocAsLibc },
        act,
        throws: false,
        name,
    })
}

/// Whether a symbol says that C's names are jemalloc's in this module.
pub fn is_mark(symbol: &[u8]) -> bool {
    symbol == b"mallocx"
}

fn find(list: &[(&'static str, Act)], name: &[u8]) -> Option<(&'static [u8], Act)> {
    list.iter().find_map(|(known, act)| (known.as_bytes() == name).then_some((known.as_bytes(), *act)))
}

/// The same behind a first argument that names a heap.
fn behind_heap(act: Act) -> Option<Act> {
    Some(match act {
        Act::Allocate(one, two) => Act::Allocate(one + 1, two.map(|two| two + 1)),
        Act::Reallocate(old, one, two) => Act::Reallocate(old + 1, one + 1, two.map(|two| two + 1)),
        // mimalloc has none such.
        Act::AllocateInto(_) | Act::Release(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<(Family, Act)> {
        function(name.as_bytes()).map(|function| (function.family, function.act))
    }

    #[test]
    fn functions_are_known_by_their_names() {
        assert_eq!(known("_rjem_mallocx"), Some((Family::Jemalloc, ONE)));
        assert_eq!(known("je_calloc"), Some((Family::Jemalloc, TWO)));
        assert_eq!(known("malloc"), Some((Family::JemallocAsLibc, ONE)));
        assert_eq!(known("je_je_sdallocx_noflags"), Some((Family::JemallocAsLibc, FREE)));
        assert_eq!(known("mi_heap_realloc_aligned"), Some((Family::Mimalloc, Act::Reallocate(1, 2, None))));
        assert_eq!(known("mi_heap_calloc"), Some((Family::Mimalloc, Act::Allocate(1, Some(2)))));
        assert_eq!(known("mi_posix_memalign"), Some((Family::Mimalloc, Act::AllocateInto(2))));
        for name in ["mi_usable_size", "je_arena_new", "mi_heap_destroy", "mi_heap_free", "nallocx", "_rjem_", "mi_"] {
            assert_eq!(known(name), None, "{name}");
        }
        let throws = |name: &str| function(name.as_bytes()).unwrap().throws;
        assert!(throws("mi_new") && throws("mi_new_aligned") && !throws("mi_new_nothrow") && !throws("mi_malloc"));
        assert!(is_mark(b"mallocx") && !is_mark(b"_rjem_mallocx"));
    }
}
