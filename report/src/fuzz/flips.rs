//! Every prefix of a real recording, and every flip of one byte of it, read and reported in one process: `tests/flips.sh`.
//!
//! A recording is mostly tables that nobody fills, and what `memtrace report` never reads cannot change what it says. So
//! `MEMTRACE_FLIPS_READ` is a file that says what the command was seen to read, in lines of an offset and a length. Of
//! that, every byte is flipped of a page that holds anything, and one in `MEMTRACE_FLIPS_EMPTY` of pages that are zero
//! throughout; of what is not read one in `UNREAD`, which must not change a letter of the report. The file lies in memory
//! and one byte of it is written at a time; prefixes are taken longest first, so that it only shrinks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memtrace_wire::layout::PAGE_BYTES;

use super::driver::INPUT_MAX;
use super::{file, harmless, input_at, written};
use crate::input::Input;
use crate::sys;
use crate::text::{self, Request};

/// Of the bytes that are not read, one in so many is flipped: it divides no page and no record.
const UNREAD: usize = 997;
/// Of the flips of bytes that are read, one in so many is written in every format.
const EVERYWHERE: usize = 1009;
/// One that takes so long by the clock is ended.
const STUCK_MAX: Duration = Duration::from_secs(600);
/// A reader that falls over so often is broken: the rest would say nothing new.
const FAILED_MAX: usize = 20;

/// A file that is changed and read again and again.
struct Changing {
    file: File,
    path: PathBuf,
    /// When the input that is at work began, in milliseconds of `clock`; 0: none is.
    began_ms: Arc<AtomicU64>,
    clock: Instant,
    count: usize,
    refused: usize,
    longest: Duration,
    failed: usize,
}

impl Changing {
    fn new(bytes: &[u8]) -> Changing {
        let (file, path) = file(bytes);
        let (began_ms, clock) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let watched = Arc::clone(&began_ms);
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(1));
                let began_ms = watched.load(Ordering::Relaxed);
                let is_over = began_ms == 0 || clock.elapsed() < Duration::from_millis(began_ms) + STUCK_MAX;
                if !is_over {
                    // The caller sees the end by a signal, and which place was the last.
                    std::process::abort();
                }
            }
        });
        Changing { file, path, began_ms, clock, count: 0, refused: 0, longest: Duration::ZERO, failed: 0 }
    }

    /// What `memtrace report` prints of the file as it is now; `None`: it is refused, or was not over well.
    fn read(&mut self, what: &str, at: usize, is_everywhere: bool) -> Option<String> {
        // Whoever looks after an end by a signal finds the last of these.
        println!("at {what} {at}");
        self.began_ms.store(self.clock.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
        // Of a processor: on a machine that is busy this process may stand still for as long.
        let spent = sys::thread_time();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if is_everywhere {
                input_at(&self.path);
            }
            report(&self.path)
        }));
        self.began_ms.store(0, Ordering::Relaxed);
        let took = sys::thread_time().saturating_sub(spent);
        (self.count, self.longest) = (self.count + 1, self.longest.max(took));
        self.refused += usize::from(matches!(outcome, Ok(None)));
        if outcome.is_err() {
            self.fail(&format!("{what} {at}: the reader panicked"));
        } else if took > INPUT_MAX {
            self.fail(&format!("{what} {at}: it took {took:?}"));
        }
        outcome.ok().flatten()
    }

    fn fail(&mut self, how: &str) {
        println!("flips: {how}");
        self.failed += 1;
        assert!(self.failed < FAILED_MAX, "so many fail that the rest is left out");
    }
}

fn report(path: &Path) -> Option<String> {
    match Input::read(path, None) {
        Ok(Input::Profile(profile)) => {
            let text = written(|to| text::report(&profile, &Request::default(), to));
            harmless(&text);
            Some(text)
        }
        Ok(Input::Sweep(_)) => None,
        Err(error) => {
            harmless(&error.to_string());
            None
        }
    }
}

/// Which bytes are read, by the lines of a file.
fn bytes_read(count: usize) -> Vec<bool> {
    let Some(path) = std::env::var_os("MEMTRACE_FLIPS_READ") else { return vec![true; count] };
    let lines = std::fs::read_to_string(path).expect("what is read stands in a file");
    let mut is_read = vec![false; count];
    for line in lines.lines() {
        let mut numbers = line.split(' ').map(|number| number.parse::<usize>().expect("an offset and a length"));
        let (from, length) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        is_read[from.min(count)..(from + length).min(count)].fill(true);
    }
    is_read
}

#[test]
#[ignore = "it takes many minutes: tests/flips.sh"]
fn every_prefix_and_every_flip_of_a_real_recording_is_read_or_refused() {
    let path = std::env::var_os("MEMTRACE_FLIPS").expect("MEMTRACE_FLIPS names a recording");
    let number = |name: &str, none| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(none);
    let (from, step) = (number("MEMTRACE_FLIPS_FROM", 0usize), number("MEMTRACE_FLIPS_STEP", 1usize));
    let empty = number("MEMTRACE_FLIPS_EMPTY", 1);
    let bytes = std::fs::read(path).expect("the recording can be read");
    let is_read = bytes_read(bytes.len());
    let mut changing = Changing::new(&bytes);
    let whole = changing.read("whole", 0, true).expect("what was recorded is read");
    let holds: Vec<bool> = bytes.chunks(PAGE_BYTES as usize).map(|page| page.iter().any(|&byte| byte != 0)).collect();
    let is_tried = |&at: &usize| match (is_read[at], holds[at / PAGE_BYTES as usize]) {
        (true, true) => true,
        (true, false) => at.is_multiple_of(empty),
        (false, _) => at.is_multiple_of(UNREAD),
    };
    let places: Vec<usize> = (from..bytes.len()).step_by(step).filter(is_tried).collect();
    for &at in &places {
        let write = |changing: &Changing, byte: u8| changing.file.write_all_at(&[byte], at as u64).unwrap();
        write(&changing, !bytes[at]);
        let text = changing.read("flip", at, is_read[at] && at.is_multiple_of(EVERYWHERE));
        write(&changing, bytes[at]);
        if !is_read[at] && text.as_ref() != Some(&whole) {
            changing.fail(&format!("flip {at}: nobody was seen to read it, but it changes the report"));
        }
    }
    let flips = (changing.count - 1, changing.refused);
    for at in (from..bytes.len()).step_by(step).rev() {
        changing.file.set_len(at as u64).unwrap();
        changing.read("prefix", at, false);
    }
    let prefixes = (changing.count - 1 - flips.0, changing.refused - flips.1);
    println!(
        "flips: {} flips ({} refused) and {} prefixes ({} refused), {:?} at most, {} failed",
        flips.0, flips.1, prefixes.0, prefixes.1, changing.longest, changing.failed
    );
    assert!(changing.failed == 0);
}
