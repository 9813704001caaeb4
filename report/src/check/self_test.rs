//! `memtrace check --self-test`: a program that leaks is run by the policy, and one that does not. A job that cannot fail
//! shows nothing.
//!
//! The program is memtrace's own command under another word. Scope and baseline are left out of it: they are about the
//! project's code, which the program has none of. Everything else is as in the job: kinds, budgets, statuses.

use std::ffi::OsString;
use std::process::ExitCode;

use super::policy::{Policy, Said, Scope};
use super::seen::PLANT;
use super::{gather, outcome};
use crate::error::{CLEAN, Error, FOUND};
use crate::sys;
use crate::text::bytes_in;

/// What is planted where no budget asks for more.
const BLOCKS: u64 = 7;
/// Bytes of each.
const BYTES: u64 = 4321;
/// More than that is not planted: the machine has to have it.
const ALL_BYTES_MAX: u64 = 1 << 30;

/// Runs both.
pub fn command(mut policy: Policy, exit_zero: bool) -> Result<ExitCode, Error> {
    (policy.scope, policy.baseline, policy.rules) = (Scope::default(), None, None);
    policy.growth = None;
    policy.total.allocations = None;
    policy.total.peak = None;
    policy.site.allocations = None;
    policy.site.peak = None;
    let (blocks, bytes) = planted(&policy);
    let leaky = status(&policy, exit_zero, blocks, bytes)?;
    let clean = status(&policy, exit_zero, 0, 0)?;
    let lost = bytes_in(blocks.saturating_mul(bytes), blocks, "block");
    let mut wrong = Vec::new();
    if leaky.1 != policy.exit_code {
        wrong.push(format!("{lost} lost: status {}, expected {}", leaky.1, policy.exit_code));
    }
    if clean.1 != CLEAN {
        wrong.push(format!("nothing lost: status {}, expected 0", clean.1));
    }
    for (what, reasons) in [("with a leak", leaky.0), ("without", clean.0)] {
        wrong.extend(reasons.into_iter().map(|reason| format!("{what}: {reason}")));
    }
    if wrong.is_empty() {
        let status = policy.exit_code;
        sys::say(&format!("memtrace: self-test: {lost} lost: status {status}; nothing lost: status 0\n"));
        return Ok(ExitCode::from(CLEAN));
    }
    for line in &wrong {
        sys::say(&format!("error: self-test: {line}\n"));
    }
    let hint = if exit_zero {
        "take `--exit-zero` away"
    } else {
        "the policy allows what was planted: look at kinds and budgets"
    };
    sys::say(&format!("hint: this job cannot fail; {hint}\n"));
    Ok(ExitCode::from(FOUND))
}

/// Checks the leaky program by a policy that says nothing. Status 1: the leak was found; any other: why not.
pub fn try_out() -> Result<(Vec<String>, u8), Error> {
    // That of the working directory, which would be read otherwise, is the project's.
    let policy = Policy::of(Some("/dev/null".into()), Said::default())?;
    status(&policy, false, BLOCKS, BYTES)
}

/// A leak that the budgets do not allow: blocks, and bytes of each.
fn planted(policy: &Policy) -> (u64, u64) {
    let largest = |one: Option<u64>, other: Option<u64>| one.max(other).map_or(0, |limit| limit.saturating_add(1));
    let blocks = largest(policy.total.blocks, policy.site.blocks).max(BLOCKS);
    let bytes = largest(policy.total.bytes, policy.site.bytes).div_ceil(blocks).max(BYTES);
    (blocks, bytes.min(ALL_BYTES_MAX / blocks.max(1)).max(1))
}

/// Checks the program. Why nothing can be said, and the status.
fn status(policy: &Policy, exit_zero: bool, blocks: u64, bytes: u64) -> Result<(Vec<String>, u8), Error> {
    let own = || std::fs::canonicalize("/proc/self/exe");
    let own = own().map_err(|cause| Error::System { what: "cannot find the `memtrace` command's own file", cause })?;
    let words = [own.into_os_string(), PLANT.into(), blocks.to_string().into(), bytes.to_string().into()];
    let command: Vec<OsString> = words.into();
    let what = gather::What { command: &command, ..Default::default() };
    let gathered = gather::gather(&what, policy)?;
    let outcome = outcome(&gathered, policy, &what, exit_zero)?;
    Ok((outcome.verdict.reasons, outcome.verdict.exit_code.unwrap_or(FOUND)))
}

/// The body of the program: loses blocks, and says so by no word.
pub fn plant(blocks: u64, bytes: u64) -> ExitCode {
    for _ in 0..blocks {
        let block = Vec::<u8>::with_capacity(usize::try_from(bytes).unwrap_or(1));
        std::mem::forget(std::hint::black_box(block));
    }
    // What dead frames still have of the last one is written over.
    std::hint::black_box([0u8; 4096]);
    ExitCode::from(CLEAN)
}
