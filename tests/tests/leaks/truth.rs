//! The lines at the head of a program of `leaks/`: what must become of its blocks, which are known by their sizes.
//!
//! ```text
//!   // flags: -pthread                  for the compiler
//!   // library: a.so parts/a.c          a library that is built first
//!   // env: MEMTRACE_TAGGED=low:3       for the program
//!   // exit: SIGABRT                    its end; without the line: status 0
//!   // only: run                        not under the other way (`bare`, `run`)
//!   // expect 1004: definite, indirect 2    of the blocks of 1,004 bytes one is definitely lost, two indirectly
//!   // valgrind: same                   Memcheck says this too; else `differs: WHY` or `not asked: WHY`
//!   // valgrind 1004: reachable         what it says instead
//! ```
//!
//! Words: `definite`, `indirect`, `possible`, `reachable`; `kept`: none of the first three; `none`: no such block.

use std::collections::BTreeMap;
use std::path::Path;

/// Blocks of one size, by the word for what became of them.
pub type Kinds = BTreeMap<String, u64>;

/// All of a process's blocks by size and kind.
pub type Found = BTreeMap<u64, Kinds>;

/// The kinds that are leaks.
pub const LOST: [&str; 3] = ["definite", "indirect", "possible"];

/// What the head says.
#[derive(Default, Debug)]
pub struct Truth {
    /// For the compiler.
    pub flags: Vec<String>,
    /// Name, source, flags.
    pub libraries: Vec<Vec<String>>,
    /// Name and value.
    pub variables: Vec<(String, String)>,
    /// It ends by abort instead of with status 0.
    pub aborts: bool,
    /// The only way that it is run; `None`: both.
    pub only: Option<String>,
    /// By size.
    expects: Found,
    /// Where Memcheck says something else.
    witness: Found,
    /// Memcheck is not asked.
    pub is_unwitnessed: bool,
}

impl Truth {
    /// Reads the head: comments up to the first line that is none. `Err` says what is wrong with it.
    pub fn read(path: &Path) -> Result<Truth, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Truth::parse(&text)
    }

    fn parse(text: &str) -> Result<Truth, String> {
        let mut truth = Truth::default();
        let mut witness = None;
        for line in text.lines().map_while(|line| line.strip_prefix("// ")) {
            let Some((key, value)) = line.split_once(": ") else { continue };
            let words = || value.split_whitespace().map(str::to_owned);
            match key.split_once(' ').unwrap_or((key, "")) {
                ("flags", "") => truth.flags.extend(words()),
                ("library", "") => truth.libraries.push(words().collect()),
                ("env", "") => {
                    let (name, value) = value.split_once('=').ok_or_else(|| format!("no `=`: {value}"))?;
                    truth.variables.push((name.to_owned(), value.to_owned()));
                }
                ("exit", "") if value == "SIGABRT" => truth.aborts = true,
                ("only", "") if ["bare", "run"].contains(&value) => truth.only = Some(value.to_owned()),
                ("expect", size) => insert(&mut truth.expects, size, value)?,
                ("valgrind", "") => witness = Some(value.split(':').next().unwrap_or_default().to_owned()),
                ("valgrind", size) => insert(&mut truth.witness, size, value)?,
                // Prose begins with a capital or goes on within a sentence.
                _ if key.contains(' ') || key.starts_with(char::is_uppercase) => {}
                _ => return Err(format!("`{key}: {value}` is none of the lines of a head")),
            }
        }
        let has_witness = !truth.witness.is_empty();
        match (witness.as_deref(), has_witness) {
            (Some("same"), false) | (Some("differs"), true) => {}
            (Some("not asked"), false) => truth.is_unwitnessed = true,
            _ => return Err("it says `valgrind: same`, or why and where it differs, or why it is not asked".to_owned()),
        }
        let is_expected = |size| truth.expects.contains_key(size);
        if truth.expects.is_empty() || !truth.witness.keys().all(is_expected) {
            return Err("it expects nothing, or names a size for valgrind that it does not expect".to_owned());
        }
        Ok(truth)
    }

    /// One line for each size that is not as memtrace must find it.
    pub fn judge(&self, found: &Found) -> Vec<String> {
        judge(self.expects.iter(), found)
    }

    /// The same for Memcheck.
    pub fn judge_witness(&self, found: &Found) -> Vec<String> {
        judge(self.expects.iter().map(|(size, kinds)| (size, self.witness.get(size).unwrap_or(kinds))), found)
    }
}

