//! Curves over time, as few numbers as a page needs for them.
//!
//! Numbers of a curve are written as steps from one to the next: most are 0, and those take no room.

use serde::Serialize;

use super::number::number;
use super::texts::Texts;
use crate::profile::Process;
use crate::profile::history::{Curve, History, SAMPLES_MAX, UNKNOWN};

/// Moments of the curves that stand highest, and how many these are; the others have fewer. So curves of 2,000 sites
/// that never rest take 100 KB of a page at most.
const MOMENTS_MAX: usize = 96;
const HIGHEST: usize = 120;
const MOMENTS_OF_OTHERS: usize = 24;
/// Values of a row's curve are rounded to so many parts of its highest: more than is to be seen in it.
const PARTS: i64 = 250;

/// Curves of a process.
#[derive(Serialize, PartialEq, Debug)]
pub struct Whole {
    /// Moments in microseconds.
    time: Vec<i64>,
    live: Vec<i64>,
    blocks: Vec<i64>,
    allocations: Vec<i64>,
    allocated: Vec<i64>,
    rss: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    anonymous: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    file: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    own: Vec<i64>,
}

/// Curves of rows, in the order of the rows, each as its unit and then steps in that unit; an empty one: the row has none.
#[derive(Serialize, PartialEq, Debug, Default)]
pub struct Curves {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    curve: Vec<Vec<i64>>,
    /// What they look like; 0: not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shape: Vec<u32>,
    /// How long a block lives on average, in nanoseconds; -1: not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    life: Vec<i64>,
}

/// The curves of a whole process.
pub fn whole(history: &History) -> Whole {
    let time: Vec<i64> = history.time_ns.iter().map(|&time| number(time / 1000) as i64).collect();
    // Whoever wrote the file may not have kept to the limit.
    let few = |values: &[i64]| steps(&thin(values, SAMPLES_MAX));
    Whole {
        time: few(&time),
        live: few(&history.live_bytes),
        blocks: few(&history.live_blocks),
        allocations: few(&history.allocations),
        allocated: few(&history.allocated_bytes),
        rss: few(&history.rss_bytes),
        anonymous: few(&history.anonymous_bytes),
        file: few(&history.file_bytes),
        own: few(&history.own_bytes),
    }
}

/// The curves of rows: each is the sum of those of its sites.
pub fn curves(process: &Process, rows: &[&[u32]], texts: &mut Texts) -> Curves {
    let Some(history) = process.history.as_ref().filter(|history| !history.curves.is_empty()) else {
        return Curves::default();
    };
    let mut by_site: Vec<Option<&Curve>> = vec![None; process.sites.len()];
    for curve in &history.curves {
        if let Some(place) = by_site.get_mut(curve.site as usize) {
            *place = Some(curve);
        }
    }
    let of_row = |sites: &&[u32]| -> Vec<&Curve> {
        sites.iter().filter_map(|&site| by_site.get(site as usize).copied().flatten()).collect()
    };
    let all: Vec<Vec<&Curve>> = rows.iter().map(of_row).collect();
    let sums: Vec<Vec<i64>> = all.iter().map(|curves| sum(curves, history.time_ns.len())).collect();
    let mut order: Vec<usize> = (0..sums.len()).collect();
    let height = |place: usize| sums.get(place).and_then(|sum| sum.iter().max()).copied().unwrap_or(UNKNOWN);
    order.sort_by_key(|&place| (std::cmp::Reverse(height(place)), place));
    let mut moments = vec![MOMENTS_OF_OTHERS; sums.len()];
    order.iter().take(HIGHEST).for_each(|&place| moments[place] = MOMENTS_MAX);
    let thinned = sums.iter().zip(moments).map(|(sum, moments)| rounded(&thin(sum, moments)));
    // Of several sites the highest one's word.
    let highest = |curves: &Vec<&Curve>| -> Option<Curve> {
        curves
            .iter()
            .max_by_key(|curve| curve.live_bytes.iter().max())
            .map(|&curve| Curve { live_bytes: Vec::new(), ..curve.clone() })
    };
    let told: Vec<Option<Curve>> = all.iter().map(highest).collect();
    let life = |curve: &Option<Curve>| curve.as_ref()?.mean_life_ns.map(|life| number(life) as i64);
    Curves {
        curve: thinned.collect(),
        shape: told.iter().map(|curve| curve.as_ref().map_or(0, |curve| texts.place(&curve.shape))).collect(),
        life: told.iter().map(|curve| life(curve).unwrap_or(UNKNOWN)).collect(),
    }
}

