//! The settings of a process, from its rows' values.
//!
//! Settings are read from the environment of the process's start. A value that is not understood gives one
//! warning in the report, and the default holds.

use crate::fail::Fail;
use crate::heap;
use crate::leaks::{self, Kinds, Tags};
use crate::plan::Plan;

pub use crate::rows::{ROWS, Row, Shape, is_setting};

/// The settings of one process. Texts point into memory that lives as long as the process.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// MEMTRACE_QUIET.
    pub quiet: bool,
    /// MEMTRACE_SUMMARY.
    pub summary: bool,
    /// MEMTRACE_OUT; empty: stderr.
    pub out: &'a [u8],
    /// MEMTRACE_JSON; empty: none.
    pub json: &'a [u8],
    /// MEMTRACE_TOP; `None`: all.
    pub top: Option<u64>,
    /// MEMTRACE_EXE; empty: every program.
    pub exe: &'a [u8],
    /// MEMTRACE_CLI; empty: where the library is.
    pub cli: &'a [u8],
    /// MEMTRACE_DEADLINE.
    pub deadline_s: u64,
    /// MEMTRACE_LEAKS.
    pub leaks: bool,
    /// MEMTRACE_SHOW.
    pub show: Kinds,
    /// MEMTRACE_EXITCODE; 0: the process's own.
    pub exit_code: u8,
    /// MEMTRACE_SUPPRESSIONS: paths with colons between them; empty: none.
    pub suppressions: &'a [u8],
    /// MEMTRACE_HEURISTICS: `leaks::heuristic` bits.
    pub heuristics: u32,
    /// MEMTRACE_TAGGED.
    pub tags: Tags,
    /// MEMTRACE_PYTHON.
    pub python: bool,
    /// MEMTRACE_BUNDLED.
    pub bundled: bool,
    /// MEMTRACE_SAMPLE; 0: every allocation.
    pub sample_bytes: u32,
    /// MEMTRACE_MAX_MEMORY; 0: no limit.
    pub memory_bytes_max: u64,
    /// What is looked for in the heap.
    pub heap: heap::Wanted,
    /// The MALLOC_FAIL_* rows together.
    pub plan: Plan<'a>,
    /// Rows whose value was not understood, as a bit set over `ROWS`.
    pub wrong: u64,
    /// Rows that have no effect beside `decides`, as `wrong`.
    pub beaten: u64,
    /// Which of the MALLOC_FAIL_* that exclude each other holds; empty: none was given.
    pub decides: &'static str,
}

/// Reads settings from `NAME=VALUE` texts. The first of two equal names holds, as with getenv(3).
pub fn parse<'a>(variables: impl Iterator<Item = &'a [u8]> + Clone) -> Settings<'a> {
    let mut settings = Settings {
        quiet: false,
        summary: false,
        out: b"",
        json: b"",
        top: Some(100),
        exe: b"",
        cli: b"",
        deadline_s: 10,
        leaks: true,
        show: Kinds::DEFAULT,
        exit_code: 0,
        suppressions: b"",
        heuristics: leaks::heuristic::ALL,
        tags: Tags::NONE,
        python: true,
        bundled: false,
        sample_bytes: 0,
        memory_bytes_max: 0,
        heap: heap::Wanted::DEFAULT,
        plan: Plan::NONE,
        wrong: 0,
        beaten: 0,
        decides: "",
    };
    let mut fail = Fail::new();
    for (place, row) in ROWS.iter().enumerate() {
        let Some(value) = variables.clone().find_map(|variable| value_of(variable, row.name)) else { continue };
        if value.is_empty() {
            continue;
        }
        if set(&mut settings, &mut fail, row, value).is_none() {
            settings.wrong |= 1 << place;
        }
    }
    for name in fail.exclusive() {
        let place = ROWS.iter().position(|row| row.name == name).unwrap_or(0);
        match settings.decides {
            "" => settings.decides = name,
            _ => settings.beaten |= 1 << place,
        }
    }
    settings.plan = fail.plan();
    settings
}

