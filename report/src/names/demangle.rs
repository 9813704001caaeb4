//! C++ and Rust names as they were written.
//!
//! Symbols are hostile: a short one can unfold to gigabytes. What passes `BYTES_MAX` stays mangled.

use std::fmt::{self, Write};
use std::sync::Arc;

/// Real C++ names with all their template arguments stay below.
const BYTES_MAX: usize = 64 << 10;
/// Bytes of a name that is not demangled.
const RAW_BYTES_MAX: usize = 4 << 10;

/// A symbol's name for people.
pub fn demangle(symbol: &[u8]) -> String {
    let raw = String::from_utf8_lossy(symbol);
    if raw.len() > BYTES_MAX {
        return cut(&raw, RAW_BYTES_MAX);
    }
    rust(&raw).or_else(|| cpp(&raw)).unwrap_or_else(|| cut(&raw, RAW_BYTES_MAX))
}

/// The symbol itself, where `function` is not the same.
pub fn linkage(symbol: &[u8], function: &str) -> Option<Arc<str>> {
    let is_kept = symbol.len() <= RAW_BYTES_MAX && symbol != function.as_bytes();
    is_kept.then(|| String::from_utf8_lossy(symbol).into())
}

/// The first bytes of a text, and a sign that there was more.
pub fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_string();
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

fn rust(symbol: &str) -> Option<String> {
    // Old Rust names look like C++ ones but for the hash at their end.
    let is_old = symbol.starts_with("_ZN") && symbol.contains("17h");
    if !is_old && !symbol.starts_with("_R") {
        return None;
    }
    let name = rustc_demangle::try_demangle(symbol).ok()?;
    if is_old && name.to_string() == format!("{name:#}") {
        return None;
    }
    let mut bounded = Bounded(String::new());
    // The alternate form is without the hash.
    write!(bounded, "{name:#}").ok()?;
    Some(bounded.0)
}

fn cpp(symbol: &str) -> Option<String> {
    if !symbol.starts_with("_Z") && !symbol.starts_with("__Z") {
        return None;
    }
    let name = cpp_demangle::Symbol::new(symbol.as_bytes()).ok()?;
    let mut bounded = Bounded(String::new());
    let options = cpp_demangle::DemangleOptions::new().no_return_type();
    name.structured_demangle(&mut bounded, &options).ok()?;
    Some(bounded.0)
}

/// Text that refuses to grow past `BYTES_MAX`.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cpp_and_rust_names_are_as_they_were_written() {
        for (symbol, name) in [
            ("main", "main"),
            ("_ZN5space3fooEibc", "space::foo(int, bool, char)"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_ZN3foo3barEv.cold", "foo::bar() [clone .cold]"),
            ("_ZN6broken", "_ZN6broken"),
        ] {
            assert_eq!(demangle(symbol.as_bytes()), name);
        }
    }

    #[test]
    fn a_name_that_unfolds_without_end_stays_mangled() {
        // Each parameter is a pair of the one before: 14 bytes, twenty times doubled.
        let mut symbol = String::from("_Z1fSt4pairIiiE");
        for before in "0123456789ABCDEFGHIJ".chars() {
            symbol.push_str(&format!("S_IS{before}_S{before}_E"));
        }
        assert_eq!(demangle(symbol.as_bytes()), symbol);
        // A few of them are a name like any other.
        assert_eq!(demangle(b"_Z1fSt4pairIiiES_IS0_S0_E").matches("std::pair<int, int>").count(), 3);
        let raw = demangle(&[b'a'; 1 << 20]);
        assert!(raw.ends_with('…') && raw.len() < 5000);
    }

    proptest! {
        #[test]
        fn no_symbol_stops_the_demangler(symbol in "_(Z|R|ZN)[a-zA-Z0-9_.]{0,80}", bytes: Vec<u8>) {
            demangle(symbol.as_bytes());
            demangle(&bytes);
        }
    }
}
