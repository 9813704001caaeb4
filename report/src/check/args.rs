//! What `memtrace check` takes, and with it what says what is examined and what breaks the policy.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use memtrace_wire::leaks::Kinds;

use super::gather::What;
use super::policy::{Budget, Policy, Said, Scope};
use crate::elsewhere::ElsewhereArgs;
use crate::error::Error;
use crate::formats::{self, Format, Out};
use crate::leaks::parse_time;
use crate::text::parse_bytes;
use crate::views::leaks::parse_kinds;

/// `memtrace check`.
#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Write a report to PATH, `-` for stdout, as `text`, `json`, `jsonl` (JSON lines), `markdown`, `sarif` (2.1.0), `junit`,
    /// `gitlab` (code quality), `github` (annotations), `valgrind-xml`, `tap` or `html`; may be given several times
    #[arg(long, value_name = "FORMAT:PATH", value_parser = formats::parser())]
    pub out: Vec<Out>,
    /// End with 0 where the policy is broken, too; what went wrong otherwise is still told by the status
    #[arg(long)]
    pub exit_zero: bool,
    /// Instead of a check: run a program that leaks by this policy, and one that does not, and see whether the first
    /// breaks it and the second does not
    #[arg(long, conflicts_with_all = ["profiles", "command", "out", "keep"])]
    pub self_test: bool,
    #[command(flatten)]
    what: WhatArgs,
}

/// What is examined.
#[derive(clap::Args, Debug)]
pub struct WhatArgs {
    /// Keep what was recorded: a profile for `memtrace report`, `memtrace diff`, or another check
    #[arg(long = "profile", value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Check processes that a signal is about to kill, too; this traces the command (ptrace)
    #[arg(long)]
    crash: bool,
    /// How long processes are waited for that outlive the command: `5s`, `1m`, `0`
    #[arg(long, value_name = "TIME", value_parser = parse_wait, default_value = "5s")]
    wait: Duration,
    /// Leave the environment of a command that is CPython as it is: by default PYTHONMALLOC=malloc makes its small objects
    /// blocks of their own, and PYTHONHASHSEED=0 makes runs alike
    #[arg(long)]
    no_python_env: bool,
    /// Profiles to check instead of a command
    #[arg(value_name = "PROFILE")]
    profiles: Vec<PathBuf>,
    /// The command and its arguments
    #[arg(value_name = "CMD", last = true)]
    command: Vec<OsString>,
    #[command(flatten)]
    elsewhere: ElsewhereArgs,
}

/// What breaks the policy.
#[derive(clap::Args, Debug)]
pub struct PolicyArgs {
    /// Policy (TOML); by default `memtrace.toml` in the working directory, if it is there. Flags beat it
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Kinds of leaks that break the policy: `definite`, `possible`, `indirect`, `reachable` with commas between, or `all`;
    /// by default definite and possible ones
    #[arg(long, value_name = "KINDS", value_parser = parse_kinds)]
    kinds: Option<Kinds>,
    /// Only leaks with code of this module on their stack (path or name; `*` and `?` match); may be given several times
    #[arg(long, value_name = "GLOB")]
    module: Vec<String>,
    /// Only leaks with code of this source file on their stack; may be given several times
    #[arg(long, value_name = "GLOB")]
    path: Vec<String>,
    /// Only processes of this program, whoever starts them; may be given several times
    #[arg(long, value_name = "GLOB")]
    exe: Vec<String>,
    /// Leaks that only system libraries, interpreters and shells have on their stack count, too
    #[arg(long)]
    any_code: bool,
    /// Leaked bytes that are allowed in all: `4096`, `10KiB`
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    max_bytes: Option<u64>,
    /// Leaked blocks that are allowed in all
    #[arg(long, value_name = "N")]
    max_blocks: Option<u64>,
    /// Live bytes that are allowed to each process at its peak
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    max_peak: Option<u64>,
    /// Allocations that are allowed in all
    #[arg(long, value_name = "N")]
    max_allocations: Option<u64>,
    /// Leaked bytes that are allowed for each place
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    max_site_bytes: Option<u64>,
    /// Leaked blocks that are allowed for each place
    #[arg(long, value_name = "N")]
    max_site_blocks: Option<u64>,
    /// Live bytes that are allowed for each place
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    max_site_peak: Option<u64>,
    /// Allocations that are allowed for each place
    #[arg(long, value_name = "N")]
    max_site_allocations: Option<u64>,
    /// Bytes by which each place may grow from checkpoint to checkpoint; a checkpoint is a call of memtrace_check_leaks()
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    max_growth: Option<u64>,
    /// Heap errors, as double frees, break the policy (`fail`), or are told only (`tell`)
    #[arg(long, value_name = "WHAT", value_parser = ["fail", "tell"], default_value = "fail")]
    heap_errors: String,
    /// Accepted leaks: only others break the policy
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Leaks of the baseline that have grown break the policy, too
    #[arg(long)]
    fail_grown: bool,
    /// Whatever was not seen or not judged is status 2, not only a line
    #[arg(long)]
    strict: bool,
    /// Status where the policy is broken
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    exit_code: Option<u8>,
    /// File of leaks that are not reported, in the format of LSan or of valgrind, beside those of
    /// MEMTRACE_SUPPRESSIONS; may be given several times
    #[arg(long, value_name = "FILE")]
    suppressions: Vec<PathBuf>,
}

fn parse_wait(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { parse_time(text) }
}

impl CheckArgs {
    /// What is examined.
    pub fn what(&self) -> What<'_> {
        let has_page = self.out.iter().any(|out| out.format == Format::Html);
        What { has_page, ..self.what.what() }
    }

    /// The policy.
    pub fn policy(&self) -> Result<Policy, Error> {
        self.policy.read()
    }
}

impl WhatArgs {
    /// What is examined.
    pub fn what(&self) -> What<'_> {
        let &WhatArgs { ref keep, crash, wait, ref profiles, ref command, ref elsewhere, no_python_env } = self;
        let (keep, elsewhere) = (keep.as_ref(), elsewhere.clone());
        What { profiles, command, crash, wait, keep, has_page: false, no_python_env, elsewhere }
    }
}

impl PolicyArgs {
    /// The policy of the file and the flags.
    pub fn read(&self) -> Result<Policy, Error> {
        Policy::of(self.policy.clone(), self.flags())
    }

    fn flags(&self) -> Said {
        Said {
            kinds: self.kinds,
            scope: Scope { modules: self.module.clone(), paths: self.path.clone(), exes: self.exe.clone() },
            any_code: self.any_code,
            total: Budget {
                bytes: self.max_bytes,
                blocks: self.max_blocks,
                peak: self.max_peak,
                allocations: self.max_allocations,
            },
            site: Budget {
                bytes: self.max_site_bytes,
                blocks: self.max_site_blocks,
                peak: self.max_site_peak,
                allocations: self.max_site_allocations,
            },
            growth: self.max_growth,
            heap_errors_told: self.heap_errors == "tell",
            grown_fails: self.fail_grown,
            is_strict: self.strict,
            exit_code: self.exit_code,
            baseline: self.baseline.clone(),
            suppressions: self.suppressions.clone(),
        }
    }
}
