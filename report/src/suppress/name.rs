//! Function names as the rules of valgrind spell them.
//!
//! valgrind compares symbols, with their versions and the compiler's suffixes, but for inlined calls the bare name that
//! stands in the debug information: `push_back` for `std::vector<int>::push_back(int const&)`.

use crate::names::demangle;

/// What compilers put behind the names of copies that they made.
const COPIES: [&str; 7] = [".constprop.", ".isra.", ".part.", ".cold", ".lto_priv.", ".llvm.", " [clone "];

/// A symbol without version and compiler's suffix. Debug information knows of neither.
pub fn plain(symbol: &str) -> &str {
    // `*.isra.0` must not become `*`.
    let named = symbol.find(char::is_alphanumeric).unwrap_or(symbol.len());
    let rest = symbol.get(named..).unwrap_or_default();
    let end = COPIES.into_iter().chain(["@"]).filter_map(|end| rest.find(end)).min();
    end.and_then(|end| symbol.get(..named + end)).unwrap_or(symbol)
}

/// Names that tell the same function apart from debug information to symbol table, or from one glibc to the next: ours,
/// then the one in rules.
const SAME: [(&str, &str); 3] =
    [("clone3", "clone"), ("__clone3", "clone"), ("__pthread_create_2_1", "pthread_create")];
/// valgrind's name for what calls main.
const BELOW_MAIN: &str = "(below main)";

/// The other names that a rule may have for a function.
pub fn others(function: &str) -> impl Iterator<Item = &str> {
    let public = public(function);
    let below = is_below_main(public).then_some(BELOW_MAIN);
    [plain(function), public, without_underscores(public)].into_iter().chain(same(public)).chain(below)
}

/// A glob that matches a symbol under each of the names that a table may have for it.
pub fn glob(symbol: &str) -> String {
    let plain = plain(symbol);
    let public = public(plain);
    if let Some(same) = same(public) {
        return format!("*{same}*");
    }
    let bare = any_structor(without_underscores(public));
    let before = if bare.len() < plain.len() { "*" } else { "" };
    let after = if plain.len() < symbol.len() { "*" } else { "" };
    format!("{before}{bare}{after}")
}