/// The value, if the text is `NAME=VALUE` with this name.
pub fn value_of<'a>(variable: &'a [u8], name: &str) -> Option<&'a [u8]> {
    variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

fn set<'a>(settings: &mut Settings<'a>, fail: &mut Fail<'a>, row: &Row, value: &'a [u8]) -> Option<()> {
    match row.name {
        "MEMTRACE_QUIET" => settings.quiet = switch(value)?,
        "MEMTRACE_SUMMARY" => settings.summary = switch(value)?,
        "MEMTRACE_OUT" => settings.out = pattern(value)?,
        "MEMTRACE_JSON" => settings.json = pattern(value)?,
        "MEMTRACE_TOP" => settings.top = if value == b"all" { None } else { Some(number(value)?) },
        "MEMTRACE_EXE" => settings.exe = value,
        "MEMTRACE_CLI" => settings.cli = value,
        "MEMTRACE_DEADLINE" => settings.deadline_s = number(value).filter(|&seconds| seconds <= 86_400)?,
        "MEMTRACE_LEAKS" => settings.leaks = switch(value)?,
        "MEMTRACE_SHOW" => settings.show = Kinds::parse(value)?,
        "MEMTRACE_EXITCODE" => settings.exit_code = u8::try_from(number(value)?).ok()?,
        "MEMTRACE_SUPPRESSIONS" => settings.suppressions = value,
        // The report's.
        "MEMTRACE_WRAPPERS" => {}
        // That of the library that gives them.
        "MEMTRACE_SOURCES" => _ = sources(value)?,
        "MEMTRACE_HEURISTICS" => settings.heuristics = leaks::heuristics(value)?,
        "MEMTRACE_TAGGED" => settings.tags = Tags::parse(value)?,
        "MEMTRACE_PYTHON" => settings.python = switch(value)?,
        "MEMTRACE_BUNDLED" => settings.bundled = switch(value)?,
        "MEMTRACE_SAMPLE" => settings.sample_bytes = u32::try_from(bytes(value)?).ok()?,
        "MEMTRACE_MAX_MEMORY" => settings.memory_bytes_max = bytes(value)?,
        "MEMTRACE_HEAP_ERRORS" => settings.heap.errors = switch(value)?,
        "MEMTRACE_FATAL" => settings.heap.fatal = switch(value)?,
        "MEMTRACE_FREE_STACKS" => settings.heap.free_stacks = switch(value)?,
        "MEMTRACE_QUARANTINE" => settings.heap.quarantine_bytes = bytes(value)?,
        "MEMTRACE_CANARY" => settings.heap.canary = switch(value)?,
        "MEMTRACE_ZERO_SIZE" => settings.heap.zero_size = switch(value)?,
        name => fail.set(name, value)?,
    }
    Some(())
}

/// The libraries of a MEMTRACE_SOURCES.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sources<'a>(&'a [u8]);

impl Sources<'_> {
    /// Whether this one is among them.
    pub fn has(&self, library: &[u8]) -> bool {
        self.0.split(|&byte| byte == b',').any(|word| word == library || word == b"all")
    }
}

/// Reads a MEMTRACE_SOURCES.
pub fn sources(value: &[u8]) -> Option<Sources<'_>> {
    let is_known = |word: &[u8]| matches!(word, b"curl" | b"openssl" | b"all");
    value.split(|&byte| byte == b',').all(is_known).then_some(Sources(value))
}

pub(crate) fn switch(value: &[u8]) -> Option<bool> {
    match value {
        b"1" => Some(true),
        b"0" => Some(false),
        _ => None,
    }
}

/// A decimal number without sign; `None` on anything else and past 64 bits.
pub fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |sum, &digit| {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit <= 9)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A hexadecimal number without 0x; `None` on anything else and past 64 bits.
pub fn hexadecimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0u64, |sum, &digit| Some(sum << 4 | u64::from(char::from(digit).to_digit(16)?)))
}

