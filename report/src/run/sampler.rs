//! The sampler: looks at the processes of a run from outside, at even steps, while the launcher waits.
//!
//! ```text
//!   recording ──roots──▶ images ─┬─ pulse: counters of all sites ─┐
//!                                ├─ /proc/PID/statm: memory ──────┼──▶ Past, one for each image
//!                                └─ now and then: mappings ───────┘
//! ```
//!
//! Nothing of it is noticed by the target: the recording is read from its file, and statm(5) takes no lock of the
//! process's; `mappings` says what its looks take. The price is kept: after a look that took so long the next comes ninety-nine times as long after it at the soonest.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memtrace_wire::layout::ProcessHeader;

use super::mappings::{Budget, Last};
use super::statm::{Resident, Statm};
use crate::profile::parts::Parts;
use crate::profile::past::Memory;
use crate::profile::{Past, Pasts};
use crate::recording::Source;
use crate::recording::pulse::{Pulse, SiteBeat, roots};
use crate::sys;

/// The first step of a process. Shorter runs are over before the first look.
const STEP: Duration = Duration::from_millis(10);
/// How often new processes are looked for, at the most and at the least.
const SEARCH: [Duration; 2] = [STEP, Duration::from_millis(500)];
/// Of all time, one part in so many is taken.
const SHARE: u32 = 100;
/// Curves of all processes together: 512 values of eight bytes each.
const LINES_MAX: usize = 8_000;
/// Files of statm that are kept open, so that a process id that is used again is not taken for the process.
const FILES_MAX: usize = 200;

/// The processes of a run, and what was seen of them.
pub struct Sampler {
    source: Source,
    newest: Option<u64>,
    living: Vec<Image>,
    pasts: Pasts,
    /// When new processes are looked for next, and how long after that again.
    search: (Instant, Duration),
    /// Nothing is done before that.
    rest: Instant,
    /// What looks at mappings may take.
    mappings: Budget,
    sites: Vec<SiteBeat>,
}

/// One image of one process that has not been seen to end.
struct Image {
    pid: u32,
    start_ns: u64,
    /// When its recording began.
    zero: Instant,
    next: Instant,
    pulse: Pulse,
    statm: Option<Statm>,
    /// The last look at its mappings.
    last: Last,
    past: Past,
}

impl Sampler {
    /// Of a recording; nothing where it cannot be read, which others say.
    pub fn of(recording: File) -> Option<Sampler> {
        let (now, [first, _]) = (Instant::now(), SEARCH);
        Some(Sampler {
            source: Source::new(recording, "recording").ok()?,
            newest: None,
            living: Vec::new(),
            pasts: Pasts::new(),
            search: (now + first, first),
            rest: now,
            mappings: Budget::new(now),
            sites: Vec::new(),
        })
    }

    /// When something is to be done.
    pub fn next(&self) -> Instant {
        let soonest = self.living.iter().map(|image| image.next).min();
        soonest.map_or(self.search.0, |next| next.min(self.search.0)).max(self.rest)
    }

    /// Does what is due.
    pub fn sample(&mut self) {
        let now = Instant::now();
        if now < self.next() {
            return;
        }
        let before = sys::thread_time();
        if self.search.0 <= now {
            self.look_for_new(now);
        }
        let mut room = LINES_MAX.saturating_sub(self.line_count());
        for image in self.living.iter_mut().filter(|image| image.next <= now) {
            let count = image.past.line_count();
            image.sample(&self.source, now, &mut self.sites, &mut self.mappings, room);
            room = room.saturating_sub(image.past.line_count().saturating_sub(count));
        }
        self.bury();
        let taken = sys::thread_time().saturating_sub(before + self.mappings.taken());
        self.rest = Instant::now() + taken * (SHARE - 1);
    }

    /// What was seen; what still lives is as it is now.
    pub fn finish(mut self) -> Pasts {
        let now = Instant::now();
        // Images that nobody looked at have begun and ended all the same.
        self.look_for_new(now);
        self.living.iter_mut().for_each(|image| image.end(now));
        self.bury();
        self.pasts
    }

    fn line_count(&self) -> usize {
        let past = self.pasts.values().map(Past::line_count).sum::<usize>();
        past + self.living.iter().map(|image| image.past.line_count()).sum::<usize>()
    }

    fn look_for_new(&mut self, now: Instant) {
        // A recording that cannot be read has no new ones.
        let found = roots(&self.source, self.newest).unwrap_or_default();
        self.newest = found.first().map(|(root, _)| *root).or(self.newest);
        let every = if found.is_empty() { (self.search.1 * 2).min(SEARCH[1]) } else { SEARCH[0] };
        self.search = (now + every, every);
        for (root, header) in found.into_iter().rev() {
            let pid = header.pid.get();
            // exec: the image before it is no more.
            self.living.iter_mut().filter(|image| image.pid == pid).for_each(|image| image.end(now));
            let open = self.living.iter().filter(|image| image.statm.is_some()).count();
            self.living.push(Image::new(root, &header, now, open < FILES_MAX));
        }
    }

    fn bury(&mut self) {
        for image in self.living.extract_if(.., |image| image.past.gone_ns.is_some()) {
            self.pasts.insert((image.pid, image.start_ns), image.past);
        }
    }
}

