//! The past of one image of a process, while it still runs: samples as they come, in bounded memory.
//!
//! ```text
//!   Beat ──add──▶ one value more for each curve ──SAMPLES_MAX──▶ every second goes, the step doubles
//!   a site's first live bytes ──▶ a curve ──more than twice CURVES_MAX──▶ those that stood lowest go
//!   Past ──history──▶ `History` of a profile, by its sites, with the end as the last sample
//! ```
//!
//! Invariants:
//! - every series has one value for each of `time_ns`; the first moment is the beginning, when there was nothing;
//! - a curve's values may end early: what is missing are zeros.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::history::{CURVES_MAX, Curve, History, SAMPLES_MAX, UNKNOWN};
use super::model::{Site, Summary};
use super::parts::Parts;
use super::shape::shape;
use crate::recording::pulse::{Beat, SiteBeat};

/// Pasts by process id and start of the recording, which tell one image from all others.
pub type Pasts = HashMap<(u32, u64), Past>;

/// A mean life is told from so many samples that found a block alive, or more.
const FOUND_MIN: u32 = 4;

/// Memory at one moment, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// Resident memory.
    pub rss: u64,
    /// Of it: heap and mappings without a file.
    pub anonymous: u64,
    /// Of it: what files back.
    pub file: u64,
    /// Of it: memtrace's.
    pub own: u64,
}

/// What was seen so far.
#[derive(Clone, Debug)]
pub struct Past {
    step_ns: u64,
    time_ns: Vec<u64>,
    beats: Vec<Beat>,
    /// `None`: it could not be read.
    memory: Vec<Option<Memory>>,
    lines: Vec<Line>,
    /// By site, place in `lines` and one; 0: none.
    places: Vec<u32>,
    /// The highest of the curves that went; a site has to pass it to get one again.
    dropped_bytes: i64,
    /// When the process was seen to be gone.
    pub gone_ns: Option<u64>,
    /// Looks at its mappings.
    pub parts: Vec<Parts>,
}

/// One site.
#[derive(Clone, Debug)]
struct Line {
    site: u32,
    values: Vec<i64>,
    peak: i64,
    /// Live blocks times nanoseconds up to the last sample.
    block_ns: f64,
    /// Live blocks then.
    blocks: u64,
    /// Samples that found any.
    found: u32,
}

impl Past {
    /// Samples begin with the recording, when nothing lived.
    pub fn new(step_ns: u64) -> Past {
        Past {
            step_ns,
            time_ns: vec![0],
            beats: vec![Beat::default()],
            memory: vec![None],
            lines: Vec::new(),
            places: Vec::new(),
            dropped_bytes: 0,
            gone_ns: None,
            parts: Vec::new(),
        }
    }

    /// Between two samples.
    pub fn step_ns(&self) -> u64 {
        self.step_ns
    }

    /// The moment of the last sample.
    pub fn last_ns(&self) -> u64 {
        self.time_ns.last().copied().unwrap_or(0)
    }

    /// Curves that are kept.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// One sample. `sites` are those that have live blocks; new curves are begun while there is `room` for them.
    pub fn add(&mut self, time_ns: u64, beat: Beat, memory: Option<Memory>, sites: &[SiteBeat], mut room: usize) {
        let time_ns = time_ns.max(self.last_ns());
        let passed_ns = (time_ns - self.last_ns()) as f64;
        let before = self.time_ns.len();
        self.time_ns.push(time_ns);
        self.beats.push(beat);
        self.memory.push(memory);
        for site in sites {
            let bytes = site.live_bytes.min(i64::MAX as u64) as i64;
            let number = site.site as usize;
            if self.places.len() <= number {
                self.places.resize(number + 1, 0);
            }
            let place = match self.places[number] {
                0 if bytes > self.dropped_bytes && room > 0 => {
                    room -= 1;
                    self.begin(site.site, before)
                }
                0 => continue,
                place => place as usize - 1,
            };
            let Some(line) = self.lines.get_mut(place) else { continue };
            line.values.resize(before, 0);
            line.values.push(bytes);
            line.peak = line.peak.max(bytes);
            line.found += 1;
            // Between two samples the mean of both, so that what rises evenly is counted right.
            line.block_ns += passed_ns * (line.blocks as f64 + site.live_blocks as f64) / 2.0;
            line.blocks = site.live_blocks;
        }
        for line in self.lines.iter_mut().filter(|line| line.values.len() <= before) {
            line.block_ns += passed_ns * std::mem::take(&mut line.blocks) as f64 / 2.0;
        }
        if self.lines.len() > 2 * CURVES_MAX {
            self.drop_lowest();
        }
        // An odd number, so that the newest stays; and the end is still to come.
        if self.time_ns.len() >= SAMPLES_MAX - 1 {
            self.halve();
        }
    }

    fn begin(&mut self, site: u32, before: usize) -> usize {
        let place = self.lines.len();
        // Until a curve went, every site had one from its first block on.
        let earlier = if self.dropped_bytes == 0 { 0 } else { UNKNOWN };
        let values = vec![earlier; before];
        self.lines.push(Line { site, values, peak: 0, block_ns: 0.0, blocks: 0, found: 0 });
        self.places[site as usize] = place as u32 + 1;
        place
    }