/// A number of bytes, with K, M or G for the binary multiples.
pub(crate) fn bytes(value: &[u8]) -> Option<u64> {
    let (digits, unit) = match value.split_last()? {
        (b'K' | b'k', digits) => (digits, 1 << 10),
        (b'M' | b'm', digits) => (digits, 1 << 20),
        (b'G' | b'g', digits) => (digits, 1 << 30),
        _ => (value, 1),
    };
    number(digits)?.checked_mul(unit)
}

/// A pattern is taken if each `%` is followed by a letter that we know.
fn pattern(value: &[u8]) -> Option<&[u8]> {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        if !matches!(rest.get(at + 1), Some(b'p' | b'e' | b't' | b'%')) {
            return None;
        }
        rest = rest.get(at + 2..)?;
    }
    Some(value)
}

/// Whether `name` matches a pattern with `*` (any bytes) and `?` (one byte). Linear in both lengths' product.
pub fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(place) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, place));
                at += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    at = after;
                    place = from + 1;
                    star = Some((after, place));
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Wanted;
    use std::vec::Vec;

    fn read<'a>(variables: &'a [&'a str]) -> Settings<'a> {
        parse(variables.iter().map(|text| text.as_bytes()))
    }

    fn struck(variables: &[&str]) -> Vec<u64> {
        let plan = read(variables).plan;
        (0..20).filter(|&index| plan.strikes(index)).collect()
    }

    #[test]
    fn fail_after_lets_n_succeed_and_fails_the_next() {
        assert_eq!(struck(&["MALLOC_FAIL_AFTER=0"]), [0]);
        assert_eq!(struck(&["MALLOC_FAIL_AFTER=10"]), [10]);
        assert_eq!(struck(&["MALLOC_FAIL_AFTER=3,2"]), [3, 4]);
        assert_eq!(struck(&["MALLOC_FAIL_AFTER=3", "MALLOC_FAIL_COUNT=2"]), [3, 4]);
        assert_eq!(struck(&["MALLOC_FAIL_AFTER=17,inf"]), [17, 18, 19]);
        assert_eq!(struck(&["MALLOC_FAIL_AFTER=17", "MALLOC_FAIL_COUNT=0"]), [17, 18, 19]);
    }

    #[test]
    fn unset_empty_and_minus_one_are_off_without_a_warning() {
        for variables in [&[][..], &["MALLOC_FAIL_AFTER="], &["MALLOC_FAIL_AFTER=-1"]] {
            let settings = read(variables);
            assert_eq!((settings.plan, settings.wrong), (Plan::NONE, 0));
        }
    }

    #[test]
    fn anything_else_is_off_with_a_warning() {
        for value in ["-2", "1.5", "ten", "1,", "1,2,3", " 1", "18446744073709551616"] {
            let text = std::format!("MALLOC_FAIL_AFTER={value}").leak();
            let variables = [&*text];
            let settings = read(&variables);
            let place = ROWS.iter().position(|row| row.name == "MALLOC_FAIL_AFTER").unwrap();
            assert_eq!((settings.plan, settings.wrong), (Plan::NONE, 1 << place), "{value}");
        }
    }

    #[test]
    fn fail_at_counts_from_one_and_beats_fail_after() {
        assert_eq!(struck(&["MALLOC_FAIL_AT=1,4-6"]), [0, 3, 4, 5]);
        assert_eq!(struck(&["MALLOC_FAIL_AT=2", "MALLOC_FAIL_AFTER=9"]), [1]);
        let settings = read(&["MALLOC_FAIL_AT=2", "MALLOC_FAIL_AFTER=9"]);
        assert_eq!((settings.decides, settings.beaten.count_ones()), ("MALLOC_FAIL_AT", 1));
        assert_ne!(read(&["MALLOC_FAIL_AT=0"]).wrong, 0);
        assert_ne!(read(&["MALLOC_FAIL_AT=5-4"]).wrong, 0);
    }

    #[test]
    fn stacks_are_names_of_points_with_an_occurrence() {
        let plan = read(&["MALLOC_FAIL_STACK=00000000000000ff#3,0123456789abcdef", "MALLOC_FAIL_COUNT=inf"]).plan;
        let first = [Wanted { name: 255, occurrence: 3 }, Wanted { name: 0x0123_4567_89ab_cdef, occurrence: 1 }];
        assert_eq!((&plan.stacks[..2], plan.stack_count, plan.times), (&first[..], 2, u64::MAX));
        // Neither AT nor AFTER adds to it.
        let settings = read(&["MALLOC_FAIL_STACK=00000000000000ff", "MALLOC_FAIL_AT=1", "MALLOC_FAIL_AFTER=2"]);
        assert_eq!((settings.plan.stack_count, settings.plan.range_count, settings.plan.times), (1, 0, 1));
        assert_eq!((settings.decides, settings.beaten.count_ones()), ("MALLOC_FAIL_STACK", 2));
        for wrong in ["ff", "00000000000000fg", "00000000000000ff#0", "00000000000000ff#", "00000000000000ff,"] {
            let text = std::format!("MALLOC_FAIL_STACK={wrong}").leak();
            let variables = [&*text];
            let settings = read(&variables);
            assert!(!settings.plan.fails() && settings.wrong != 0, "{wrong}");
        }
    }

    #[test]
    fn every_row_is_understood_and_its_default_parses() {
        for row in ROWS {
            let text = std::format!("{}={}", row.name, row.default).leak();
            assert_eq!(read(&[&*text]).wrong, 0, "{}", row.name);
        }
        assert!(ROWS.len() <= 64);
    }

    #[test]
    fn leaks_are_chosen_by_words() {
        let settings = read(&["MEMTRACE_SHOW=all", "MEMTRACE_EXITCODE=9", "MEMTRACE_HEURISTICS=none"]);
        assert_eq!((settings.show, settings.exit_code, settings.heuristics, settings.wrong), (Kinds::ALL, 9, 0, 0));
        let settings = read(&["MEMTRACE_TAGGED=high:16,low:3", "MEMTRACE_LEAKS=0", "MEMTRACE_SUPPRESSIONS=a:b"]);
        assert_eq!(settings.tags, Tags { low_bits: 3, high_bits: 16 });
        assert_eq!((settings.leaks, settings.suppressions, settings.wrong), (false, &b"a:b"[..], 0));
        for wrong in ["MEMTRACE_SHOW=lost", "MEMTRACE_EXITCODE=256", "MEMTRACE_HEURISTICS=x", "MEMTRACE_TAGGED=low:5"] {
            assert_ne!(read(&[wrong]).wrong, 0, "{wrong}");
        }
    }

    #[test]
    fn bytes_have_binary_multiples() {
        assert_eq!(read(&["MEMTRACE_SAMPLE=512K"]).sample_bytes, 512 << 10);
        assert_eq!(read(&["MEMTRACE_MAX_MEMORY=3G"]).memory_bytes_max, 3 << 30);
        for wrong in ["MEMTRACE_SAMPLE=4G", "MEMTRACE_SAMPLE=K", "MEMTRACE_MAX_MEMORY=1T", "MEMTRACE_SAMPLE=-1"] {
            assert_ne!(read(&[wrong]).wrong, 0, "{wrong}");
        }
    }

    #[test]
    fn a_pattern_with_an_unknown_letter_is_wrong() {
        assert_eq!(read(&["MEMTRACE_OUT=/tmp/%e.%p.%t%%"]).wrong, 0);
        assert_ne!(read(&["MEMTRACE_OUT=/tmp/%x"]).wrong, 0);
        assert_ne!(read(&["MEMTRACE_OUT=/tmp/%"]).wrong, 0);
    }

    #[test]
    fn a_glob_matches_whole_names() {
        assert!(glob(b"py*3", b"python3") && glob(b"*", b"") && glob(b"l?", b"ls"));
        assert!(!glob(b"ls", b"lsof") && !glob(b"l?", b"l") && !glob(b"a*b", b"abc"));
        assert!(!glob(&b"*a".repeat(20), &b"b".repeat(2000)));
    }
}