impl Image {
    fn new(root: u64, header: &ProcessHeader, now: Instant, may_open: bool) -> Image {
        let (pid, start_ns) = (header.pid.get(), header.start_ns.get());
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let passed = since_1970.saturating_sub(Duration::from_nanos(start_ns));
        Image {
            pid,
            start_ns,
            // A clock that was set meanwhile says nothing.
            zero: now.checked_sub(passed).unwrap_or(now),
            next: now,
            pulse: Pulse::of(root),
            statm: may_open.then(|| Statm::open(pid).ok()).flatten(),
            last: Last::default(),
            past: Past::new(STEP.as_nanos() as u64),
        }
    }

    fn end(&mut self, now: Instant) {
        self.past.gone_ns = self.past.gone_ns.or(Some(self.time_ns(now)));
    }

    fn time_ns(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.zero).as_nanos().min(u64::MAX.into()) as u64
    }

    fn sample(&mut self, source: &Source, now: Instant, sites: &mut Vec<SiteBeat>, mappings: &mut Budget, room: usize) {
        self.next = now + Duration::from_nanos(self.past.step_ns());
        let resident = match self.resident() {
            Ok(Resident { all: 0, .. }) => return self.end(now),
            Ok(resident) => Some(resident),
            Err(cause) if cause.raw_os_error() == Some(libc::EMFILE) => None,
            Err(_) => return self.end(now),
        };
        // What cannot be read now may be readable at the next look.
        let Ok(Some(header)) = self.pulse.header(source) else { return };
        sites.clear();
        let Ok(beat) = self.pulse.beat(source, &header, &mut |site| sites.push(site)) else { return };
        let memory = resident.map(|resident| self.memory(source, &header, resident));
        let time_ns = self.time_ns(now);
        self.past.add(time_ns, beat, memory, sites, room);
        if let Some(Memory { rss, .. }) = memory {
            let now = Parts { time_ns, rss_bytes: rss, live_bytes: beat.live_bytes, ..Parts::default() };
            let parts = mappings.look(&mut self.last, source, (&header, &mut self.pulse), now);
            parts.into_iter().for_each(|parts| Parts::keep(&mut self.past.parts, parts));
        }
    }

    fn resident(&self) -> io::Result<Resident> {
        match &self.statm {
            Some(statm) => statm.read(),
            None => Statm::open(self.pid)?.read(),
        }
    }

    fn memory(&mut self, source: &Source, header: &ProcessHeader, resident: Resident) -> Memory {
        let own = self.pulse.own_bytes(source, header).unwrap_or_default();
        parts(resident.all, resident.shared, own.shared, own.private)
    }
}

/// The parts of the resident memory. Our windows are pages of a file, our other tables are not.
fn parts(rss: u64, shared: u64, own_shared: u64, own_private: u64) -> Memory {
    let shared = shared.min(rss);
    let (own_shared, own_private) = (own_shared.min(shared), own_private.min(rss - shared));
    Memory { rss, anonymous: rss - shared - own_private, file: shared - own_shared, own: own_shared + own_private }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::builder::{Target, file_of, recording};

    #[test]
    fn the_parts_of_memory_are_all_of_it() {
        let memory = |rss, anonymous, file, own| Memory { rss, anonymous, file, own };
        assert_eq!(parts(100, 40, 10, 5), memory(100, 55, 30, 15));
        // Whatever we count, it is no more than there is.
        assert_eq!(parts(100, 40, 50, 70), memory(100, 0, 0, 100));
        assert_eq!(parts(10, 40, 0, 0), memory(10, 0, 10, 0));
    }

    #[test]
    fn this_process_is_sampled_and_one_that_is_gone_is_not() {
        let own = std::process::id();
        let mut here = Target::new(own, "app");
        let leaf = here.stack(&[0x1010]);
        here.site(leaf, 24, 3, 2);
        // Linux gives no higher number than this less one.
        let gone = Target::new(4_194_304, "app");
        let mut sampler = Sampler::of(file_of(&recording(&[here, gone]))).unwrap();
        let begin = sampler.next();
        assert!(begin > Instant::now());
        sampler.sample();
        assert!(sampler.living.is_empty(), "nothing is due");
        std::thread::sleep(begin.saturating_duration_since(Instant::now()));
        sampler.sample();
        assert_eq!(sampler.living.iter().map(|image| image.pid).collect::<Vec<_>>(), [own]);
        let pasts = sampler.finish();
        assert_eq!(pasts.len(), 2);
        let of = |pid| pasts.iter().find(|(key, _)| key.0 == pid).map(|entry| entry.1.clone()).unwrap();
        let summary = crate::profile::Process::default().summary;
        let history = |past: &Past| past.history(None, &summary, &[], |_| None);
        let (here, gone) = (history(&of(own)), history(&of(4_194_304)));
        assert_eq!((here.live_bytes[1], here.live_blocks[1], here.allocations[1]), (48, 2, 3));
        let parts = &here.parts[0];
        assert!(parts.rss_bytes > 0 && parts.module_bytes > 0 && parts.live_bytes == 48, "{parts:?}");
        assert!(here.rss_bytes[1] > 0 && here.rss_bytes[2] == crate::profile::history::UNKNOWN);
        assert_eq!(gone.live_bytes, [0, 0], "its beginning and its end");
    }

    #[test]
    fn a_new_process_is_looked_for_less_often_while_none_comes() {
        let mut sampler = Sampler::of(file_of(&recording(&[]))).unwrap();
        for _ in 0..10 {
            sampler.look_for_new(Instant::now());
        }
        assert_eq!(sampler.search.1, SEARCH[1]);
    }
}
