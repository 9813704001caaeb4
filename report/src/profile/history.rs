//! What a process looked like while it ran: curves of its heap, its memory and its sites over time.
//!
//! Whoever watches from outside takes samples at even steps; when there are too many for `SAMPLES_MAX`, every second one goes
//! and the step doubles, so that a second and a week take the same room (`past`). Before them stands the beginning, when nothing
//! lived, behind them the end.
//!
//! Invariant: every curve has one value for each of `time_ns`; where a curve has no value, it has `UNKNOWN`.

use serde::{Deserialize, Serialize};

use super::parts::Parts;

/// Samples of one process are at most so many.
pub const SAMPLES_MAX: usize = 512;
/// Curves of single sites are at most so many: those that stood highest.
pub const CURVES_MAX: usize = 2_000;
/// What stands where nothing is known, as for a process whose memory could not be read.
pub const UNKNOWN: i64 = -1;

/// Curves of one process.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct History {
    /// Between two samples, in nanoseconds; what a sample says holds for its moment, not for the step.
    pub step_ns: u64,
    /// Moments of the samples: nanoseconds since the recording began, ascending.
    pub time_ns: Vec<u64>,
    /// Live bytes, as the program asked for them.
    pub live_bytes: Vec<i64>,
    /// Live blocks.
    pub live_blocks: Vec<i64>,
    /// Allocations since the beginning.
    pub allocations: Vec<i64>,
    /// Bytes asked for by them.
    pub allocated_bytes: Vec<i64>,
    /// Resident memory (proc(5), statm).
    pub rss_bytes: Vec<i64>,
    /// Of the resident memory: what stands in the heap (`[heap]`) and in mappings without a file, our own left out.
    #[serde(default)]
    pub anonymous_bytes: Vec<i64>,
    /// Of the resident memory: what files back.
    #[serde(default)]
    pub file_bytes: Vec<i64>,
    /// Of the resident memory: what memtrace itself added.
    #[serde(default)]
    pub own_bytes: Vec<i64>,
    /// Sites whose live bytes were followed; those without a curve never stood high.
    #[serde(default)]
    pub curves: Vec<Curve>,
    /// What the resident memory consisted of: when most of it was there, and at the last look; one, where these are one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Parts>,
}

/// One site over time.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Curve {
    /// Place in the process's `sites`.
    pub site: u32,
    /// Its live bytes, one for each of `time_ns`.
    pub live_bytes: Vec<i64>,
    /// `grows`, `plateau`, `once`, `churn`, `steady`: what the curve looks like (`shape`).
    pub shape: String,
    /// How long a block of this site lives on average, in nanoseconds: the mean number of live blocks over the rate of
    /// allocations (Little, "A proof for the queuing formula L = λW", 1961). What lives on counts up to the end.
    /// `None`: nothing to tell it from, as too few samples found a block alive.
    #[serde(default)]
    pub mean_life_ns: Option<u64>,
}

impl History {
    /// What is wrong with it in a process that has so many sites.
    pub fn first_fault(&self, site_count: usize) -> Option<String> {
        let count = self.time_ns.len();
        if !self.time_ns.is_sorted() {
            return Some("history: moments that do not ascend".into());
        }
        let curves = [
            ("live_bytes", &self.live_bytes),
            ("live_blocks", &self.live_blocks),
            ("allocations", &self.allocations),
            ("allocated_bytes", &self.allocated_bytes),
            ("rss_bytes", &self.rss_bytes),
        ];
        let optional = [
            ("anonymous_bytes", &self.anonymous_bytes),
            ("file_bytes", &self.file_bytes),
            ("own_bytes", &self.own_bytes),
        ];
        let has_other = |&(_, values): &(&str, &Vec<i64>)| values.len() != count;
        let is_given = |&(_, values): &(&str, &Vec<i64>)| !values.is_empty();
        let mut uneven =
            curves.into_iter().filter(has_other).chain(optional.into_iter().filter(is_given).filter(has_other));
        if let Some((name, values)) = uneven.next() {
            return Some(format!("history: {} values of `{name}` for {count} moments", values.len()));
        }
        self.curves.iter().enumerate().find_map(|(index, curve)| {
            let (site, values) = (curve.site as usize, curve.live_bytes.len());
            if site >= site_count {
                return Some(format!("history: curve {index} is of site {site} of {site_count}"));
            }
            (values != count).then(|| format!("history: {values} values of curve {index} for {count} moments"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> History {
        let values = vec![1, 2];
        History {
            step_ns: 10,
            time_ns: vec![0, 10],
            live_bytes: values.clone(),
            live_blocks: values.clone(),
            allocations: values.clone(),
            allocated_bytes: values.clone(),
            rss_bytes: vec![UNKNOWN, 4096],
            curves: vec![Curve { site: 0, live_bytes: values, shape: "grows".into(), mean_life_ns: None }],
            ..History::default()
        }
    }

    #[test]
    fn a_history_has_one_value_for_each_moment() {
        assert_eq!(sound().first_fault(1), None);
        let uneven = History { rss_bytes: vec![1], ..sound() };
        assert_eq!(uneven.first_fault(1).unwrap(), "history: 1 values of `rss_bytes` for 2 moments");
        let uneven = History { own_bytes: vec![1], ..sound() };
        assert_eq!(uneven.first_fault(1).unwrap(), "history: 1 values of `own_bytes` for 2 moments");
        assert_eq!(sound().first_fault(0).unwrap(), "history: curve 0 is of site 0 of 0");
        let back = History { time_ns: vec![10, 0], ..sound() };
        assert_eq!(back.first_fault(1).unwrap(), "history: moments that do not ascend");
        let mut short = sound();
        short.curves[0].live_bytes.pop();
        assert_eq!(short.first_fault(1).unwrap(), "history: 1 values of curve 0 for 2 moments");
    }
}
