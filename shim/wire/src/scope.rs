//! Which allocations count for MALLOC_FAIL_*: the settings that narrow the scope.

use crate::op::{ALLOCATORS, Op};
use crate::settings::{bytes, glob, number};

/// Which thread's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads<'a> {
    /// Everyone's.
    All,
    /// The first one's of the process.
    Main,
    /// Those with this name; `*` and `?` match.
    Named(&'a [u8]),
    /// That with this number, from 0, in the order of their first allocations.
    Number(u64),
}

/// From when on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since<'a> {
    /// main is entered.
    Main,
    /// The process begins.
    Start,
    /// An allocation has a function on its stack, and counts.
    Call(&'a [u8]),
    /// The program gives this marker.
    Marker(&'a [u8]),
    /// The program arms a failure.
    Api,
}

/// Until when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until<'a> {
    /// The end.
    End,
    /// An allocation has a function on its stack, and does not count.
    Call(&'a [u8]),
    /// The program gives this marker.
    Marker(&'a [u8]),
    /// So many have counted.
    Count(u64),
}

/// What counts. Functions, modules and files are lists of patterns with commas between them; empty: all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope<'a> {
    /// Smallest and largest size.
    pub sizes: (u64, u64),
    /// Functions: `Op::bit`s.
    pub ops: u64,
    /// Functions, one of which called the allocator.
    pub callers: &'a [u8],
    /// Functions, one of which is on the stack.
    pub inside: &'a [u8],
    /// Modules, code of one of which is on the stack: patterns for the last part of a path.
    pub modules: &'a [u8],
    /// Source files, in one of which a macro of memtrace.h made it: see `has_file`.
    pub files: &'a [u8],
    /// Functions that are not on the stack.
    pub not: &'a [u8],
    /// See there.
    pub threads: Threads<'a>,
    /// See there.
    pub since: Since<'a>,
    /// See there.
    pub until: Until<'a>,
    /// Pattern for the name of a program.
    pub exe: &'a [u8],
}

impl Scope<'_> {
    /// All that are made from main on.
    pub const ALL: Scope<'static> = Scope {
        sizes: (0, u64::MAX),
        ops: ALLOCATORS,
        callers: b"",
        inside: b"",
        modules: b"",
        files: b"",
        not: b"",
        threads: Threads::All,
        since: Since::Main,
        until: Until::End,
        exe: b"",
    };

    /// Whether a size and a function are in it.
    pub fn takes(&self, bytes: u64, op: Op) -> bool {
        self.has_size(bytes, op) && self.ops & op.bit() != 0
    }

    /// Whether a size is in it; calls have none.
    pub fn has_size(&self, bytes: u64, op: Op) -> bool {
        op.is_call() || (self.sizes.0..=self.sizes.1).contains(&bytes)
    }

    /// Whether what is on a stack matters.
    pub fn has_stacks(&self) -> bool {
        self.has_names() || !self.files.is_empty()
    }

    /// Whether names of functions or modules matter.
    pub fn has_names(&self) -> bool {
        !(self.callers.is_empty() && self.inside.is_empty() && self.modules.is_empty() && self.not.is_empty())
            || matches!(self.since, Since::Call(_))
            || matches!(self.until, Until::Call(_))
    }
}

/// Whether a name matches one of the patterns of a list.
pub fn any(patterns: &[u8], mut is_match: impl FnMut(&[u8]) -> bool) -> bool {
    patterns.split(|&byte| byte == b',').any(|pattern| !pattern.is_empty() && is_match(pattern))
}

/// Whether the last part of a path matches one of the patterns of a list.
pub fn has_module(patterns: &[u8], path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    any(patterns, |pattern| glob(pattern, name))
}

/// Whether a line of a source file is in a list. A pattern is for the whole path, or for its last part if it has no
/// slash; behind a colon it may have the line.
pub fn has_file(patterns: &[u8], path: &[u8], line: Option<u64>) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    any(patterns, |pattern| {
        let (file, wanted) = match pattern.iter().rposition(|&byte| byte == b':') {
            Some(colon) => match (pattern.get(..colon), pattern.get(colon + 1..).and_then(number)) {
                (Some(file), Some(line)) => (file, Some(line)),
                _ => (pattern, None),
            },
            None => (pattern, None),
        };
        (glob(file, path) || glob(file, name)) && (wanted.is_none() || wanted == line)
    })
}

pub(crate) fn sizes(value: &[u8]) -> Option<(u64, u64)> {
    let mut ends = value.splitn(2, |&byte| byte == b'-');
    let first = bytes(ends.next()?)?;
    let last = match ends.next() {
        None => first,
        Some(b"") => u64::MAX,
        Some(last) => bytes(last)?,
    };
    (first <= last).then_some((first, last))
}

