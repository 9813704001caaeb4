//! Suppression files, read: LeakSanitizer's syntax and valgrind's.
//!
//! ```text
//!   leak:PATTERN            {
//!   # comment                  name
//!                              Memcheck:Leak
//!                              match-leak-kinds: definite,possible      (optional)
//!                              fun:PATTERN | obj:PATTERN | src:PATTERN[:LINE] | ...
//!                           }
//! ```
//!
//! The first line that is neither empty nor a comment tells which it is. Line ends may be CRLF, and bytes that are no
//! UTF-8 become U+FFFD, as they do in names.

use crate::text::Safe;

/// One rule.
pub struct Rule {
    /// `leak:PATTERN`, or the name that a block has.
    pub name: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// What it says.
    pub body: Body,
}

/// What a rule asks for.
pub enum Body {
    /// This template, in any name of any frame.
    Anywhere(String),
    /// These frames, innermost first, in leaks of these kinds.
    Stack {
        /// By `Kind`.
        kinds: [bool; 4],
        /// Not only `Line::Any`.
        lines: Vec<Line>,
    },
}

/// One line of a block's stack.
#[derive(PartialEq, Eq, Debug)]
pub enum Line {
    /// `...`: any frames, or none.
    Any,
    /// `fun:`
    Function(String),
    /// `obj:`
    Object(String),
    /// `src:`, and the line if there is one.
    Source(String, Option<u32>),
}

/// What is wrong with a text.
#[derive(PartialEq, Eq, Debug)]
pub struct Bad {
    /// Line, from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub expected: &'static str,
}

/// Characters of a bad line that are shown.
const SHOWN_MAX: usize = 80;

const BLOCK: &str = "`{` on a line of its own";
const BLOCK_END: &str = "`}` at the end of the block";
const FRAME: &str = "`fun:NAME`, `obj:PATH`, `src:FILE[:LINE]`, `...` or `}`";
const LEAK_KINDS: &str = "`definite`, `indirect`, `possible`, `reachable`, `all` or `none`, with commas between them";

/// What Memcheck can suppress.
const MEMCHECK: [&str; 30] = [
    "Leak",
    "Cond",
    "Param",
    "User",
    "CoreMem",
    "Jump",
    "Free",
    "Overlap",
    "Mempool",
    "FishyValue",
    "ReallocZero",
    "BadAlign",
    "BadSize",
    "SizeMismatch",
    "AlignMismatch",
    "Alignment",
    "Addr1",
    "Addr2",
    "Addr4",
    "Addr8",
    "Addr16",
    "Addr32",
    "Value0",
    "Value1",
    "Value2",
    "Value4",
    "Value8",
    "Value16",
    "Value32",
    "Value64",
];

/// The rules of a text of either syntax, in its order. Blocks for other tools, or for other faults than leaks, are
/// left out.
pub fn parse(text: &[u8]) -> Result<Vec<Rule>, Bad> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = Lines::new(text);
    match lines.clone().next() {
        None => Ok(Vec::new()),
        Some((_, line)) if line.starts_with('{') => valgrind(&mut lines),
        Some((_, line)) if line.starts_with("leak:") => leak_sanitizer(&mut lines),
        Some((number, line)) => Err(bad(number, line, "`leak:PATTERN`, or `{` for a file of valgrind's")),
    }
}

