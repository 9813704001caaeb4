//! The part of a policy's file that is about checks, with the line of whatever is wrong.
//!
//! ```toml
//! [check]
//! kinds = ["definite", "possible"]     # what breaks it; "all"
//! module = ["app", "libmine.so*"]      # only leaks through this code; also path = ["src/*"]
//! exe = ["test_*"]                     # only these programs
//! any-code = true                      # leaks of system libraries and interpreters alone, too
//! baseline = "leaks.json"              # named from this file; suppressions = ["a.supp"], too
//! heap-errors = "tell"                 # or "fail", as by default
//! grown = "fail"                       # or "tell", as by default
//! growth = "4KiB"                      # of one place, from checkpoint to checkpoint
//! strict = true
//! exit-code = 1
//!
//! [check.total]                        # over all processes
//! bytes = "10KiB"
//! blocks = 5
//! peak = "64MiB"
//! allocations = 100000
//!
//! [check.site]                         # of one place; the same four
//! bytes = 64
//! ```

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::{Spanned, Value};

use super::{Budget, Said, Scope};
use crate::error::{Error, cannot_open};
use crate::text::{parse_bytes, start_of};
use crate::views::leaks::parse_kinds;

/// Nobody writes longer ones.
const FILE_BYTES_MAX: u64 = 4 << 20;
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    check: Option<Raw>,
    #[serde(rename = "rule")]
    _rule: Option<IgnoredAny>,
    #[serde(rename = "signature")]
    _signature: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    kinds: Option<Spanned<OneOrMore>>,
    module: Option<OneOrMore>,
    path: Option<OneOrMore>,
    exe: Option<OneOrMore>,
    total: Option<RawBudget>,
    site: Option<RawBudget>,
    growth: Option<Spanned<Value>>,
    grown: Option<Spanned<String>>,
    heap_errors: Option<Spanned<String>>,
    #[serde(default)]
    any_code: bool,
    #[serde(default)]
    strict: bool,
    exit_code: Option<Spanned<u8>>,
    baseline: Option<PathBuf>,
    suppressions: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBudget {
    bytes: Option<Spanned<Value>>,
    blocks: Option<u64>,
    peak: Option<Spanned<Value>>,
    allocations: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(texts: OneOrMore) -> Vec<String> {
        match texts {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}

/// Where and what.
type Wrong = (Range<usize>, String);

/// What a file says about checks.
pub fn read(path: &Path) -> Result<Said, Error> {
    let cannot_open = |cause| cannot_open(path, cause);
    let what = || format!("policy `{}`", path.display());
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot_open)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot_open)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::read(what(), format!("found more than {FILE_BYTES_MAX} bytes, expected no more")));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::read(what(), "it is no UTF-8, expected TOML"))?;
    let mut said = parse(&text).map_err(|(line, found)| Error::read(what(), format!("line {line}: {found}")))?;
    // Files are named from the file that names them.
    let beside = |file: &PathBuf| path.parent().unwrap_or(Path::new("")).join(file);
    said.baseline = said.baseline.as_ref().map(beside);
    said.suppressions = said.suppressions.iter().map(beside).collect();
    Ok(said)
}

/// The line of what is wrong, and what it is.
fn parse(text: &str) -> Result<Said, (usize, String)> {
    let line = |span: &Range<usize>| {
        let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    };
    let whole: Whole = toml::from_str(text).map_err(|error| {
        let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        (line(&error.span().unwrap_or(0..0)), start_of(&words))
    })?;
    match whole.check {
        Some(raw) => said(raw).map_err(|(span, what)| (line(&span), what)),
        None => Ok(Said::default()),
    }
}

fn said(raw: Raw) -> Result<Said, Wrong> {
    let list = |texts: Option<OneOrMore>| texts.map(Vec::from).unwrap_or_default();
    let kinds = raw.kinds.map(|kinds| {
        let span = kinds.span();
        let words = Vec::from(kinds.into_inner()).join(",");
        parse_kinds(&words).map_err(|expected| (span, format!("found `{}`, {expected}", start_of(&words))))
    });
    let grown_fails = fails(raw.grown, false)?;
    let heap_errors_told = !fails(raw.heap_errors, true)?;
    let exit_code = raw.exit_code.map(|code| match *code.as_ref() {
        0 => Err((code.span(), "found `0`, expected a status from 1 to 255; `--exit-zero` is a flag".to_owned())),
        status => Ok(status),
    });
    Ok(Said {
        kinds: kinds.transpose()?,
        scope: Scope { modules: list(raw.module), paths: list(raw.path), exes: list(raw.exe) },
        any_code: raw.any_code,
        total: raw.total.map(budget).transpose()?.unwrap_or_default(),
        site: raw.site.map(budget).transpose()?.unwrap_or_default(),
        growth: raw.growth.map(size).transpose()?,
        heap_errors_told,
        grown_fails,
        is_strict: raw.strict,
        exit_code: exit_code.transpose()?,
        baseline: raw.baseline,
        suppressions: list(raw.suppressions).into_iter().map(PathBuf::from).collect(),
    })
}

