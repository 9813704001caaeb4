//! Workers: processes that make runs, one at a time each, told what to do and telling what came of it by lines of JSON.
//!
//! ```text
//!   sweep ──Order──▶ worker ──run──▶ program
//!         ◀─Answer──        ◀─facts─
//! ```
//!
//! A worker is a process, no thread: what its program leaves behind becomes its child, and is ended by it.

use std::io::{self, BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::collect::Known;
use super::facts::{Answer, Order};
use super::one::{Place, Subject};
use super::trace::HURRY;
use crate::error::Error;
use crate::json;
use crate::sys::{self, Pid};

/// Processes that make runs.
pub struct Workers {
    workers: Vec<Worker>,
    /// Only the first makes runs.
    is_alone: bool,
}

struct Worker {
    pid: Pid,
    to: UnixStream,
    from: BufReader<UnixStream>,
    /// Orders that are not answered yet.
    waiting: usize,
}

/// Orders that a worker may have beside the one that it works at.
const AHEAD: usize = 1;

impl Workers {
    /// Starts so many, each with a directory of its own in `directory`.
    pub fn start(subject: &Subject, directory: &Path, count: usize) -> Result<Workers, Error> {
        let failed = |cause| Error::System { what: "cannot start a worker", cause };
        let mut workers = Workers { workers: Vec::new(), is_alone: false };
        for number in 0..count {
            let place = directory.join(number.to_string());
            std::fs::create_dir(&place).map_err(|cause| Error::CannotWrite { path: place.clone(), cause })?;
            let (ours, theirs) = UnixStream::pair().map_err(failed)?;
            let pid = sys::fork_worker(|| work(subject, place, theirs)).map_err(failed)?;
            let from = BufReader::new(ours.try_clone().map_err(failed)?);
            workers.workers.push(Worker { pid, to: ours, from, waiting: 0 });
        }
        Ok(workers)
    }

    /// Tells all of them.
    pub fn tell_all(&mut self, order: &Order) -> Result<(), Error> {
        self.workers.iter_mut().try_for_each(|worker| worker.send(order))
    }

    /// From now on one makes all runs, one after the other. False: it is so already.
    pub fn make_alone(&mut self) -> bool {
        let is_new = !self.is_alone && self.workers.len() > 1;
        self.is_alone = true;
        is_new
    }

    /// What they are at is wanted no more: they end it.
    pub fn hurry(&self) {
        self.workers.iter().filter(|worker| worker.waiting != 0).for_each(|worker| sys::send(worker.pid, HURRY));
    }

    /// Whether all that was ordered is answered.
    pub fn are_idle(&self) -> bool {
        self.workers.iter().all(|worker| worker.waiting == 0)
    }

    /// Whether one of them can take another order now.
    pub fn has_room(&self) -> bool {
        match &self.workers[..] {
            [first, others @ ..] if self.is_alone => {
                first.waiting <= AHEAD && others.iter().all(|other| other.waiting == 0)
            }
            workers => workers.iter().any(|worker| worker.waiting <= AHEAD),
        }
    }

    /// Gives an order to the one that has the least to do.
    pub fn give(&mut self, order: &Order) -> Result<(), Error> {
        let count = if self.is_alone { 1 } else { self.workers.len() };
        let Some(worker) = self.workers.iter_mut().take(count).min_by_key(|worker| worker.waiting) else {
            return Err(Error::System { what: "cannot make a run", cause: io::ErrorKind::NotConnected.into() });
        };
        worker.waiting += 1;
        worker.send(order)
    }

    /// The next answer; `None`: nothing came before the time was up.
    pub fn answer(&mut self, patience: Duration) -> Result<Option<Answer>, Error> {
        let failed = |cause| Error::System { what: "cannot hear of a worker", cause };
        let buffered = self.workers.iter().position(|worker| worker.from.buffer().contains(&b'\n'));
        let sockets: Vec<_> = self.workers.iter().map(|worker| worker.to.as_raw_fd()).collect();
        let Some(place) = buffered
            .map_or_else(|| sys::first_readable(&sockets, patience), |place| Ok(Some(place)))
            .map_err(failed)?
        else {
            return Ok(None);
        };
        let worker = &mut self.workers[place];
        let mut line = String::new();
        worker.from.read_line(&mut line).map_err(failed)?;
        if line.is_empty() {
            return Err(Error::System {
                what: "a worker ended before its time",
                cause: io::ErrorKind::UnexpectedEof.into(),
            });
        }
        worker.waiting = worker.waiting.saturating_sub(1);
        json::line(line.as_bytes()).map(Some).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
    }
}

impl Worker {
    fn send(&mut self, order: &Order) -> Result<(), Error> {
        json::write(order, &mut self.to).map_err(|cause| Error::System { what: "cannot tell a worker", cause })
    }
}

impl Drop for Workers {
    /// They are told: each has copies of the others' ends, so none would see them close.
    fn drop(&mut self) {
        for mut worker in self.workers.drain(..) {
            let _ = worker.send(&Order::Leave);
            drop((worker.to, worker.from));
            let _ = sys::wait(worker.pid);
        }
    }
}

/// What a worker does until nobody tells it anything.
fn work(subject: &Subject, directory: PathBuf, talk: UnixStream) {
    let Ok(hear) = talk.try_clone() else { return };
    let mut to = talk;
    let mut known = Known::default();
    let place = Place::new(subject, directory);
    for line in BufReader::new(hear).lines() {
        let Ok(line) = line else { return };
        match json::line(line.as_bytes()) {
            Some(Order::Known { points, lost }) => {
                known.points.extend(points);
                known.lost.extend(lost.into_iter().map(|(id, kind, blocks)| ((id, kind), blocks)));
            }
            Some(Order::Run { number, settings, timeout_ms }) => {
                let facts = match &place {
                    Ok(place) => place.run(&settings, Duration::from_millis(timeout_ms), &known),
                    Err(error) => super::facts::Facts { trouble: Some(error.to_string()), ..Default::default() },
                };
                if json::write(&Answer { number, facts }, &mut to).is_err() {
                    return;
                }
            }
            Some(Order::Leave) | None => return,
        }
    }
}
