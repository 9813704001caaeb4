//! A recorded program, the command, and the tools of others.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use memtrace_tests::{Ended, How, Job, Json, PATIENCE, Place, pair, read_json};

/// Loses five blocks in `lose` (with an argument: seven), and has temporary ones, others, a recursion and a peak.
const PROGRAM: &str = r#"
#include <stdlib.h>
#include <string.h>
#define APART __attribute__((noinline))
static inline __attribute__((always_inline)) char *inlined(size_t size) { return malloc(size); }
APART void lose(size_t size) { char *p = inlined(size); memset(p, 1, size); }
APART void churn(int n) { for (int i = 0; i < n; i++) { char *volatile p = malloc(100 + i % 7); free(p); } }
APART void pairs(int n) {
    for (int i = 0; i < n; i++) { char *volatile p = malloc(50); char *volatile q = malloc(60); free(p); free(q); }
}
static char *keep[3];
APART void deep(int n) { if (n) { deep(n - 1); __asm__ volatile(""); } else keep[0] = calloc(3, 1000); }
int main(int argc, char **argv) {
    for (int i = 0; i < (argc > 1 ? 7 : 5); i++) lose(1000 + i);
    churn(1000);
    pairs(333);
    deep(3);
    char *volatile big = malloc(100000);
    free(big);
    keep[1] = realloc(malloc(77), 7777);
    return keep[0] == keep[1];
}
"#;

/// A place with the program `leaky` in it.
pub struct Work {
    pub place: Place,
}

impl Work {
    pub fn new() -> Work {
        let place = Place::new();
        place.c("leaky", PROGRAM, &["-fno-builtin"]);
        Work { place }
    }

    /// Records it into a file; what the summary of the profile says.
    pub fn record(&self, profile: &str, words: &[&str]) -> Json {
        let ended = self.memtrace(&[&["run", "-o", profile, "--", "./leaky"], words].concat());
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        read_json(&self.place.join(profile))["processes"][0]["summary"].clone()
    }

    /// The command, run here.
    pub fn memtrace(&self, words: &[&str]) -> Ended {
        self.job(&pair().command).args(words.iter().copied()).run()
    }

    /// Anything, run here.
    pub fn job(&self, program: &Path) -> Job<'_> {
        self.place.job(How::Native, program).patience(PATIENCE * 2)
    }

    /// Exports, and nothing is said.
    pub fn export(&self, format: &str, profile: &str, file: &str) {
        let ended = self.memtrace(&["export", "--to", format, "-o", file, profile]);
        assert_eq!((ended.code(), ended.stderr.as_str(), ended.stdout.as_str()), (Some(0), "", ""), "{format}");
    }

    /// What a tool prints; nothing: there is no such tool.
    pub fn said_by(&self, tool: &str, words: &[&str]) -> Option<String> {
        let found = tool_path(tool)?;
        let ended = self.job(&found).env("PPROF_TMPDIR", self.place.path()).args(words.iter().copied()).run();
        assert_eq!(ended.code(), Some(0), "{tool} {words:?}: {}{}", ended.stdout, ended.stderr);
        Some(ended.stdout + &ended.stderr)
    }
}

/// Where a tool is; says so if it is nowhere.
pub fn tool_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|place| place.join(tool)).find(|file| file.is_file());
    if found.is_none() {
        println!("skipped: there is no {tool}");
    }
    found
}

/// The `pprof` that belongs to go: a process of its own, where `go tool` would start another.
pub fn pprof() -> Option<PathBuf> {
    let output = Command::new(tool_path("go")?).args(["env", "GOTOOLDIR"]).stdin(Stdio::null()).output().ok()?;
    let path = Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("pprof");
    path.is_file().then_some(path)
}

/// The number in front of a word, without its commas: `number("1,676 allocations", "allocations")`.
pub fn number(text: &str, before: &str) -> Option<u64> {
    let end = text.find(before)?;
    let digits: String =
        text[..end].trim_end().chars().rev().take_while(|letter| letter.is_ascii_digit() || *letter == ',').collect();
    digits.chars().rev().filter(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// A number of a summary.
pub fn of(summary: &Json, key: &str) -> u64 {
    summary[key].as_u64().unwrap_or_else(|| panic!("no {key}"))
}