fn judge<'t>(expects: impl Iterator<Item = (&'t u64, &'t Kinds)>, found: &Found) -> Vec<String> {
    let empty = Kinds::new();
    let mut wrong = Vec::new();
    for (size, expected) in expects {
        let kinds = found.get(size).unwrap_or(&empty);
        let is_lost = LOST.iter().any(|kind| kinds.contains_key(*kind));
        let is_right = match expected.keys().map(String::as_str).collect::<Vec<_>>()[..] {
            ["kept"] => !is_lost,
            ["none"] => kinds.is_empty(),
            _ => kinds == expected,
        };
        if !is_right {
            wrong.push(format!("{size} bytes: expected {}, found {}", text(expected), text(kinds)));
        }
    }
    wrong
}

fn text(kinds: &Kinds) -> String {
    let words: Vec<String> = kinds.iter().map(|(kind, blocks)| format!("{blocks} {kind}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// `1004` and `definite, indirect 2`.
fn insert(to: &mut Found, size: &str, value: &str) -> Result<(), String> {
    let size: u64 = size.parse().map_err(|_| format!("no size: {size}"))?;
    let mut kinds = Kinds::new();
    for part in value.split(", ") {
        let (kind, blocks) = part.split_once(' ').unwrap_or((part, "1"));
        let blocks = blocks.parse().map_err(|_| format!("no number: {blocks}"))?;
        if !LOST.contains(&kind) && !["reachable", "kept", "none"].contains(&kind) {
            return Err(format!("no kind: {kind}"));
        }
        kinds.insert(kind.to_owned(), blocks);
    }
    match to.insert(size, kinds) {
        Some(_) => Err(format!("{size} stands there twice")),
        None => Ok(()),
    }
}

/// Adds a row of blocks of one site and kind. Blocks of a site that differ in size are none of the marked ones.
pub fn add(found: &mut Found, kind: &str, blocks: u64, bytes: u64) {
    if let Some(0) = bytes.checked_rem(blocks) {
        *found.entry(bytes / blocks).or_default().entry(kind.to_owned()).or_default() += blocks;
    }
}

/// What Memcheck's log says: `N bytes in M blocks are KIND in loss record`.
pub fn read_log(text: &str, found: &mut Found) {
    const KINDS: [(&str, &str); 4] = [
        ("definitely lost", "definite"),
        ("indirectly lost", "indirect"),
        ("possibly lost", "possible"),
        ("still reachable", "reachable"),
    ];
    for line in text.lines().filter(|line| line.contains(" in loss record ")) {
        let Some((_, line)) = line.split_once("== ") else { continue };
        let Some((_, kind)) = KINDS.iter().find(|(words, _)| line.contains(words)) else { continue };
        // `1,112 (1,004 direct, 108 indirect) bytes in 1 blocks are …`.
        let direct = line.split_once('(').map_or(line, |(_, rest)| rest);
        let number =
            |text: &str| text.split_whitespace().next().and_then(|word| word.replace(',', "").parse::<u64>().ok());
        let blocks = line.split_once(" bytes in ").and_then(|(_, rest)| number(rest));
        if let (Some(bytes), Some(blocks)) = (number(direct), blocks) {
            add(found, kind, blocks, bytes);
        }
    }
}

#[test]
fn a_head_is_read_and_judged() {
    let text = "// Says: why.\n// expect 10: definite, indirect 2\n// expect 20: kept\n// expect 30: none\n\
                // valgrind: differs: so\n// valgrind 20: possible\n";
    let truth = Truth::parse(text).expect("it is a head");
    let mut found = Found::new();
    add(&mut found, "definite", 1, 10);
    add(&mut found, "indirect", 2, 20);
    add(&mut found, "reachable", 1, 20);
    assert!(truth.judge(&found).is_empty());
    assert_eq!(truth.judge_witness(&found), ["20 bytes: expected 1 possible, found 1 reachable"]);
    add(&mut found, "possible", 3, 90);
    add(&mut found, "possible", 1, 20);
    assert_eq!(truth.judge(&found).len(), 2);
    assert!(Truth::parse("// expect 10: definite\n").is_err());
    assert!(Truth::parse("// expect 10: lost\n// valgrind: same\n").is_err());
    assert!(Truth::parse("// expct: x\n// expect 10: none\n// valgrind: same\n").is_err());
}

#[test]
fn a_log_of_valgrind_is_read() {
    let text = "==1== 1,112 (1,004 direct, 108 indirect) bytes in 1 blocks are definitely lost in loss record 2 of 3\n\
                ==1== 88 bytes in 2 blocks are still reachable in loss record 1 of 3\n\
                ==1==    definitely lost: 1,004 bytes in 1 blocks\n";
    let mut found = Found::new();
    read_log(text, &mut found);
    let expected =
        [(44, Kinds::from([("reachable".to_owned(), 2)])), (1004, Kinds::from([("definite".to_owned(), 1)]))];
    assert_eq!(found, Found::from(expected));
}
