//! What this machine, container and user let memtrace do.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Finding, limits, python};
use crate::check::self_test;
use crate::error::{Error, FOUND, words};
use crate::run::environment;
use crate::run::memfd::Recording;
use crate::sys::{self, Change, Pid, trace};

/// How long a process waits for its tracer, which kills it sooner.
const PATIENCE: Duration = Duration::from_secs(60);
/// Let it trace, in words.
const LET_IT_TRACE: &str = "in a container `--cap-add SYS_PTRACE`, and no debugger around memtrace";

/// All of it.
pub fn findings() -> Vec<Finding> {
    let mut findings = vec![library(), recording()];
    findings.extend(tracing());
    findings.extend([seccomp(&read("/proc/self/status")), overcommit(&read("/proc/sys/vm/overcommit_memory"))]);
    findings.extend(limits::findings(&read("/proc/self/limits")));
    findings.push(temporary(&std::env::temp_dir()));
    findings.push(debuginfod(std::env::var("DEBUGINFOD_URLS").ok().as_deref(), on_path("debuginfod-find").is_some()));
    findings.push(python::of_path());
    findings.push(Finding::works("perf", "is not used: no setting of the kernel's for it matters"));
    findings
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A program's file in PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file() && sys::may_execute(file))
}

/// The library is there, is loaded, records, and a planted leak is found.
fn library() -> Finding {
    const NAME: &str = "library";
    let path = match environment::library() {
        Ok(path) => path,
        Err(error) => return failed(NAME, &error),
    };
    match self_test::try_out() {
        Ok((_, FOUND)) => Finding::works(NAME, format!("{}: loads, records, and finds a planted leak", path.display())),
        Ok((reasons, status)) => {
            let why = if reasons.is_empty() { format!("status {status}") } else { reasons.join("; ") };
            Finding::fails(NAME, format!("{}: a planted leak is not found: {why}", path.display()), None)
        }
        Err(error) => failed(NAME, &error),
    }
}

fn recording() -> Finding {
    match Recording::with_settings(&[]) {
        Ok(_) => Finding::works("memfd", "a recording can be made"),
        Err(error) => failed("memfd", &error),
    }
}

fn failed(name: &'static str, error: &Error) -> Finding {
    Finding::fails(name, error.to_string(), error.hint())
}

/// A child is traced, and its memory read.
fn tracing() -> Vec<Finding> {
    // In both processes at the same address, as the child is a copy.
    let word = Box::new(sys::random().unwrap_or(1) | 1);
    let child = sys::fork_worker(|| thread::sleep(PATIENCE));
    let child: Pid = match child {
        Ok(child) => child,
        Err(cause) => {
            return vec![Finding::fails("ptrace", format!("no process can be started: {}", words(&cause)), None)];
        }
    };
    let is_read = trace::word_of(child, (&raw const *word) as u64) == Some(*word);
    let traced = trace::follow(child);
    sys::send(child, libc::SIGKILL);
    // A traced process may stop once more on its way out.
    while let Ok(Change::Stopped) = sys::wait(child) {
        trace::go_on(child, 0);
    }
    let scope = read("/proc/sys/kernel/yama/ptrace_scope").trim().parse().ok();
    let ptrace = match traced {
        Ok(()) => others(scope, has_ptrace_capability(&read("/proc/self/status"))),
        Err(cause) => Finding::fails(
            "ptrace",
            format!(
                "not permitted, even for children ({}): no `sweep`, `repro`, `leaks`, `run --crash`",
                words(&cause)
            ),
            Some(LET_IT_TRACE.to_owned()),
        ),
    };
    let memory = if is_read {
        Finding::works("process_vm_readv", "memory of a traced process can be read")
    } else {
        let text = "memory of a child cannot be read: no `sweep`, `repro`, `run --crash`";
        Finding::fails("process_vm_readv", text, Some(LET_IT_TRACE.to_owned()))
    };
    vec![ptrace, memory]
}

/// Children can be traced; what of others? `scope`: Yama's, if it is there.
fn others(scope: Option<u8>, is_capable: bool) -> Finding {
    const NAME: &str = "ptrace";
    match scope {
        Some(3) => {
            Finding::limited(NAME, "Yama forbids to attach (scope 3)", "kernel.yama.ptrace_scope changes at a reboot")
        }
        Some(1 | 2) if !is_capable => Finding::limited(
            NAME,
            format!(
                "children only (Yama's scope is {}): `memtrace leaks` checks what `memtrace run` started",
                scope.unwrap_or(1)
            ),
            "`sysctl kernel.yama.ptrace_scope=0` lets `memtrace leaks` check other processes of this user",
        ),
        _ => Finding::works(NAME, "children, and other processes of this user"),
    }
}

