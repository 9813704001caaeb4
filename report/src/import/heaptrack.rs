//! What heaptrack writes once it has interpreted a recording: tables, and every block that comes or goes.
//!
//! Numbers are hexadecimal. Tables count from 1, 0 is none; sizes (`a`) count from 0.
//!
//! Invariants:
//! - every number of the file is looked up, and a line that leads nowhere ends the reading;
//! - only tables are kept, and those within limits: events are counted and forgotten.

use std::io::{BufRead, Read};

use super::maker::{Maker, Seen, op, unknown_op};
use crate::error::{Error, words};
use crate::profile::history::{History, SAMPLES_MAX, UNKNOWN};
use crate::profile::{Process, Site};

/// The versions of the file format that are read.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=3;
/// From this one on a string says how long it is.
const SIZED: u64 = 3;
/// A line with a string: the longest names that compilers make have some hundred thousand bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Rows of all tables.
const ROWS_MAX: usize = 1 << 25;
/// Bytes of all strings.
const TEXT_BYTES_MAX: usize = 1 << 30;
/// Frames of one stack.
const FRAMES_MAX: usize = 4 << 10;
/// Samples of time stand so far from one another at first, and are twice as far apart whenever there are too many.
const STEP_NS: u64 = 10_000_000;

/// Whether a file begins like one of heaptrack's.
pub fn is_heaptrack(start: &[u8]) -> bool {
    start.starts_with(b"v ")
}

/// Reads a process.
pub fn read(mut content: impl BufRead, what: &str) -> Result<Process, Error> {
    let mut tables = Tables::default();
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let mut more = true;
        while more {
            let length = content.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let length = length.map_err(|error| Error::read(what, format!("line {number}: {}", words(&error))))?;
            more = length > 0 && tables.has_more(&line);
        }
        if line.is_empty() {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Err(found) = tables.take(text) {
            return Err(Error::read(what, format!("line {number}: {found}")));
        }
    }
    Ok(tables.end())
}

/// A place in the code, innermost call first: function, file and line.
#[derive(Default)]
struct Place {
    address: u64,
    module: u64,
    calls: Vec<[u64; 3]>,
}

/// What one trace allocated.
#[derive(Clone, Default)]
struct Cost {
    site: Site,
    /// The peak of the process that `site.at_peak_*` is of; an older one says nothing.
    peak: u64,
}

#[derive(Default)]
struct Tables {
    version: u64,
    tool: u64,
    strings: Vec<String>,
    text_bytes: usize,
    places: Vec<Place>,
    /// Place and parent.
    traces: Vec<(u64, u64)>,
    costs: Vec<Cost>,
    /// Size and trace.
    sizes: Vec<(u64, u64)>,
    rows: usize,
    arguments: Vec<String>,
    page_bytes: u64,
    live: (u64, u64),
    total: (u64, u64),
    peak_bytes: u64,
    /// How often the process stood higher than ever before.
    peaks: u64,
    /// The size that came last, if nothing has gone since.
    last: Option<u64>,
    rss_bytes: i64,
    history: History,
}

/// Numbers of a line.
struct Numbers<'l>(std::str::Split<'l, char>);

impl Numbers<'_> {
    fn next(&mut self) -> Result<u64, &'static str> {
        self.maybe()?.ok_or("a number is missing")
    }

    fn maybe(&mut self) -> Result<Option<u64>, &'static str> {
        match self.0.find(|word| !word.is_empty()) {
            None => Ok(None),
            Some(word) => u64::from_str_radix(word, 16).map(Some).map_err(|_| "no hexadecimal number"),
        }
    }
}