    fn drop_lowest(&mut self) {
        self.lines.sort_by_key(|line| (Reverse(line.peak), line.site));
        for line in self.lines.drain(CURVES_MAX..) {
            self.dropped_bytes = self.dropped_bytes.max(line.peak).max(1);
            self.places[line.site as usize] = 0;
        }
        for (place, line) in (1..).zip(&self.lines) {
            self.places[line.site as usize] = place;
        }
    }

    fn halve(&mut self) {
        self.step_ns = self.step_ns.saturating_mul(2);
        every_second(&mut self.time_ns);
        every_second(&mut self.beats);
        every_second(&mut self.memory);
        let count = self.time_ns.len();
        for line in &mut self.lines {
            every_second(&mut line.values);
            line.values.truncate(count);
        }
    }

    /// The history of a profile. `sites` are the profile's, `place` says which of them a site of the recording is.
    pub fn history(
        &self,
        end_ns: Option<u64>,
        summary: &Summary,
        sites: &[Site],
        place: impl Fn(u32) -> Option<usize>,
    ) -> History {
        // What was sampled last may be newer than what the process says of its end.
        let end_ns = end_ns.or(self.gone_ns).unwrap_or(0).max(self.last_ns());
        let mut time_ns = self.time_ns.clone();
        time_ns.push(end_ns);
        let number = |number: u64| number.min(i64::MAX as u64) as i64;
        let series = |of: fn(&Beat) -> u64, end: u64| -> Vec<i64> {
            self.beats.iter().map(|beat| number(of(beat))).chain([number(end)]).collect()
        };
        let memory = |of: fn(&Memory) -> u64| -> Vec<i64> {
            let values = self.memory.iter().map(|memory| memory.as_ref().map_or(UNKNOWN, |memory| number(of(memory))));
            // When a process has ended nobody can tell any more.
            values.chain([UNKNOWN]).collect()
        };
        History {
            step_ns: self.step_ns,
            live_bytes: series(|beat| beat.live_bytes, summary.live_bytes),
            live_blocks: series(|beat| beat.live_blocks, summary.live_blocks),
            allocations: series(|beat| beat.allocations, summary.allocations),
            allocated_bytes: series(|beat| beat.allocated_bytes, summary.allocated_bytes),
            rss_bytes: memory(|memory| memory.rss),
            anonymous_bytes: memory(|memory| memory.anonymous),
            file_bytes: memory(|memory| memory.file),
            own_bytes: memory(|memory| memory.own),
            curves: self.curves(end_ns, sites, place),
            parts: self.parts.clone(),
            time_ns,
        }
    }

    fn curves(&self, end_ns: u64, sites: &[Site], place: impl Fn(u32) -> Option<usize>) -> Vec<Curve> {
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by_key(|line| (Reverse(line.peak), line.site));
        // Several sites of a recording may be one of the profile.
        let mut by_site: BTreeMap<usize, Vec<&Line>> = BTreeMap::new();
        for line in lines.into_iter().take(CURVES_MAX) {
            if let Some(place) = place(line.site).filter(|&place| place < sites.len()) {
                by_site.entry(place).or_default().push(line);
            }
        }
        let count = self.time_ns.len();
        let rest_ns = (end_ns - self.last_ns()) as f64;
        let curve = |(place, lines): (usize, Vec<&Line>)| {
            let site = &sites[place];
            let value = |at: usize| {
                lines.iter().try_fold(0i64, |sum, line| {
                    let value = line.values.get(at).copied().unwrap_or(0);
                    (value >= 0).then(|| sum.saturating_add(value))
                })
            };
            let mut live_bytes: Vec<i64> = (0..count).map(|at| value(at).unwrap_or(UNKNOWN)).collect();
            live_bytes.push(site.live_bytes.min(i64::MAX as u64) as i64);
            let sum = |of: fn(&Line) -> f64| lines.iter().map(|line| of(line)).sum::<f64>();
            let blocks = sum(|line| line.blocks as f64) + site.live_blocks as f64;
            let block_ns = sum(|line| line.block_ns) + rest_ns * blocks / 2.0;
            let is_told =
                lines.iter().map(|line| line.found).sum::<u32>() >= FOUND_MIN && !live_bytes.contains(&UNKNOWN);
            let life = block_ns / site.total_blocks.max(1) as f64;
            Curve {
                site: place as u32,
                shape: shape(&live_bytes, site.total_bytes, site.peak_bytes).word().into(),
                mean_life_ns: (is_told && life >= 0.0).then_some(life as u64),
                live_bytes,
            }
        };
        by_site.into_iter().map(curve).collect()
    }
}

fn every_second<T>(values: &mut Vec<T>) {
    let mut place = 0;
    values.retain(|_| {
        place += 1;
        place % 2 == 1
    });
}

#[cfg(test)]
mod tests;
