//! Whether a symbol is the function that a setting names: by its name, or by the last parts of a C++ name.
//!
//! `f`, `Class::f` and `space::Class::f` all name `_ZN5space5Class1fEv`. Parameters do not matter, and neither does what
//! compilers put behind a dot (`f.cold`, `f.part.0`). Template arguments are passed over; operators, lambdas and
//! whatever else has no plain name are matched as they are in the symbol table only.

use memtrace_wire::scope::any;
use memtrace_wire::settings::glob;

use crate::text::Buffer;

/// Longer C++ names are matched as they are in the symbol table only.
const PATH_MAX: usize = 256;

/// A symbol, taken apart.
pub struct Function<'s> {
    symbol: &'s [u8],
    stem: &'s [u8],
    path: Option<Path>,
}

impl<'s> Function<'s> {
    /// Of a symbol's name.
    pub fn of(symbol: &'s [u8]) -> Self {
        let until = |text: &'s [u8], end: u8| {
            let place = text.iter().skip(1).position(|&byte| byte == end);
            place.and_then(|place| text.get(..=place)).unwrap_or(text)
        };
        let symbol = until(symbol, b'@');
        let stem = until(symbol, b'.');
        Function { symbol, stem, path: stem.strip_prefix(b"_Z").and_then(Path::of) }
    }

    /// Whether one of the patterns of a list names it.
    pub fn is_named(&self, patterns: &[u8]) -> bool {
        any(patterns, |pattern| {
            glob(pattern, self.symbol)
                || glob(pattern, self.stem)
                || self.path.as_ref().is_some_and(|path| path.is_named(pattern))
        })
    }
}

/// Parts of a C++ name with `::` between them.
struct Path {
    text: Buffer<PATH_MAX>,
    /// Where the last part begins.
    last: usize,
}

impl Path {
    /// Of a mangled name without its `_Z` (Itanium C++ ABI 5.1).
    fn of(mangled: &[u8]) -> Option<Path> {
        let mut path = Path { text: Buffer::new(), last: 0 };
        let nested = mangled.strip_prefix(b"N");
        let mut rest = nested.unwrap_or(mangled);
        while let (Some(b'r' | b'V' | b'K' | b'R' | b'O'), true) = (rest.first(), nested.is_some()) {
            rest = rest.get(1..)?;
        }
        loop {
            match *rest {
                [b'0'..=b'9', ..] => {
                    let name;
                    (name, rest) = source_name(rest)?;
                    path.push(b"", name)?;
                    if nested.is_none() {
                        return Some(path);
                    }
                }
                // Internal linkage.
                [b'L', ..] => rest = rest.get(1..)?,
                [b'S', b't', ..] => {
                    path.push(b"", b"std")?;
                    rest = rest.get(2..)?;
                }
                [b'S', ..] => {
                    // What a substitution stands for is not followed.
                    path.push(b"", b"?")?;
                    rest = substitution(rest)?;
                }
                [b'I', ..] => rest = arguments(rest.get(1..)?)?,
                [b'B', ..] => (_, rest) = source_name(rest.get(1..)?)?,
                [b'C', b'1'..=b'5', ..] => {
                    path.push_last(b"")?;
                    rest = rest.get(2..)?;
                }
                [b'D', b'0'..=b'5', ..] => {
                    path.push_last(b"~")?;
                    rest = rest.get(2..)?;
                }
                [b'E', ..] if nested.is_some() => return Some(path.without_hash()),
                _ => return None,
            }
        }
    }

    fn push(&mut self, sign: &[u8], name: &[u8]) -> Option<()> {
        if !self.text.as_bytes().is_empty() {
            self.text.push(b"::");
        }
        self.last = self.text.as_bytes().len();
        self.text.push(sign);
        self.text.push(name);
        self.text.as_c_str().is_some().then_some(())
    }

    /// A constructor or a destructor, by the name of its class.
    fn push_last(&mut self, sign: &[u8]) -> Option<()> {
        let mut class = Buffer::<PATH_MAX>::new();
        class.push(self.text.as_bytes().get(self.last..)?);
        self.push(sign, class.as_bytes())
    }

    /// rustc puts a hash of 16 digits behind its names.
    fn without_hash(mut self) -> Path {
        let text = self.text.as_bytes();
        let is_hash =
            |part: &[u8]| part.len() == 17 && part.starts_with(b"h") && part.iter().skip(1).all(u8::is_ascii_hexdigit);
        if let (Some(before), true) = (self.last.checked_sub(2), text.get(self.last..).is_some_and(is_hash)) {
            let mut shorter = Buffer::new();
            shorter.push(text.get(..before).unwrap_or(&[]));
            self.text = shorter;
            let colons = self.text.as_bytes().windows(2).rposition(|pair| pair == b"::");
            self.last = colons.map_or(0, |colons| colons + 2);
        }
        self
    }

    fn is_named(&self, pattern: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let from = |start: usize| text.get(start..).is_some_and(|name| glob(pattern, name));
        if !pattern.windows(2).any(|pair| pair == b"::") {
            return from(self.last);
        }
        let behind = text.windows(2).enumerate().filter(|(_, pair)| *pair == b"::").map(|(place, _)| place + 2);
        core::iter::once(0).chain(behind).any(from)
    }
}