impl Tables {
    /// Whether a string goes on behind the end of a line.
    fn has_more(&self, line: &[u8]) -> bool {
        let string = line.strip_prefix(b"s ").filter(|_| self.version >= SIZED);
        let parts = string.and_then(|string| string.split_at_checked(string.iter().position(|&byte| byte == b' ')?));
        parts.is_some_and(|(length, text)| {
            let length = str::from_utf8(length).ok().and_then(|length| usize::from_str_radix(length, 16).ok());
            // Behind the space, and before the end of the line.
            line.len() < LINE_BYTES_MAX as usize && length.is_some_and(|length| text.len() < length.saturating_add(2))
        })
    }

    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let (&letter, rest) = line.split_first().unwrap_or((&b'#', &[]));
        let text = String::from_utf8_lossy(rest.strip_prefix(b" ").unwrap_or(rest));
        let mut numbers = Numbers(text.split(' '));
        match letter {
            b'v' => {
                self.tool = numbers.next()?;
                self.version = numbers.maybe()?.unwrap_or(0);
                if !VERSIONS.contains(&self.version) {
                    return Err("a version of heaptrack's format that is not known, expected 1 to 3");
                }
                self.page_bytes = 1 << 12;
            }
            _ if self.version == 0 => return Err("a line before the version"),
            b's' => self.string(&text)?,
            b'i' => {
                // What is not known is left out from the end.
                let (address, module) = (numbers.next()?, numbers.maybe()?.unwrap_or(0));
                let mut place = Place { address, module, calls: Vec::new() };
                while let Some(function) = numbers.maybe()? {
                    place.calls.push([function, numbers.maybe()?.unwrap_or(0), numbers.maybe()?.unwrap_or(0)]);
                }
                self.row()?;
                self.places.push(place);
            }
            b't' => {
                let trace = (numbers.next()?, numbers.next()?);
                if trace.0 > self.places.len() as u64 || trace.1 > self.traces.len() as u64 {
                    return Err("a trace that leads nowhere");
                }
                self.row()?;
                self.traces.push(trace);
                self.costs.push(Cost::default());
            }
            b'a' => {
                let size = (numbers.next()?, numbers.next()?);
                if size.1 > self.traces.len() as u64 {
                    return Err("a size of a trace that is not there");
                }
                self.row()?;
                self.sizes.push(size);
            }
            b'+' => self.come(numbers.next()?)?,
            b'-' => self.go(numbers.next()?)?,
            b'c' => self.sample(numbers.next()?),
            b'R' => {
                let bytes = numbers.next()?.saturating_mul(self.page_bytes);
                self.rss_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            }
            b'I' => self.page_bytes = numbers.next()?,
            b'X' => self.arguments = text.split_whitespace().map(str::to_owned).collect(),
            b'x' | b'm' => return Err("it was not interpreted yet, expected what `heaptrack_interpret` makes of it"),
            // What heaptrack itself hides, a program that it was attached to, comments.
            b'S' | b'A' | b'#' => {}
            _ => return Err("a line of no kind that is known"),
        }
        Ok(())
    }

    fn row(&mut self) -> Result<(), &'static str> {
        self.rows += 1;
        (self.rows <= ROWS_MAX).then_some(()).ok_or("more rows than are read")
    }

    fn string(&mut self, text: &str) -> Result<(), &'static str> {
        let text = match self.version {
            SIZED.. => text.split_once(' ').map_or("", |(_, text)| text),
            _ => text,
        };
        self.row()?;
        self.text_bytes += text.len();
        self.strings.push(text.to_owned());
        (self.text_bytes <= TEXT_BYTES_MAX).then_some(()).ok_or("more text than is read")
    }

    fn size(&self, number: u64) -> Result<(u64, usize), &'static str> {
        let &(bytes, trace) =
            usize::try_from(number).ok().and_then(|number| self.sizes.get(number)).ok_or("a size that is not there")?;
        Ok((bytes, trace.saturating_sub(1) as usize))
    }

    fn come(&mut self, number: u64) -> Result<(), &'static str> {
        let (bytes, trace) = self.size(number)?;
        let cost = self.costs.get_mut(trace).ok_or("a block of no trace")?;
        cost.keep(self.peaks);
        let site = &mut cost.site;
        (site.total_blocks, site.total_bytes) = (site.total_blocks + 1, site.total_bytes.saturating_add(bytes));
        (site.live_blocks, site.live_bytes) = (site.live_blocks + 1, site.live_bytes.saturating_add(bytes));
        site.largest_bytes = site.largest_bytes.max(bytes);
        if site.live_bytes > site.peak_bytes {
            (site.peak_blocks, site.peak_bytes) = (site.live_blocks, site.live_bytes);
        }
        self.total = (self.total.0 + 1, self.total.1.saturating_add(bytes));
        self.live = (self.live.0 + 1, self.live.1.saturating_add(bytes));
        if self.live.1 > self.peak_bytes {
            self.peak_bytes = self.live.1;
            self.peaks += 1;
        }
        self.last = Some(number);
        Ok(())
    }

    fn go(&mut self, number: u64) -> Result<(), &'static str> {
        let (bytes, trace) = self.size(number)?;
        let cost = self.costs.get_mut(trace).ok_or("a block of no trace")?;
        let is_temporary = self.last.take() == Some(number);
        // heaptrack's own files have none of these; in others it is not believed.
        if cost.site.live_blocks == 0 {
            return if bytes == 0 { Ok(()) } else { Err("a block goes that never came") };
        }
        cost.keep(self.peaks);
        let site = &mut cost.site;
        (site.live_blocks, site.live_bytes) = (site.live_blocks - 1, site.live_bytes.saturating_sub(bytes));
        site.temporary_blocks += u64::from(is_temporary);
        self.live = (self.live.0.saturating_sub(1), self.live.1.saturating_sub(bytes));
        Ok(())
    }

    fn sample(&mut self, ms: u64) {
        let time = ms.saturating_mul(1_000_000);
        let history = &mut self.history;
        let step = history.step_ns.max(STEP_NS);
        if history.time_ns.last().is_some_and(|&last| time < last.saturating_add(step)) {
            return;
        }
        history.step_ns = step;
        history.time_ns.push(time);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        history.live_bytes.push(number(self.live.1));
        history.live_blocks.push(number(self.live.0));
        history.allocations.push(number(self.total.0));
        history.allocated_bytes.push(number(self.total.1));
        history.rss_bytes.push(if self.rss_bytes == 0 { UNKNOWN } else { self.rss_bytes });
        if history.time_ns.len() > SAMPLES_MAX {
            halve(&mut history.time_ns);
            for curve in [
                &mut history.live_bytes,
                &mut history.live_blocks,
                &mut history.allocations,
                &mut history.allocated_bytes,
                &mut history.rss_bytes,
            ] {
                halve(curve);
            }
            history.step_ns = step.saturating_mul(2);
        }
    }

    fn end(mut self) -> Process {
        let mut maker = Maker::default();
        let costs = std::mem::take(&mut self.costs);
        for (trace, mut cost) in costs.into_iter().enumerate() {
            cost.keep(self.peaks);
            if cost.site.total_blocks == 0 {
                continue;
            }
            let (frames, op) = self.frames(trace, &mut maker);
            cost.site.stack = maker.stack(frames);
            cost.site.op = op.into();
            maker.site(cost.site);
        }
        let mut process = maker.end(Some(self.peak_bytes));
        process.exe = self.arguments.first().cloned().unwrap_or_default();
        process.arguments = self.arguments;
        process.history = (!self.history.time_ns.is_empty()).then_some(self.history);
        let [major, minor, patch] = [16, 8, 0].map(|shift| self.tool >> shift & 0xff);
        process.imported = Some(format!("heaptrack {major}.{minor}.{patch}"));
        process
    }

    /// The frames of a trace, leaf first, and the function that was called, where a frame says it.
    fn frames(&self, trace: usize, maker: &mut Maker) -> (Vec<u32>, &'static str) {
        let text = |number: u64| {
            let text = usize::try_from(number).ok().and_then(|number| self.strings.get(number.checked_sub(1)?));
            text.cloned().unwrap_or_default()
        };
        let (mut frames, mut called) = (Vec::new(), None);
        // A parent stands before its children, so this ends.
        let mut next = Some(trace);
        while let Some(&(place, parent)) = next.and_then(|trace| self.traces.get(trace)) {
            let place = (place as usize).checked_sub(1).and_then(|place| self.places.get(place));
            let Some(place) = place.filter(|_| frames.len() < FRAMES_MAX) else { break };
            let unnamed = [[0; 3]];
            let calls = if place.calls.is_empty() { &unnamed[..] } else { &place.calls };
            for (depth, &[function, file, line]) in calls.iter().enumerate() {
                let function = text(function);
                if frames.is_empty() && called.is_none() {
                    called = op(&function);
                    if called.is_some() {
                        continue;
                    }
                }
                frames.push(maker.frame(Seen {
                    address: place.address,
                    module: text(place.module),
                    function,
                    file: text(file),
                    line: u32::try_from(line).unwrap_or(0),
                    is_inlined: depth + 1 < calls.len(),
                }));
            }
            next = (parent as usize).checked_sub(1);
        }
        (frames, called.unwrap_or(unknown_op()))
    }
}

impl Cost {
    /// Before a change: what the site has now is what it had at the latest peak, unless it changed since.
    fn keep(&mut self, peaks: u64) {
        if self.peak != peaks {
            self.peak = peaks;
            (self.site.at_peak_blocks, self.site.at_peak_bytes) = (self.site.live_blocks, self.site.live_bytes);
        }
    }
}

fn halve<T>(curve: &mut Vec<T>) {
    let mut place = 0;
    curve.retain(|_| {
        place += 1;
        place % 2 == 1
    });
}
