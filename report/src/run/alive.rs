//! Which processes of a run live on, seen from /proc.
//!
//! A recorded process has the recording mapped. One that has not begun to record yet (forked, or about to be
//! loaded) has MEMTRACE_RUN in its environment. A pid alone says nothing: it may be another's by now.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use memtrace_wire::layout::{End, ProcessHeader};

use crate::sys::{self, Pid};

/// How the recording is named in /proc/<pid>/maps, by memfd_create(2).
pub const MAPPED_NAME: &str = "/memfd:memtrace (deleted)";
/// How long a process is left alone that we cannot wait for.
const PAUSE: Duration = Duration::from_millis(200);

/// Pids of processes that record, or may still begin to. `inode` is the recording's, `address` its MEMTRACE_RUN.
pub fn living(recorded: &[ProcessHeader], inode: u64, address: &str) -> BTreeSet<Pid> {
    let mut pids: BTreeSet<Pid> = recorded.iter().map(|header| header.pid.get() as Pid).collect();
    pids.retain(|&pid| maps(pid, inode));
    // A process that never had children has none that are unknown.
    if recorded.iter().any(has_children) {
        let variable = format!("MEMTRACE_RUN={address}");
        pids.extend(all_pids().filter(|&pid| environment_has(pid, variable.as_bytes())));
    }
    pids
}

/// Sleeps until one of them, or all, are gone: time to look again.
pub fn wait_for(pids: &BTreeSet<Pid>) {
    let Some(&first) = pids.first() else { return };
    if let Ok(handle) = sys::process_handle(first) {
        sys::wait_readable(&handle);
    }
    // Also where the handle was readable: a zombie that nobody waits for must not keep us busy.
    std::thread::sleep(PAUSE);
}

fn has_children(header: &ProcessHeader) -> bool {
    let calls = [&header.forks, &header.vforks, &header.spawns];
    // exec too: the image may be gone and the next not there yet.
    calls.iter().any(|count| count.get() != 0) || header.end.get() == End::Exec as u32
}

/// Whether a thread of the process has the recording mapped: the first may have ended before the others.
fn maps(pid: Pid, inode: u64) -> bool {
    let tasks = match fs::read_dir(format!("/proc/{pid}/task")) {
        Ok(tasks) => tasks,
        Err(_) => return false,
    };
    tasks.flatten().any(|task| match fs::read(task.path().join("maps")) {
        Ok(text) => text.split(|&byte| byte == b'\n').any(|line| inode_of(line) == Some(inode)),
        // It gave up its rights, so it lives; whether it is the same cannot be seen, but for one that was there before the
        // run: the pid is that of another process then, as that of a process with a namespace of pids of its own is.
        Err(cause) => {
            let is_new = start_ticks(pid) >= start_ticks(std::process::id() as Pid);
            cause.kind() == io::ErrorKind::PermissionDenied && !is_over(pid) && is_new
        }
    })
}

/// The inode of the recording that a line of maps is of: range, rights, offset, device, inode, name.
fn inode_of(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(MAPPED_NAME.as_bytes())?;
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(4)?.parse().ok()
}

/// A descriptor of the recording that a process has mapped: of its keeper, or of whoever has it open.
pub fn recording_of(pid: u32) -> Option<PathBuf> {
    let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
    let inode = maps.split(|&byte| byte == b'\n').find_map(inode_of)?;
    let descriptors = |pid: Pid| fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let is_it = |path: &PathBuf| {
        fs::read_link(path).is_ok_and(|to| to.as_os_str() == MAPPED_NAME)
            && fs::metadata(path).is_ok_and(|about| about.ino() == inode)
    };
    all_pids().flat_map(descriptors).map(|entry| entry.path()).find(is_it)
}

/// When the process was started, in ticks since the system was (proc(5), field 22 of stat).
fn start_ticks(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The third field follows the name, which may hold anything.
    text.rsplit(')').next()?.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether the process has ended and only waits to be waited for.
fn is_over(pid: Pid) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The state follows the name, which may hold anything, parentheses included.
    text.rsplit(')').next().is_some_and(|rest| matches!(rest.trim_start().bytes().next(), Some(b'Z' | b'X')))
}

/// Whether the process is there and has not ended.
pub fn exists(pid: Pid) -> bool {
    !is_over(pid)
}

/// Whether the process is stopped by a signal.
pub fn is_stopped(pid: Pid) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['T', 't']))
}

fn all_pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn environment_has(pid: Pid, variable: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|text| text.split(|&byte| byte == 0).any(|entry| entry == variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_the_recordings_by_name_and_inode() {
        let line = |inode: u64, name| format!("7f0-7f1 rw-s 00000000 00:01 {inode}       {name}");
        assert_eq!(inode_of(line(77, MAPPED_NAME).as_bytes()), Some(77));
        assert_eq!(inode_of(line(78, MAPPED_NAME).as_bytes()), Some(78));
        assert_eq!(inode_of(line(77, "/memfd:other (deleted)").as_bytes()), None);
    }

    #[test]
    fn the_first_process_was_started_before_this_one() {
        let own = start_ticks(std::process::id() as Pid);
        assert!(own.is_some() && start_ticks(1) <= own && start_ticks(Pid::MAX).is_none());
    }

    #[test]
    fn this_process_is_neither_over_nor_stopped_and_maps_no_recording() {
        let pid = std::process::id() as Pid;
        assert!(!is_over(pid) && !is_stopped(pid) && !maps(pid, 1));
        assert!(is_over(Pid::MAX) && !is_stopped(Pid::MAX) && !maps(Pid::MAX, 1));
    }

    #[test]
    fn a_variable_is_found_as_a_whole_entry_only() {
        let pid = std::process::id() as Pid;
        let path = std::env::var_os("PATH").map(|value| format!("PATH={}", value.display())).unwrap_or_default();
        assert!(environment_has(pid, path.as_bytes()));
        assert!(!environment_has(pid, b"PATH="));
    }
}