/// A symbol with `?` for the letter that tells the several constructors, or destructors, of a class apart: which of them
/// an address has as its name depends on the table.
fn any_structor(symbol: &str) -> String {
    let is_structor = |(_, run): &(usize, &[u8])| matches!(run, [b'C' | b'D', b'0'..=b'5', b'E' | b'I']);
    match symbol.as_bytes().windows(3).enumerate().rfind(is_structor) {
        Some((at, _)) if symbol.starts_with("_ZN") => {
            let (before, after) = (symbol.get(..=at), symbol.get(at + 2..));
            format!("{}?{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => symbol.to_owned(),
    }
}

/// The function that a pattern for a symbol means, where it means one: `glob` makes such patterns.
pub fn demangled(pattern: &str) -> Option<String> {
    let symbol = pattern.strip_suffix('*').unwrap_or(pattern).replace('?', "1");
    let function = demangle(symbol.as_bytes());
    (!symbol.contains('*') && function != symbol).then_some(function)
}

/// Whether a function is of those that call main.
pub fn is_below_main(function: &str) -> bool {
    function == "_start" || function == "__libc_start_call_main" || function.starts_with("__libc_start_main")
}

// glibc has names for its own use: `__GI___strdup` is `__strdup` is `strdup`.
fn public(function: &str) -> &str {
    function.strip_prefix("__GI_").unwrap_or(function)
}

fn without_underscores(function: &str) -> &str {
    if function.starts_with("__") { function.trim_start_matches('_') } else { function }
}

fn same(function: &str) -> Option<&'static str> {
    SAME.into_iter().find(|(ours, _)| *ours == function).map(|(_, theirs)| theirs)
}

/// The bare name that debug information has for a function, without template arguments: compilers and demanglers
/// spell those in different ways.
pub fn bare(name: &str) -> &str {
    without_arguments(components(name).pop().unwrap_or(name)).trim_end()
}

/// A bare name, or a pattern for one, without template arguments.
pub fn without_arguments(bare: &str) -> &str {
    // The `<` of `operator<` is no argument's.
    let before = if is_operator(bare) { OPERATOR.len() } else { 0 };
    let from = before + bare.get(before..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let end = bare.get(from..).and_then(|rest| rest.find('<')).map(|at| from + at);
    end.and_then(|end| bare.get(..end)).unwrap_or(bare)
}

/// Whether the function itself is an instance of a template, and not only the class that it belongs to.
pub fn has_arguments(name: &str) -> bool {
    components(name).pop().is_some_and(|last| without_arguments(last).len() < last.len())
}

/// The parts of a demangled name between the `::` that stand in no brackets, without the parameters.
pub fn components(name: &str) -> Vec<&str> {
    let mut components = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let rest = |at: usize| name.get(at..).unwrap_or_default();
    while let Some(&byte) = name.as_bytes().get(at) {
        if at == start && is_operator(rest(at)) {
            // `operator()` has brackets of its own.
            at += OPERATOR.len() + if rest(at + OPERATOR.len()).starts_with("()") { 2 } else { 0 };
            at += rest(at).find('(').unwrap_or(rest(at).len());
            continue;
        }
        match byte {
            b':' if rest(at).starts_with("::") => {
                components.extend(name.get(start..at));
                at += 2;
                start = at;
            }
            b'<' | b'(' | b'{' | b'[' => {
                let after = at + bracket_bytes(rest(at));
                // Brackets in the middle belong to a function that holds this one.
                if byte == b'(' && at > start && !is_path(rest(after)) {
                    components.extend(name.get(start..at));
                    return components;
                }
                at = after;
            }
            _ => at += 1,
        }
    }
    components.extend(name.get(start..));
    components
}

const OPERATOR: &str = "operator";

fn is_operator(component: &str) -> bool {
    let symbol = component.strip_prefix(OPERATOR).and_then(|rest| rest.chars().next());
    symbol.is_some_and(|letter| !letter.is_alphanumeric() && letter != '_')
}

fn is_path(rest: &str) -> bool {
    rest.starts_with("::") || rest.starts_with(" const::")
}

/// Length of the bracket that `text` begins with, to the one that closes it.
fn bracket_bytes(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'{' | b'[' => depth += 1,
            b'>' if before == b'-' => {}
            b'>' | b')' | b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
        before = byte;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_suffixes_are_no_part_of_a_symbol() {
        assert_eq!(plain("pthread_create@@GLIBC_2.2.5"), "pthread_create");
        assert_eq!(plain("_ZZ6lambdavENKUliE_clEi.constprop.0"), "_ZZ6lambdavENKUliE_clEi");
        assert_eq!(plain("table_grow.isra.0.part.1"), "table_grow");
        assert_eq!(plain("foo::bar() [clone .cold]"), "foo::bar()");
        assert_eq!(plain("*.isra.0"), "*.isra.0");
        assert_eq!(plain("main"), "main");
    }

    #[test]
    fn glibcs_inner_names_are_those_of_its_functions() {
        let has = |function, other| others(function).any(|name| name == other);
        assert!(has("__GI___strdup", "strdup") && has("__GI___strdup", "__strdup") && has("__strdup", "strdup"));
        assert!(has("__GI__dl_allocate_tls", "_dl_allocate_tls") && !has("_dl_init", "dl_init"));
        assert!(has("clone3", "clone") && has("__libc_start_main_impl", "(below main)"));
    }

    #[test]
    fn a_constructor_is_known_by_each_of_its_symbols() {
        assert_eq!(glob("_ZN2ns3BoxC2Ei"), "_ZN2ns3BoxC?Ei");
        assert_eq!(glob("_ZN3BoxIiED4Ev.cold"), "_ZN3BoxIiED?Ev*");
        assert_eq!(glob("_ZN3BoxC1IiEET_"), "_ZN3BoxC?IiEET_");
        assert_eq!(glob("_ZN2ns4growEi"), "_ZN2ns4growEi");
        for pattern in ["_ZN2ns3BoxC1Ei", "_ZN2ns3BoxC2Ei", "_ZN2ns3BoxC?Ei", "_ZN2ns3BoxC?Ei*"] {
            assert_eq!(demangled(pattern).as_deref(), Some("ns::Box::Box(int)"), "{pattern}");
        }
        assert_eq!(demangled("_ZN*BoxC1Ei").or(demangled("main")).or(demangled("_ZN2ns*")), None);
    }

    #[test]
    fn the_bare_name_is_the_last_one_without_arguments() {
        for (name, expected) in [
            ("main", "main"),
            ("", ""),
            ("ns::Box<std::pair<int, long> >::grow(int)", "grow"),
            ("ns::tmpl<std::pair<int, long> >(std::pair<int, long>)", "tmpl"),
            ("tmpl<std::pair<int, long int> >", "tmpl"),
            ("ns::(anonymous namespace)::anon(std::string const&)", "anon"),
            ("std::map<int, int>::operator[](int&&)", "operator[]"),
            ("operator+<char, std::char_traits<char> >", "operator+"),
            ("std::operator+<char>(char const*, std::string const&)", "operator+"),
            ("lambda()::{lambda(int)#1}::operator()(int) const", "operator()"),
            ("operator()", "operator()"),
            ("ns::operator_like(int)", "operator_like"),
            ("<alloc::vec::Vec<T> as core::ops::Drop>::drop", "drop"),
            ("Foo::~Foo()", "~Foo"),
            ("broken<<<(", "broken"),
            (")>:::", ":"),
        ] {
            assert_eq!(bare(name), expected, "{name}");
        }
    }
}
