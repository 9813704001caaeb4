//! What a copy of the process is given beside what every fork child gets: memtrace's own tables, and what the target
//! keeps from its children.

use memtrace_hot::own::{self, Use};
use memtrace_hot::{Hot, maps};
use memtrace_wire::sys;

use crate::check::space::List;

/// As long as this is there, a copy of the process gets everything.
pub struct Given {
    kept: KeptBack,
    has_tables: bool,
}

impl Given {
    /// From here on. `None`: a copy would not get all tables, and find no blocks where there are some.
    pub fn to_copy(hot: &Hot) -> Option<Given> {
        let given = Given { kept: kept_back(hot), has_tables: true };
        give(&given.kept, true);
        fork_windows(true).then_some(given)
    }

    /// The same without our tables: the copy goes on as the target, and records nothing.
    pub fn to_twin(hot: &Hot) -> Given {
        let kept = kept_back(hot);
        give(&kept, true);
        Given { kept, has_tables: false }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if self.has_tables {
            fork_windows(false);
        }
        give(&self.kept, false);
    }
}

/// Whether a copy of the process gets the tables: a fork of the target's does not. False: not all of it could be said.
fn fork_windows(given: bool) -> bool {
    let mut all = true;
    for piece in own::pieces(&[]) {
        let advice = match (piece.kind, given) {
            (Use::Table, _) => continue,
            (Use::Window, true) => KEEP_ON_FORK,
            (Use::Window, false) => libc::MADV_WIPEONFORK,
            (Use::Shared, true) => libc::MADV_DOFORK,
            (Use::Shared, false) => libc::MADV_DONTFORK,
        };
        // SAFETY: memory of our own, which a fork child forgets before it looks.
        all &= unsafe { sys::advise(piece.start as *mut u8, (piece.end - piece.start) as usize, advice) } == 0;
    }
    all
}

/// Mappings of the target's that a copy would not get: first address, length, and the advice that gives them.
type KeptBack = Option<List<[u64; 3]>>;

const KEEP_ON_FORK: i32 = 19;
const KEPT_BACK_MAX: usize = 4096;

fn kept_back(hot: &Hot) -> KeptBack {
    if hot.announced.unforked.get() == 0 {
        return None;
    }
    let found = List::new(KEPT_BACK_MAX)?;
    let (mut start, mut end) = (0, 0);
    maps::lines(c"/proc/thread-self/smaps", |line| {
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            let has = |flag: &[u8]| flags.split(|&byte| byte == b' ').any(|word| word == flag);
            let advice = if has(b"dc") { libc::MADV_DOFORK } else { KEEP_ON_FORK };
            let is_own = || own::pieces(&[]).any(|piece| piece.start < end && start < piece.end);
            if (has(b"dc") || has(b"wf")) && !is_own() {
                found.push([start, end - start, advice as u64]);
            }
        } else if let Some(row) = maps::row(line) {
            (start, end) = (row.start, row.end);
        }
        true
    });
    Some(found)
}

/// Lets a copy have them, or keeps them back as before.
fn give(kept: &KeptBack, given: bool) {
    for [start, bytes, advice] in kept.iter().flat_map(List::iter) {
        let advice = match (advice as i32, given) {
            (advice, true) => advice,
            (libc::MADV_DOFORK, false) => libc::MADV_DONTFORK,
            (_, false) => libc::MADV_WIPEONFORK,
        };
        // SAFETY: what fork children get is as before once the copy is made.
        unsafe { sys::advise(start as *mut u8, bytes as usize, advice) };
    }
}
