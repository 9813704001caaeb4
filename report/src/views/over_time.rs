//! What the history of a process says of its stacks, and of its highest moments.

use std::collections::{BTreeMap, HashMap};

use crate::profile::history::{Curve, History};
use crate::profile::shape::{Shape, shape};
use crate::profile::{Process, Site};

/// A stack over time: the sum of its sites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackCurve {
    /// Live bytes, one for each moment of the history; below 0: unknown.
    pub live_bytes: Vec<i64>,
    /// What that looks like.
    pub shape: Shape,
    /// How long its blocks live on average, where there is one site that says it.
    pub mean_life_ns: Option<u64>,
}

/// The curves of a process, by stack.
pub struct Curves<'p> {
    by_stack: HashMap<u32, Vec<(&'p Curve, &'p Site)>>,
    sums: HashMap<u32, (u64, u64)>,
}

impl<'p> Curves<'p> {
    /// `None`: nobody watched the process.
    pub fn of(process: &'p Process) -> Option<Curves<'p>> {
        let history = process.history.as_ref()?;
        let mut by_stack: HashMap<u32, Vec<_>> = HashMap::new();
        for curve in &history.curves {
            if let Some(site) = process.sites.get(curve.site as usize) {
                by_stack.entry(site.stack).or_default().push((curve, site));
            }
        }
        let mut sums: HashMap<u32, (u64, u64)> = HashMap::new();
        for site in process.sites.iter().filter(|site| by_stack.contains_key(&site.stack)) {
            let (total, peak) = sums.entry(site.stack).or_default();
            *total = total.saturating_add(site.total_bytes);
            *peak = peak.saturating_add(site.peak_bytes);
        }
        Some(Curves { by_stack, sums })
    }

    /// The curve of a stack; `None`: it has none, because it never stood high when somebody looked.
    pub fn get(&self, stack: u32) -> Option<StackCurve> {
        let curves = self.by_stack.get(&stack)?;
        let count = curves.iter().map(|(curve, _)| curve.live_bytes.len()).min()?;
        let value = |at: usize| {
            let values = curves.iter().map(|(curve, _)| curve.live_bytes.get(at).copied().unwrap_or(-1));
            values.fold(0i64, |sum, value| if sum < 0 || value < 0 { -1 } else { sum.saturating_add(value) })
        };
        let live_bytes: Vec<i64> = (0..count).map(value).collect();
        let &(total, peak) = self.sums.get(&stack)?;
        // Peaks of several sites need not have been at one time: with more than one the curve's own is what is certain.
        let peak = if curves.len() == 1 { peak } else { 0 };
        let mean_life_ns = match curves.as_slice() {
            [(curve, _)] => curve.mean_life_ns,
            _ => None,
        };
        Some(StackCurve { shape: shape(&live_bytes, total, peak), live_bytes, mean_life_ns })
    }
}

/// The moment at which a series stood highest, first of several: its place and value.
pub fn highest(values: &[i64]) -> Option<(usize, u64)> {
    let values = values.iter().enumerate().filter_map(|(place, &value)| Some((place, u64::try_from(value).ok()?)));
    values.max_by_key(|&(place, value)| (value, std::cmp::Reverse(place)))
}

/// Spans of time, from and to, in nanoseconds.
pub type Spans = Vec<(u64, u64)>;

/// When any thread was in a region of a name: by name, those first that the program was in for the longest. What is nearer
/// together than `near_ns` is one; `end_ns` ends what did not end.
pub fn regions(process: &Process, near_ns: u64, end_ns: u64) -> Vec<(&str, Spans)> {
    let mut by_name: BTreeMap<&str, Spans> = BTreeMap::new();
    for region in &process.regions {
        let to = region.end_ns.unwrap_or(end_ns).max(region.begin_ns);
        by_name.entry(&region.name).or_default().push((region.begin_ns, to));
    }
    for spans in by_name.values_mut() {
        spans.sort_unstable();
        spans.dedup_by(|next, last| {
            let is_near = next.0 <= last.1.saturating_add(near_ns);
            if is_near {
                last.1 = last.1.max(next.1);
            }
            is_near
        });
    }
    let long = |spans: &Spans| spans.iter().map(|(from, to)| to - from).fold(0, u64::saturating_add);
    let mut regions: Vec<(&str, Spans)> = by_name.into_iter().collect();
    regions.sort_by_key(|(name, spans)| (std::cmp::Reverse(long(spans)), *name));
    regions
}

/// What was added to a sum between each moment and the one before, for each second.
pub fn rates(history: &History, sums: &[i64]) -> Vec<i64> {
    let pairs = history.time_ns.windows(2).zip(sums.windows(2));
    let rate = |(time, sum): (&[u64], &[i64])| match (time, sum) {
        (&[from, to], &[before, after]) if to > from && before >= 0 && after >= before => {
            (i128::from(after - before) * 1_000_000_000 / i128::from(to - from)).min(i64::MAX.into()) as i64
        }
        (&[from, to], _) if to == from => 0,
        _ => -1,
    };
    let mut rates: Vec<i64> = pairs.map(rate).collect();
    // Before the first moment there was nothing; with it the rates have one value for each.
    rates.insert(0, 0);
    rates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Region, sample};