/// Names of functions as MALLOC_FAIL_OPS has them.
const OPS: &[(&[u8], Op)] = &[
    (b"malloc", Op::Malloc),
    (b"calloc", Op::Calloc),
    (b"realloc", Op::Realloc),
    (b"reallocarray", Op::Reallocarray),
    (b"memalign", Op::Memalign),
    (b"posix_memalign", Op::PosixMemalign),
    (b"aligned_alloc", Op::AlignedAlloc),
    (b"valloc", Op::Valloc),
    (b"pvalloc", Op::Pvalloc),
    (b"new", Op::New),
    (b"new[]", Op::NewArray),
];

pub(crate) fn ops(value: &[u8]) -> Option<u64> {
    if value == b"all" {
        return Some(ALLOCATORS);
    }
    value.split(|&byte| byte == b',').try_fold(0, |bits, word| {
        let (_, op) = OPS.iter().find(|(name, _)| *name == word)?;
        Some(bits | op.bit())
    })
}

/// A list without empty parts.
pub(crate) fn names(value: &[u8]) -> Option<&[u8]> {
    value.split(|&byte| byte == b',').all(|part| !part.is_empty()).then_some(value)
}

pub(crate) fn threads(value: &[u8]) -> Threads<'_> {
    match (value, number(value)) {
        (b"main", _) => Threads::Main,
        (_, Some(number)) => Threads::Number(number),
        _ => Threads::Named(value),
    }
}

pub(crate) fn since(value: &[u8]) -> Option<Since<'_>> {
    Some(match value {
        b"main" => Since::Main,
        b"start" => Since::Start,
        b"api" => Since::Api,
        _ => match event(value)? {
            Event::Call(name) => Since::Call(name),
            Event::Marker(name) => Since::Marker(name),
        },
    })
}

pub(crate) fn until(value: &[u8]) -> Option<Until<'_>> {
    if let Some(count) = number(value) {
        return Some(Until::Count(count));
    }
    Some(match event(value)? {
        Event::Call(name) => Until::Call(name),
        Event::Marker(name) => Until::Marker(name),
    })
}

enum Event<'a> {
    Call(&'a [u8]),
    Marker(&'a [u8]),
}

fn event(value: &[u8]) -> Option<Event<'_>> {
    let name = |prefix: &str| value.strip_prefix(prefix.as_bytes()).filter(|name| !name.is_empty());
    match (name("call:"), name("marker:")) {
        (Some(name), _) => Some(Event::Call(name)),
        (_, Some(name)) => Some(Event::Marker(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_a_range_or_all_from_one_on() {
        assert_eq!([&b"8"[..], b"8-16", b"1K-"].map(sizes), [Some((8, 8)), Some((8, 16)), Some((1024, u64::MAX))]);
        assert_eq!([&b""[..], b"-8", b"9-8", b"8-9-10", b"x"].map(sizes), [None; 5]);
    }

    #[test]
    fn source_files_are_named_by_path_or_last_part_and_perhaps_a_line() {
        let has = |patterns: &str| has_file(patterns.as_bytes(), b"../src/codec.c", Some(12));
        assert!(
            ["codec.c", "*.c:12", "x.c,codec.c:12", "../src/codec.c", "*/codec.c", "co?ec.c:12"].map(has) == [true; 6]
        );
        assert!(["codec", "codec.c:1", "codec.c:", "src/codec.c", ":12", "", "codec.c:12x"].map(has) == [false; 7]);
        assert!(has_file(b"a:b.c", b"a:b.c", None) && !has_file(b"b.c:1", b"b.c", None));
    }

    #[test]
    fn functions_are_named_as_programmers_write_them() {
        assert_eq!(ops(b"malloc,new[]"), Some(Op::Malloc.bit() | Op::NewArray.bit()));
        assert_eq!(ops(b"all"), Some(ALLOCATORS));
        assert_eq!((ops(b"malloc,"), ops(b"free")), (None, None));
        let scope = Scope { ops: ops(b"calloc").unwrap(), sizes: (4, 8), ..Scope::ALL };
        assert!(scope.takes(4, Op::Calloc) && !scope.takes(9, Op::Calloc) && !scope.takes(4, Op::Malloc));
        // A call has no size.
        let scope = Scope { ops: scope.ops | Op::Open.bit(), ..scope };
        assert!(scope.takes(0, Op::Open) && !scope.takes(0, Op::Calloc) && !scope.takes(0, Op::Pipe));
    }

    #[test]
    fn a_scope_begins_and_ends_by_words() {
        assert_eq!(since(b"call:f"), Some(Since::Call(b"f")));
        assert_eq!((since(b"marker:"), since(b"never"), until(b"api")), (None, None, None));
        assert_eq!((until(b"12"), until(b"marker:x")), (Some(Until::Count(12)), Some(Until::Marker(b"x"))));
        assert_eq!(threads(b"2"), Threads::Number(2));
        assert_eq!(threads(b"pool-*"), Threads::Named(b"pool-*"));
        assert!(has_module(b"libc.so*,x", b"/lib/libc.so.6") && !has_module(b"libc", b"/lib/libc.so.6"));
    }
}
