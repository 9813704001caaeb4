//! When one pattern matches one text: the two languages of suppression files.
//!
//! Invariants:
//! - a match takes at most (pattern × text) steps, whatever the wildcards;
//! - `literal` is part of every text that the pattern matches.

/// The language of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// LeakSanitizer: found anywhere; `*` is any text, `^` in front the start, `$` the end.
    Template,
    /// valgrind: the whole text; `*` is any text, `?` any one byte.
    Glob,
}

impl Style {
    /// Whether `pattern` matches `text`.
    pub fn matches(self, pattern: &str, text: &str) -> bool {
        match self {
            Style::Template => template(pattern, text),
            Style::Glob => glob(pattern.as_bytes(), text.as_bytes()),
        }
    }

    /// The longest part of `pattern` without a wildcard; empty: there is none.
    pub fn literal(self, pattern: &str) -> &str {
        let (pattern, wildcards) = match self {
            Style::Template => {
                let unanchored = pattern.strip_prefix('^').unwrap_or(pattern);
                // What follows the end cannot be asked for.
                (unanchored.split('$').next().unwrap_or_default(), ['*', '*'])
            }
            Style::Glob => (pattern, ['*', '?']),
        };
        // The first of equals: it stands nearest to the name.
        pattern.split(wildcards).rev().max_by_key(|part| part.len()).unwrap_or_default()
    }
}

/// LeakSanitizer's own algorithm. Each part is taken where it is found first, so `^` and `$` do not backtrack:
/// `ab$` is not found in `abab`. Files mean there what they mean here.
fn template(pattern: &str, text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    let (mut pattern, mut at_start) = match pattern.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let mut text = text;
    let mut after_star = false;
    while let Some(first) = pattern.chars().next() {
        match first {
            '*' => {
                pattern = pattern.trim_start_matches('*');
                (at_start, after_star) = (false, true);
                continue;
            }
            '$' => return text.is_empty() || after_star,
            _ => {}
        }
        let (part, rest) = pattern.split_at(pattern.find(['*', '$']).unwrap_or(pattern.len()));
        let found = if at_start { text.strip_prefix(part) } else { text.split_once(part).map(|(_, after)| after) };
        let Some(after) = found else { return false };
        (text, pattern) = (after, rest);
        (at_start, after_star) = (false, false);
    }
    true
}