/// The sum of curves; where one is not known, nor is the sum.
fn sum(curves: &[&Curve], count: usize) -> Vec<i64> {
    let value = |place: usize, curve: &&Curve| curve.live_bytes.get(place).copied().unwrap_or(UNKNOWN);
    let at = |place: usize| {
        let mut values = curves.iter().map(|curve| value(place, curve));
        values.try_fold(0i64, |sum, value| (value >= 0).then(|| sum.saturating_add(value))).unwrap_or(UNKNOWN)
    };
    if curves.is_empty() { Vec::new() } else { (0..count).map(at).collect() }
}

/// So many values at even distances, the first and the last among them. The page puts them at the same places.
fn thin(values: &[i64], moments: usize) -> Vec<i64> {
    if values.len() <= moments {
        return values.to_vec();
    }
    let place = |moment: usize| moment * (values.len() - 1) / (moments - 1);
    (0..moments).filter_map(|moment| values.get(place(moment)).copied()).collect()
}

/// The unit that values are rounded to, then steps in it.
fn rounded(values: &[i64]) -> Vec<i64> {
    let Some(&highest) = values.iter().max() else { return Vec::new() };
    let unit = (highest / PARTS).max(1);
    let round = |value: &i64| if *value < 0 { UNKNOWN } else { value.saturating_add(unit / 2) / unit };
    let steps = steps(&values.iter().map(round).collect::<Vec<i64>>());
    [vec![number(unit.unsigned_abs()) as i64], steps].concat()
}

/// The first value, then how far it is from each to the next, all of them such as a page can count.
fn steps(values: &[i64]) -> Vec<i64> {
    let countable = |value: i64| number(value.unsigned_abs()) as i64 * value.signum();
    let mut last = 0;
    let step = |value: &i64| {
        let step = countable(*value) - last;
        last += step;
        step
    };
    values.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample;

    #[test]
    fn values_become_steps_and_stay_countable() {
        assert_eq!(steps(&[5, 5, -1, 7]), [5, 0, -6, 8]);
        assert_eq!(steps(&[i64::MAX, i64::MIN]), [9_007_199_254_740_991, -18_014_398_509_481_982]);
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let values: Vec<i64> = (0..512).collect();
        let few = thin(&values, 24);
        assert_eq!((few.len(), few[0], few[23]), (24, 0, 511));
        assert_eq!(thin(&values[..9], 24).len(), 9);
    }

    #[test]
    fn the_curve_of_a_row_is_the_sum_of_its_sites() {
        let process = sample::process(|maker| {
            for live in [1, 2, 3] {
                maker.site(&["plant"], 8, live, live);
            }
            let curve = |site, values: [i64; 2], shape: &str| Curve {
                site,
                live_bytes: values.into(),
                shape: shape.into(),
                mean_life_ns: Some(9),
            };
            let curves = vec![curve(0, [1, 2], "grows"), curve(2, [10, UNKNOWN], "churn")];
            let times = vec![0, 1];
            maker.process().history = Some(History { time_ns: times, curves, ..History::default() });
        });
        let mut texts = Texts::default();
        let curves = curves(&process, &[&[0, 1], &[0, 2], &[1]], &mut texts);
        assert_eq!(curves.curve, [vec![1, 1, 1], vec![1, 11, -12], vec![]]);
        assert_eq!(rounded(&[0, 1_049, 250_000, UNKNOWN]), [1_000, 0, 1, 249, -251]);
        assert_eq!((curves.shape[0] == 0, curves.shape[0] == curves.shape[1], curves.shape[2]), (false, false, 0));
        assert_eq!(curves.life, [9, 9, -1]);
    }
}