/// `fail` or `tell`.
fn fails(word: Option<Spanned<String>>, default: bool) -> Result<bool, Wrong> {
    let Some(word) = word else { return Ok(default) };
    match word.as_ref().as_str() {
        "fail" => Ok(true),
        "tell" => Ok(false),
        found => Err((word.span(), format!("found `{}`, expected `fail` or `tell`", start_of(found)))),
    }
}

fn budget(raw: RawBudget) -> Result<Budget, Wrong> {
    let bytes = raw.bytes.map(size).transpose()?;
    let peak = raw.peak.map(size).transpose()?;
    Ok(Budget { bytes, blocks: raw.blocks, peak, allocations: raw.allocations })
}

/// A number of bytes, or a text as `10KiB`.
fn size(value: Spanned<Value>) -> Result<u64, Wrong> {
    let span = value.span();
    let (found, read) = match value.into_inner() {
        Value::Integer(number) => (number.to_string(), u64::try_from(number).ok()),
        Value::String(text) => (text.clone(), parse_bytes(&text).ok()),
        other => (other.type_str().to_owned(), None),
    };
    read.ok_or_else(|| {
        (span, format!("found `{}`, expected a number of bytes such as 4096 or \"10KiB\"", start_of(&found)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_wire::leaks::Kinds;

    const ALL: &str = "[check]\nkinds = [\"definite\", \"reachable\"]\nmodule = \"app\"\npath = [\"src/*\", \"x.c\"]\n\
        exe = \"t_*\"\nbaseline = \"b.json\"\nsuppressions = \"s\"\nheap-errors = \"tell\"\ngrown = \"fail\"\ngrowth = 5\nany-code = true\nstrict = true\n\
        exit-code = 3\n[check.total]\nbytes = \"10KiB\"\nblocks = 5\npeak = \"1MB\"\nallocations = 9\n[check.site]\n\
        bytes = 0\n[[rule]]\naction = \"known\"\n[[signature]]\nx = 1\n";

    #[test]
    fn everything_that_can_be_said_is_read() {
        let said = parse(ALL).unwrap();
        assert_eq!(said.kinds, Kinds::parse(b"definite,reachable"));
        assert_eq!(said.scope.paths, ["src/*", "x.c"]);
        assert_eq!((said.scope.modules.len(), said.scope.exes.len(), said.suppressions.len()), (1, 1, 1));
        let total = Budget { bytes: Some(10_240), blocks: Some(5), peak: Some(1_000_000), allocations: Some(9) };
        assert_eq!((said.total, said.site.bytes, said.growth), (total, Some(0), Some(5)));
        assert!(
            said.heap_errors_told && said.grown_fails && said.is_strict && said.any_code && said.exit_code == Some(3)
        );
        assert!(parse("").unwrap().kinds.is_none());
    }

    #[test]
    fn whatever_is_wrong_is_said_with_its_line_and_what_was_expected() {
        for (text, line, expected) in [
            ("[check]\n\nkinds = \"x\"\n", 3, "found `x`, expected `definite`"),
            ("[check]\nheap-errors = \"no\"", 2, "found `no`, expected `fail` or `tell`"),
            ("[check]\ngrown = \"no\"", 2, "found `no`, expected `fail` or `tell`"),
            ("[check]\nexit-code = 0", 2, "found `0`, expected a status from 1 to 255"),
            ("[check]\nexit-code = 300", 2, "invalid value: integer `300`"),
            ("[check.total]\nbytes = \"1 KB\"", 2, "found `1 KB`, expected a number of bytes"),
            ("[check.total]\nbytes = -1", 2, "found `-1`, expected a number of bytes"),
            ("[check.site]\npeak = true", 2, "found `boolean`"),
            ("[check.site]\nbites = 1", 2, "unknown field `bites`"),
            ("[check]\nmodule = 5", 2, "expected a text or a list of texts"),
            ("[chek]", 1, "unknown field `chek`, expected one of `check`, `rule`, `signature`"),
        ] {
            let (found_line, found) = parse(text).err().unwrap_or_else(|| panic!("{text} is read"));
            assert!(found_line == line && found.starts_with(expected), "{text}: {found_line}: {found}");
        }
    }

    #[test]
    fn no_text_stops_the_reader() {
        for place in 0..ALL.len() {
            for flip in [1, 2, 4, 8, 0x10, 0x20, 0x40] {
                let mut bytes = ALL.as_bytes().to_vec();
                bytes[place] ^= flip;
                let _ = parse(&String::from_utf8_lossy(&bytes));
            }
            let _ = parse(&ALL[..place]);
        }
    }

    #[test]
    fn files_are_named_from_the_policys_own_place() {
        let folder = std::env::temp_dir().join(format!("memtrace-check-parse-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("memtrace.toml");
        std::fs::write(&path, "[check]\nbaseline = 'b.json'\nsuppressions = ['/abs']\n").unwrap();
        let said = read(&path).unwrap();
        std::fs::write(&path, b"\xff").unwrap();
        let error = read(&path).err().unwrap().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(said.baseline, Some(folder.join("b.json")));
        assert_eq!(said.suppressions, [PathBuf::from("/abs")]);
        assert!(error.ends_with("it is no UTF-8, expected TOML"), "{error}");
    }
}