    fn watched() -> Process {
        let mut process = sample::process(|maker| {
            maker.site(&["leak", "main"], 10, 8, 8);
            maker.site(&["leak", "main"], 10, 8, 8).thread = Some(1);
            maker.site(&["churn", "main"], 10, 0, 900);
        });
        let curve = |site, live_bytes: Vec<i64>| Curve { site, live_bytes, ..Curve::default() };
        process.history = Some(History {
            time_ns: (0..9).map(|at| at * 1_000_000_000).collect(),
            curves: vec![curve(0, (0..9).map(|at| at * 10).collect()), curve(1, (0..9).map(|at| at * 10).collect())],
            ..History::default()
        });
        process
    }

    #[test]
    fn a_stack_is_the_sum_of_its_sites() {
        let process = watched();
        let curves = Curves::of(&process).unwrap();
        let leak = curves.get(0).unwrap();
        assert_eq!(leak.live_bytes, (0..9).map(|at| at * 20).collect::<Vec<i64>>());
        assert_eq!(leak.shape, Shape::Grows);
        assert_eq!(curves.get(1), None, "it never stood high");
        assert!(Curves::of(&Process::default()).is_none());
    }

    #[test]
    fn the_highest_moment_is_the_first_of_several() {
        assert_eq!(highest(&[1, 9, -1, 9]), Some((1, 9)));
        assert_eq!(highest(&[-1]), None);
    }

    #[test]
    fn regions_of_a_name_are_one_where_they_meet() {
        let mut process = Process::default();
        let mut add = |name: &str, begin_ns, end_ns| {
            process.regions.push(Region { name: name.into(), begin_ns, end_ns, thread: None });
        };
        add("a", 50, None);
        add("b", 0, Some(10));
        add("a", 20, Some(30));
        add("b", 11, Some(15));
        add("b", 40, Some(3));
        let of = |near_ns| regions(&process, near_ns, 60);
        assert_eq!(of(0), [("a", vec![(20, 30), (50, 60)]), ("b", vec![(0, 10), (11, 15), (40, 40)])]);
        assert_eq!(of(1)[1], ("b", vec![(0, 15), (40, 40)]));
    }

    #[test]
    fn a_rate_is_what_was_added_in_a_second() {
        let history = History { time_ns: vec![0, 500_000_000, 1_500_000_000, 1_500_000_000], ..History::default() };
        assert_eq!(rates(&history, &[0, 100, 110, 120]), [0, 200, 10, 0]);
        assert_eq!(rates(&history, &[0, 100, -1, 120]), [0, 200, -1, 0]);
    }
}
