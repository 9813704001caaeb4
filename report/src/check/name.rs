//! Names of functions and modules as they stay from build to build and from machine to machine.
//!
//! ```text
//!   ns::Box<int>::grow(int) [clone .isra.0]       ns::Box::grow
//!   app::run()::{lambda(int)#2}::operator()(int)  app::run::{lambda}::operator()
//!   target/debug/deps/suite-0123456789abcdef      suite
//!   _cgo_6e2450bbab8e_Cfunc_f                     _cgo_Cfunc_f
//!   libfoo.so.1.2.3                               libfoo.so
//! ```

use crate::suppress::{components, plain, without_arguments};
use crate::views::base_name;

/// Digits that cargo puts behind a program's name.
const HASH_DIGITS: usize = 16;
/// Digits of the hash of all that a package of Go says to C.
const CGO_DIGITS: usize = 12;

/// A function's name without parameters, template arguments, numbers of lambdas and suffixes of compilers.
pub fn function(name: &str) -> String {
    let parts = components(without_type(plain(name)));
    // Rust: `grow::<u8>`.
    let named = parts.iter().enumerate().filter(|(place, part)| *place == 0 || !part.starts_with('<'));
    named.map(|(_, part)| folded(part)).collect::<Vec<_>>().join("::")
}

/// `void f<int>(int)` is `f<int>(int)`: what a function template returns stands before its name.
fn without_type(name: &str) -> &str {
    if name.contains("operator") {
        return name;
    }
    let (mut from, mut depth, mut before) = (0, 0_i32, b' ');
    for (at, letter) in name.bytes().enumerate() {
        match letter {
            // The parameters begin, and not a part in brackets: `(anonymous namespace)::f`.
            b'(' if depth == 0 && at > from && before != b':' => break,
            b'<' | b'(' | b'{' | b'[' => depth += 1,
            b'>' if before == b'-' => {}
            b'>' | b')' | b'}' | b']' => depth -= 1,
            b' ' if depth == 0 => from = at + 1,
            _ => {}
        }
        before = letter;
    }
    name.get(from..).unwrap_or(name)
}

fn folded(part: &str) -> String {
    // `[abi:cxx11]` comes and goes with the compiler.
    let part = part.split("[abi:").next().unwrap_or(part);
    if part.contains("{lambda") || part.contains("'lambda") {
        return "{lambda}".into();
    }
    if part.starts_with('<') {
        // Rust: `<T<…> as Trait<…>>`.
        return without_groups(part);
    }
    if let Some((hash, function)) = part.strip_prefix("_cgo_").and_then(|rest| rest.split_once('_'))
        && hash.len() == CGO_DIGITS
        && is_hexadecimal(hash)
    {
        // What Go's C functions are called through.
        return format!("_cgo_{function}");
    }
    if part.starts_with(['{', '(']) {
        return part.to_owned();
    }
    // A function that holds the next one has its parameters still.
    let bare = if part.starts_with("operator") { part } else { part.split('(').next().unwrap_or(part) };
    without_arguments(bare).trim_end().to_owned()
}

/// `<a::B<c::D> as e::F<()>>` without the arguments of B and F.
fn without_groups(text: &str) -> String {
    let mut kept = String::new();
    // Kept brackets, and how deep it is in one that is not.
    let (mut open, mut dropped) = (0_u32, 0_u32);
    let mut before = ' ';
    for letter in text.chars() {
        match letter {
            '<' if dropped > 0 || before.is_alphanumeric() || matches!(before, '_' | ':') => dropped += 1,
            '<' => {
                open += 1;
                kept.push(letter);
            }
            '>' if before == '-' => kept.extend((dropped == 0).then_some(letter)),
            '>' if dropped > 0 => dropped -= 1,
            '>' if open > 0 => {
                open -= 1;
                kept.push(letter);
            }
            letter => kept.extend((dropped == 0).then_some(letter)),
        }
        before = letter;
    }
    kept
}

/// A module's name without directory, version, and what build tools add.
pub fn module(path: &str) -> String {
    let name = base_name(path);
    if let Some((stem, _)) = name.split_once(".so.") {
        return format!("{stem}.so");
    }
    // `_x.cpython-311-x86_64-linux-gnu.so`, `_x.abi3.so`
    if let Some(stem) = name.strip_suffix(".so") {
        let stem = stem.split_once(".cpython-").map_or(stem, |(stem, _)| stem);
        return format!("{}.so", stem.strip_suffix(".abi3").unwrap_or(stem));
    }
    match name.rsplit_once('-') {
        Some((stem, hash)) if is_hash(hash) && !stem.is_empty() => stem.to_owned(),
        _ => name.to_owned(),
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_DIGITS && is_hexadecimal(text)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_without_what_builds_change() {
        for (name, expected) in [
            ("main", "main"),
            ("plant(int, char const*)", "plant"),
            ("grow.isra.0", "grow"),
            ("grow.constprop.1.cold", "grow"),
            ("ns::Box<std::pair<int, long> >::grow(int)", "ns::Box::grow"),
            ("void ns::fill<int>(int*)", "ns::fill"),
            ("std::map<int, int>& get<3>(int)", "get"),
            ("ns::(anonymous namespace)::anon(std::string const&)", "ns::(anonymous namespace)::anon"),
            ("run()::{lambda(int)#2}::operator()(int) const", "run::{lambda}::operator()"),
            ("name[abi:cxx11](int)", "name"),
            ("operator new(unsigned long)", "operator new"),
            ("app::tests::leaks::{{closure}}", "app::tests::leaks::{{closure}}"),
            ("<app::Pool<T> as core::ops::Drop>::drop", "<app::Pool as core::ops::Drop>::drop"),
            ("<<a::B<c::D>>::f as e::F<()>>::call", "<<a::B>::f as e::F>::call"),
            ("<fn() -> a::R<(), b::S> as e::F<()>>::call", "<fn() -> a::R as e::F>::call"),
            ("app::grow::<u8>", "app::grow"),
            ("_cgo_6e2450bbab8e_Cfunc_parts_new", "_cgo_Cfunc_parts_new"),
            ("_cgo_panic_now", "_cgo_panic_now"),
            ("", ""),
        ] {
            assert_eq!(function(name), expected, "{name}");
        }
        // The same lambda, counted otherwise.
        assert_eq!(function("f()::{lambda()#1}::operator()()"), function("f()::{lambda()#7}::operator()()"));
    }

    #[test]
    fn a_module_is_named_without_what_builds_and_machines_change() {
        for (path, expected) in [
            ("/src/build/app", "app"),
            ("/usr/lib/libfoo.so.1.2.3", "libfoo.so"),
            ("/x/libfoo.so", "libfoo.so"),
            ("/v/_x.cpython-311-x86_64-linux-gnu.so", "_x.so"),
            ("/v/_x.abi3.so", "_x.so"),
            ("/t/debug/deps/suite-0123456789abcdef", "suite"),
            ("/t/my-tool", "my-tool"),
            ("/t/-0123456789abcdef", "-0123456789abcdef"),
            ("", ""),
        ] {
            assert_eq!(module(path), expected, "{path}");
        }
    }

    #[test]
    fn no_name_stops_it() {
        for text in ["<<<<", ">>>", "((((", "a::::b", "::", "{lambda", "é<ü>::ß(", "operator", "operator<<", "< as >"]
        {
            for end in 0..=text.len() {
                if let Some(part) = text.get(..end) {
                    let _ = (function(part), module(part));
                }
            }
        }
    }
}