/// The lines that are neither empty nor comments, without the space around them, and their numbers.
#[derive(Clone)]
struct Lines<'t> {
    all: std::iter::Enumerate<std::str::Split<'t, char>>,
    /// Number of the line that came last.
    number: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Lines<'t> {
        Lines { all: text.split('\n').enumerate(), number: 1 }
    }

    /// The next line, where a block cannot end yet.
    fn inside(&mut self, expected: &'static str) -> Result<(usize, &'t str), Bad> {
        self.next().ok_or_else(|| Bad { line: self.number, found: "the end of the file".to_owned(), expected })
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = (usize, &'t str);

    fn next(&mut self) -> Option<(usize, &'t str)> {
        for (index, line) in self.all.by_ref() {
            let line = line.trim_matches([' ', '\t', '\r', '\u{b}', '\u{c}']);
            if !line.is_empty() && !line.starts_with('#') {
                self.number = index + 1;
                return Some((self.number, line));
            }
        }
        None
    }
}

fn bad(line: usize, found: &str, expected: &'static str) -> Bad {
    let shown: String = found.chars().take(SHOWN_MAX).collect();
    let more = if shown.len() < found.len() { "…" } else { "" };
    Bad { line, found: format!("`{}{more}`", Safe(&shown)), expected }
}

fn leak_sanitizer(lines: &mut Lines) -> Result<Vec<Rule>, Bad> {
    let mut rules = Vec::new();
    for (number, line) in lines {
        match line.strip_prefix("leak:") {
            // LeakSanitizer hides every leak then. Who wants that can say `leak:*`.
            Some("") => return Err(bad(number, line, "a pattern after `leak:`")),
            Some(pattern) => {
                rules.push(Rule { name: line.to_owned(), line: number, body: Body::Anywhere(pattern.to_owned()) });
            }
            None if line == "{" => {
                return Err(bad(number, line, "`leak:PATTERN`, as above: one file has one syntax"));
            }
            None => return Err(bad(number, line, "`leak:PATTERN`")),
        }
    }
    Ok(rules)
}

fn valgrind(lines: &mut Lines) -> Result<Vec<Rule>, Bad> {
    let mut rules = Vec::new();
    while let Some((number, line)) = lines.next() {
        match line {
            "{" => {}
            _ if line.starts_with("leak:") => {
                return Err(bad(number, line, "`{`, as above: one file has one syntax"));
            }
            _ => return Err(bad(number, line, BLOCK)),
        }
        let (first, name) = lines.inside("a name for the rule")?;
        if name == "}" {
            return Err(bad(first, name, "a name for the rule"));
        }
        match is_for_leaks(lines.inside("`Memcheck:Leak`")?)? {
            true => rules.push(Rule { name: name.to_owned(), line: first, body: block(lines)? }),
            false => skip(lines)?,
        }
    }
    Ok(rules)
}

/// What the line `tool,tool:kind` says.
fn is_for_leaks((number, line): (usize, &str)) -> Result<bool, Bad> {
    let Some((tools, kind)) = line.split_once(':') else {
        return Err(bad(number, line, "`TOOL:KIND`, such as `Memcheck:Leak`"));
    };
    if !tools.split(',').any(|tool| tool == "Memcheck") {
        return Ok(false);
    }
    if !MEMCHECK.contains(&kind) {
        return Err(bad(number, line, "`Memcheck:Leak`, or another of Memcheck's kinds"));
    }
    Ok(kind == "Leak")
}

/// The rest of a block that is not for us.
fn skip(lines: &mut Lines) -> Result<(), Bad> {
    loop {
        match lines.inside(BLOCK_END)? {
            (_, "}") => return Ok(()),
            (number, line @ "{") => return Err(bad(number, line, BLOCK_END)),
            _ => {}
        }
    }
}

/// The rest of a block for leaks.
fn block(lines: &mut Lines) -> Result<Body, Bad> {
    let mut kinds = None;
    let mut stack = Vec::new();
    loop {
        let (number, line) = lines.inside(BLOCK_END)?;
        if line == "}" {
            return match stack.iter().all(|line| *line == Line::Any) {
                true => Err(bad(number, line, "a frame other than `...` before it")),
                false => Ok(Body::Stack { kinds: kinds.unwrap_or([true; 4]), lines: stack }),
            };
        }
        match line.strip_prefix("match-leak-kinds:") {
            Some(words) if kinds.is_none() && stack.is_empty() => {
                kinds = Some(leak_kinds(words).ok_or_else(|| bad(number, line, LEAK_KINDS))?);
            }
            _ => stack.push(frame(line).ok_or_else(|| bad(number, line, FRAME))?),
        }
    }
}

fn leak_kinds(words: &str) -> Option<[bool; 4]> {
    let mut kinds = [false; 4];
    for word in words.split(',').map(str::trim) {
        match word {
            "definite" => kinds[0] = true,
            "indirect" => kinds[1] = true,
            "possible" => kinds[2] = true,
            "reachable" => kinds[3] = true,
            "all" => kinds = [true; 4],
            "none" => {}
            _ => return None,
        }
    }
    Some(kinds)
}

fn frame(line: &str) -> Option<Line> {
    if line == "..." {
        return Some(Line::Any);
    }
    match line.split_at_checked("fun:".len())? {
        ("fun:", pattern) => Some(Line::Function(pattern.to_owned())),
        ("obj:", pattern) => Some(Line::Object(pattern.to_owned())),
        ("src:", place) => match place.split_once(':') {
            None => Some(Line::Source(place.to_owned(), None)),
            // valgrind takes 0, and nothing, for any line.
            Some((file, "" | "0")) => Some(Line::Source(file.to_owned(), None)),
            Some((file, line)) => Some(Line::Source(file.to_owned(), Some(line.parse().ok()?))),
        },
        _ => None,
    }
}
