//! The keeper: a small process that holds the recording for as long as a process of the run may begin to record.
//!
//! ```text
//!   launcher ──notes──▶ keeper ◀──/proc/<keeper>/fd/<fd>── the target and its descendants
//! ```
//!
//! It has a session of its own and no fd but the recording and the socket, so that nobody waits for it. It leaves
//! when the launcher says so; and when the launcher is gone, it waits for the processes that live on, completes the
//! profiles and leaves.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use super::alive;
use super::memfd;
use super::note::Note;
use super::profiles::{self, Naming, Suppressed, Written};
use crate::error::Error;
use crate::profile::EndStatus;
use crate::recording::Recording;
use crate::sys::{self, Pid};

/// The launcher's end.
pub struct Keeper {
    /// Its pid, for MEMTRACE_RUN.
    pub pid: Pid,
    notes: UnixStream,
}

impl Keeper {
    /// Starts it. `naming`: of the profiles that it writes if the launcher dies.
    pub fn start(recording: &memfd::Recording, naming: Option<&Naming>, suppress: Suppressed) -> Result<Keeper, Error> {
        let failed = |cause| Error::System { what: "cannot start the process that holds the recording", cause };
        let (notes, heard) = UnixStream::pair().map_err(failed)?;
        let mut kept = [recording.fd(), heard.as_raw_fd()];
        kept.sort_unstable();
        let pid = sys::detach(kept, || keep(&heard, recording, naming, &suppress)).map_err(failed)?;
        Ok(Keeper { pid, notes })
    }

    /// Tells it something. A keeper that was killed has nothing to be told.
    pub fn tell(&self, note: &Note) {
        let _ = (&self.notes).write_all(&note.encode());
    }

    /// Sends it away, and waits until it is gone.
    pub fn dismiss(self) {
        self.tell(&Note::Leave);
        drop(self.notes);
        // No child any more where the system reaps for us: SIGCHLD was ignored.
        let _ = sys::wait(self.pid);
    }
}

/// What the keeper knows when the launcher is gone.
#[derive(Default)]
struct Known {
    target: Option<Pid>,
    end: Option<EndStatus>,
    written: Vec<Written>,
    leave: bool,
}

fn keep(mut heard: &UnixStream, recording: &memfd::Recording, naming: Option<&Naming>, suppress: &Suppressed) {
    let mut bytes = Vec::new();
    // Until the launcher's end is closed. On an error what came holds.
    let _ = heard.read_to_end(&mut bytes);
    let mut known = Known::default();
    for note in Note::decode(&bytes) {
        match note {
            Note::Started(pid) => known.target = Some(pid),
            Note::Ended(end) => known.end = Some(end),
            Note::Wrote(file) => known.written.push(file),
            Note::Leave => known.leave = true,
        }
    }
    if let (Some(target), Some(naming), false) = (known.target, naming, known.leave) {
        // Nobody is left to be told of a failure.
        let _ = complete(recording, naming, suppress, target, &known);
    }
}

/// Waits for all that live on, then writes what the launcher could not know.
fn complete(
    recording: &memfd::Recording,
    naming: &Naming,
    suppress: &Suppressed,
    target: Pid,
    known: &Known,
) -> Result<(), Error> {
    let failed = |cause| Error::System { what: "cannot read the recording", cause };
    let address = recording.address(std::process::id() as Pid);
    loop {
        let mut living = living(recording, &address)?;
        // The launcher died before the target, which may not have begun to record.
        if known.end.is_none() && alive::exists(target) {
            living.insert(target);
        }
        if living.is_empty() {
            break;
        }
        alive::wait_for(&living);
    }
    // Only now: the last words of all are in it.
    let read = Recording::from_file(recording.file().map_err(failed)?, "recording")?;
    if read.processes.is_empty() {
        return Ok(());
    }
    let options = profiles::options(target, known.end, suppress);
    let parts = profiles::build(read, target, naming, &options)?;
    profiles::write(parts, naming, &known.written).map(|_| ())
}

/// Who may still write into the recording.
pub fn living(recording: &memfd::Recording, address: &str) -> Result<BTreeSet<Pid>, Error> {
    let failed = |cause| Error::System { what: "cannot read the recording", cause };
    let inode = recording.file().and_then(|file| file.metadata()).map_err(failed)?.ino();
    Ok(alive::living(&recording.processes().map_err(failed)?, inode, address))
}