/// Whether CAP_SYS_PTRACE is in the effective set.
fn has_ptrace_capability(status: &str) -> bool {
    const CAP_SYS_PTRACE: u32 = 19;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits >> CAP_SYS_PTRACE & 1 == 1)
}

fn seccomp(status: &str) -> Finding {
    match status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim) {
        Some("2") => Finding::works("seccomp", "a filter of system calls is in force; all of this was tried behind it"),
        Some("0") => Finding::works("seccomp", "no filter of system calls"),
        _ => Finding::absent("seccomp", "the kernel does not say"),
    }
}

/// A check copies the process.
fn overcommit(mode: &str) -> Finding {
    if mode.trim() == "2" {
        return Finding::limited(
            "memory",
            "the kernel promises no more than there is (vm.overcommit_memory is 2): large processes cannot be copied for a check",
            "`sysctl vm.overcommit_memory=0`",
        );
    }
    Finding::works("memory", "processes can be copied for a check")
}

fn temporary(place: &Path) -> Finding {
    let file = place.join(format!(".memtrace-doctor-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&file);
    match made {
        Ok(_) => {
            let _ = fs::remove_file(&file);
            Finding::works("tmp", format!("{} can be written to", place.display()))
        }
        Err(cause) => {
            let text = format!("{} cannot be written to: {}", place.display(), words(&cause));
            Finding::fails("tmp", text, Some("set TMPDIR to a directory that can".to_owned()))
        }
    }
}

fn debuginfod(urls: Option<&str>, has_client: bool) -> Finding {
    const NAME: &str = "debuginfod";
    match urls.map(str::trim).filter(|urls| !urls.is_empty()) {
        Some(urls) if has_client => Finding::works(NAME, format!("debuginfod-find is here, and asks {urls}")),
        Some(urls) => Finding::limited(
            NAME,
            format!("DEBUGINFOD_URLS is {urls}, but there is no debuginfod-find"),
            "install debuginfod (Debian, Ubuntu) or elfutils-debuginfod-client (Fedora)",
        ),
        None => Finding::absent(NAME, "DEBUGINFOD_URLS is not set: debug information comes from files alone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_child_can_be_traced_here_or_it_is_said_why_not() {
        let found = tracing();
        assert_eq!(found.iter().map(|finding| finding.name).collect::<Vec<_>>(), ["ptrace", "process_vm_readv"]);
        assert!(found.iter().all(|finding| finding.state != State::Fails || finding.hint.is_some()));
    }

    #[test]
    fn yamas_scope_limits_who_lacks_the_capability() {
        for (scope, is_capable, state) in [
            (None, false, State::Works),
            (Some(0), false, State::Works),
            (Some(1), false, State::Limited),
            (Some(1), true, State::Works),
            (Some(2), false, State::Limited),
            (Some(2), true, State::Works),
            (Some(3), true, State::Limited),
        ] {
            assert_eq!(others(scope, is_capable).state, state, "{scope:?} {is_capable}");
        }
        assert!(has_ptrace_capability("Name:\tx\nCapEff:\t0000000000080000\n"));
        assert!(!has_ptrace_capability("CapEff:\tfffffffffff7ffff\n") && !has_ptrace_capability(""));
    }

    #[test]
    fn a_filter_and_a_strict_kernel_are_named() {
        assert!(seccomp("Seccomp:\t2\n").text.starts_with("a filter"));
        assert!(seccomp("Seccomp:\t0\n").text.starts_with("no filter"));
        assert_eq!(seccomp("").state, State::Absent);
        assert_eq!((overcommit("2\n").state, overcommit("0\n").state), (State::Limited, State::Works));
    }

    #[test]
    fn a_temporary_directory_that_cannot_be_written_to_fails() {
        assert_eq!(temporary(&std::env::temp_dir()).state, State::Works);
        let finding = temporary(Path::new("/proc"));
        assert_eq!(finding.state, State::Fails);
        assert!(finding.hint.is_some_and(|hint| hint.contains("TMPDIR")));
    }

    #[test]
    fn a_server_of_debug_information_needs_its_client() {
        assert_eq!(debuginfod(None, true).state, State::Absent);
        assert_eq!(debuginfod(Some(" "), true).state, State::Absent);
        assert_eq!(debuginfod(Some("http://a"), false).state, State::Limited);
        assert_eq!(debuginfod(Some("http://a"), true).state, State::Works);
    }
}