/// A length, a name of that length, and what follows.
fn source_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = memtrace_wire::settings::number(text.get(..digits)?)?;
    text.get(digits..)?.split_at_checked(usize::try_from(length).ok()?)
}

fn substitution(text: &[u8]) -> Option<&[u8]> {
    match text.get(1)? {
        b'a' | b'b' | b's' | b'i' | b'o' | b'd' | b't' => text.get(2..),
        _ => behind(text, b'_'),
    }
}

fn behind(text: &[u8], end: u8) -> Option<&[u8]> {
    text.get(text.iter().position(|&byte| byte == end)? + 1..)
}

/// What follows template arguments, whose `I` was taken.
fn arguments(mut rest: &[u8]) -> Option<&[u8]> {
    let mut depth = 1;
    while depth > 0 {
        match *rest {
            [b'0'..=b'9', ..] => (_, rest) = source_name(rest)?,
            [b'S', ..] => rest = substitution(rest)?,
            [b'T', ..] => rest = behind(rest, b'_')?,
            // A literal of a plain type: its value is no length.
            [b'L', b'a'..=b'z', ..] => rest = behind(rest, b'E')?,
            [b'L', b'0'..=b'9', ..] => {
                (_, rest) = source_name(rest.get(1..)?)?;
                rest = behind(rest, b'E')?;
            }
            // A value of a nested type: its name would have to be followed to know where the value is.
            [b'L', b'N', ..] => return None,
            [b'D', b't' | b'T', ..] => {
                depth += 1;
                rest = rest.get(2..)?;
            }
            [b'D', _, ..] => rest = rest.get(2..)?,
            [b'I' | b'N' | b'X' | b'J' | b'F' | b'L', ..] => {
                depth += 1;
                rest = rest.get(1..)?;
            }
            [b'E', ..] => {
                depth -= 1;
                rest = rest.get(1..)?;
            }
            [_, ..] => rest = rest.get(1..)?,
            [] => return None,
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(symbol: &str, pattern: &str) -> bool {
        Function::of(symbol.as_bytes()).is_named(pattern.as_bytes())
    }

    #[test]
    fn a_symbol_is_named_as_it_is_or_by_a_pattern() {
        assert!(is("read_line", "read_line") && is("read_line", "x,read_*") && is("memcpy@@GLIBC_2.14", "memcpy"));
        assert!(is("f.cold", "f") && is("f.part.0", "f") && is("f.cold", "f.cold") && is(".hidden", ".hidden"));
        assert!(!is("read_line", "read") && !is("read_line", "") && !is("_Z", "Z") && !is("", "x"));
    }

    #[test]
    fn a_cpp_function_is_named_by_its_last_parts() {
        for (symbol, path) in [
            ("_Z4freePv", "free"),
            ("_ZL4loadi", "load"),
            ("_ZN5space5Class1fEv", "space::Class::f"),
            ("_ZNK5space5Class1fEv", "space::Class::f"),
            ("_ZN5space5ClassC2Ei", "space::Class::Class"),
            ("_ZN5ClassD0Ev", "Class::~Class"),
            ("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector::push_back"),
            ("_ZN12_GLOBAL__N_14loadILi42EEEvi", "_GLOBAL__N_1::load"),
            ("_ZN3MapISt4pairIKiNS_1XILb1EEEEE3addEv", "Map::add"),
            ("_ZSt4moveIRiEONSt16remove_referenceIT_E4typeEOS2_", "std::move"),
            ("_ZN4core3ptr4drop17h0123456789abcdefE", "core::ptr::drop"),
            ("_ZN3FooB5cxx113barEv", "Foo::bar"),
        ] {
            let mut rest = path;
            loop {
                assert!(is(symbol, rest), "{symbol} {rest}");
                let Some((_, shorter)) = rest.split_once("::") else { break };
                rest = shorter;
            }
            assert!(!is(symbol, &std::format!("other::{path}")) && !is(symbol, &path[1..]), "{symbol}");
        }
        assert!(is("_ZN5space5Class1fEv", "Class::*") && !is("_ZN5space5Class1fEv", "Class"));
        assert!(is("_ZN5ClassplERKS_", "_ZN5Class*") && !is("_ZN5ClassplERKS_", "Class"));
    }

    #[test]
    fn no_text_is_too_broken() {
        let whole = "_ZN3MapISt4pairIKiNS_1XILb1EEEEE3addEv";
        for end in 0..whole.len() - 1 {
            assert!(!is(&whole[..end], "add"));
        }
        for broken in ["_ZN99999999999999999999xE", "_ZNS", "_ZNI", "_ZC1", "_ZN1", "_ZNC1E"] {
            assert!(!is(broken, "x"), "{broken}");
        }
        let deep = std::format!("_ZN{}1fE", "9namespace".repeat(30));
        assert!(!is(&deep, "f"));
        assert!(!is(&std::format!("_ZN1fI{}", "N".repeat(50_000)), "f"));
    }
}