/// The usual one: on a mismatch, the last `*` takes one byte more. Earlier ones never have to.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut in_pattern, mut in_text) = (0, 0);
    // After the last star, and the place in the text where that star ends.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(in_text) {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                in_pattern += 1;
                retry = Some((in_pattern, in_text));
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                in_pattern += 1;
                in_text += 1;
            }
            _ => {
                let Some((after_star, end)) = retry else {
                    return false;
                };
                retry = Some((after_star, end + 1));
                (in_pattern, in_text) = (after_star, end + 1);
            }
        }
    }
    pattern.get(in_pattern..).unwrap_or_default().iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(pattern: &str, text: &str) -> bool {
        Style::Template.matches(pattern, text)
    }

    fn glob(pattern: &str, text: &str) -> bool {
        Style::Glob.matches(pattern, text)
    }

    #[test]
    fn a_template_is_found_anywhere_unless_it_is_anchored() {
        assert!(template("bar", "foobarbaz"));
        assert!(!template("baR", "foobarbaz"));
        assert!(template("^foo", "foobar") && !template("^bar", "foobar"));
        assert!(template("bar$", "foobar") && !template("foo$", "foobar"));
        assert!(template("^foo$", "foo") && !template("^foo$", "foo1") && !template("^foo$", "1foo"));
        assert!(template("f*r", "xfoobarx") && !template("f*q", "foobar"));
        assert!(template("^f*r$", "foobar") && !template("^o*r$", "foobar"));
        assert!(template("libfoo.so", "/usr/lib/libfoo.so.1"));
    }

    #[test]
    fn a_template_does_what_leak_sanitizer_does_at_its_edges() {
        for text in ["", "x"] {
            for pattern in ["", "*", "^", "^*", "*$", "**", "^*$"] {
                assert_eq!(template(pattern, text), !text.is_empty(), "`{pattern}` and `{text}`");
            }
        }
        assert!(!template("$", "x") && !template("^$", "x"));
        // A star after the anchor takes it away, one before the end makes the end any.
        assert!(template("^*bar", "foobar") && template("foo*$", "foobar"));
        // Where it is found first, there it stays.
        assert!(!template("ab$", "abab") && template("abab$", "abab"));
        // Nothing is asked for after the end; later anchors are letters.
        assert!(template("foo$bar", "foo") && !template("foo$bar", "foo$bar"));
        assert!(template("a^b", "xa^by") && !template("a^b", "ab"));
    }

    #[test]
    fn a_glob_matches_the_whole_text() {
        assert!(glob("malloc", "malloc") && !glob("malloc", "mallocx") && !glob("malloc", "xmalloc"));
        assert!(glob("*alloc", "calloc") && glob("*alloc", "alloc") && !glob("*alloc", "allocx"));
        assert!(glob("m?lloc", "malloc") && !glob("m?lloc", "mlloc"));
        assert!(glob("*/libc-2.*.so", "/lib/x86_64-linux-gnu/libc-2.31.so"));
        assert!(glob("a*b*c", "aXbXbXc") && !glob("a*b*c", "aXbXbX"));
        assert!(glob("", "") && !glob("", "x") && glob("*", "") && !glob("?", "") && glob("**?", "é"));
        assert!(glob("^a$", "^a$"));
    }

    #[test]
    fn wildcards_without_end_take_no_time_without_end() {
        let text = "a".repeat(2000);
        let pattern = "a*".repeat(1000) + "b";
        assert!(!glob(&pattern, &text) && !template(&pattern, &text));
        assert!(glob(&"*a".repeat(1000), &text) && glob(&"*".repeat(1 << 16), &text));
        assert!(!glob(&"?".repeat(1 << 20), &text) && !template(&"a".repeat(1 << 20), &text));
    }

    #[test]
    fn the_literal_is_the_longest_part_without_wildcards() {
        for (style, pattern, literal) in [
            (Style::Template, "^foo*barbaz$qux-and-more", "barbaz"),
            (Style::Template, "what?", "what?"),
            (Style::Template, "*", ""),
            (Style::Glob, "abc?def*gh", "abc"),
            (Style::Glob, "^fo$", "^fo$"),
            (Style::Glob, "*??", ""),
        ] {
            assert_eq!(style.literal(pattern), literal, "{style:?} {pattern}");
        }
    }

    #[test]
    fn globs_agree_with_the_plainest_model() {
        fn model(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern, text) {
                ([], text) => text.is_empty(),
                ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| model(rest, &text[taken..])),
                ([_, ..], []) => false,
                ([wanted, rest @ ..], [byte, after @ ..]) => (*wanted == b'?' || wanted == byte) && model(rest, after),
            }
        }
        let words = |letters: &[u8], length: u32| -> Vec<Vec<u8>> {
            let count = letters.len().pow(length);
            let word = |mut number: usize| {
                (0..length).map(|_| (letters[number % letters.len()], number /= letters.len()).0).collect()
            };
            (0..count).map(word).collect()
        };
        for pattern in (0..=5).flat_map(|length| words(b"ab*?", length)) {
            for text in (0..=5).flat_map(|length| words(b"ab", length)) {
                let (pattern, text) = (str::from_utf8(&pattern).unwrap(), str::from_utf8(&text).unwrap());
                assert_eq!(glob(pattern, text), model(pattern.as_bytes(), text.as_bytes()), "`{pattern}` `{text}`");
            }
        }
    }
}
