//! What the curve of a site looks like, in a word.
//!
//! ```text
//!   grows      ▁▂▃▄▅▆▇█    its floor rises from quarter to quarter, the last one included
//!   once       ▁████████   all that it ever allocated came at once
//!   plateau    ▁▃▅▇████    it rose for a while and stays there
//!   churn      ▁▅▁▃▁▆▁▄    it allocated ten times what it ever held
//!   steady     ▅▆▅▆▅▅▆▅    none of these
//! ```
//!
//! The first that holds is the word. The curve begins before the first moment at which anything lived, and its last value is
//! left out, because a program that gives everything back at its end has grown all the same.

use crate::views::words;

words! {
    /// The words.
    pub enum Shape {
        /// The lowest value of each quarter of the samples is above that of the quarter before; from the first to the last it rises
        /// by a tenth of the highest value or more, and the last quarter has at least a tenth of that rise.
        Grows = "grows",
        /// All bytes that it ever allocated are no more than its peak and a twentieth, and within a tenth of the time, or
        /// within one step, it had risen to nineteen twentieths of its highest value.
        Once = "once",
        /// In the last third of the samples the values lie within a tenth of the highest one of all, above half of it; and it
        /// took longer than a tenth of the time, and than one step, to get there.
        Plateau = "plateau",
        /// All bytes that it ever allocated are ten times its peak or more.
        Churn = "churn",
        /// None of these.
        Steady = "steady",
    }
}

/// Fewer samples say nothing of quarters.
const QUARTERED_MIN: usize = 4;

/// The word for values over time. `total_bytes`: of all allocations; `peak_bytes`: the highest value that ever was.
pub fn shape(values: &[i64], total_bytes: u64, peak_bytes: u64) -> Shape {
    // Where nothing is known, nothing is said: it is as if watching had begun later.
    let known = values.iter().rposition(|&value| value < 0).map_or(0, |unknown| unknown + 1);
    let values = values.get(known..).unwrap_or_default();
    let values = if values.len() > QUARTERED_MIN { &values[..values.len() - 1] } else { values };
    let first = values.iter().position(|&value| value > 0).map_or(0, |first| first.saturating_sub(1));
    let values = values.get(first..).unwrap_or_default();
    let highest = values.iter().copied().max().unwrap_or(0);
    let peak_bytes = u128::from(peak_bytes).max(highest.max(0) as u128);
    let total_bytes = u128::from(total_bytes);
    let rise = values.iter().position(|&value| part(value, 20) >= part(highest, 19)).unwrap_or(0);
    let is_quick = rise <= 1 || rise * 10 <= values.len().saturating_sub(1);
    if has_grown(values, highest) {
        Shape::Grows
    } else if total_bytes * 20 <= peak_bytes * 21 && is_quick {
        Shape::Once
    } else if !is_quick && stays(values, highest) {
        Shape::Plateau
    } else if total_bytes >= peak_bytes * 10 {
        Shape::Churn
    } else {
        Shape::Steady
    }
}

fn part(value: i64, times: i128) -> i128 {
    i128::from(value) * times
}

fn has_grown(values: &[i64], highest: i64) -> bool {
    // The value before the first block belongs to no quarter.
    let values = values.get(1..).unwrap_or_default();
    if values.len() < QUARTERED_MIN {
        return false;
    }
    let quarter = |number: usize| &values[values.len() * number / 4..values.len() * (number + 1) / 4];
    let floors = [0, 1, 2, 3].map(|number| quarter(number).iter().copied().min().unwrap_or(0));
    let (gain, last) = (floors[3] - floors[0], floors[3] - floors[2]);
    floors.is_sorted_by(|one, next| one < next) && part(gain, 10) >= part(highest, 1) && part(last, 10) >= part(gain, 1)
}

fn stays(values: &[i64], highest: i64) -> bool {
    let last = values.get(values.len() - values.len() / 3..).unwrap_or_default();
    let (Some(&low), Some(&high)) = (last.iter().min(), last.iter().max()) else { return false };
    part(high - low, 10) <= part(highest, 1) && part(low, 2) >= part(highest, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = i64>, turnover: u64) -> Shape {
        let values: Vec<i64> = values.into_iter().collect();
        let peak = values.iter().copied().max().unwrap_or(0) as u64;
        shape(&values, peak * turnover, peak)
    }

    #[test]
    fn plain_curves_have_their_word() {
        assert_eq!(of(0..100, 1), Shape::Grows);
        assert_eq!(of([0, 1, 2, 3, 4, 5], 1), Shape::Grows);
        assert_eq!(of([0, 0, 0, 64, 64, 64, 64, 64, 64], 1), Shape::Once);
        assert_eq!(of([0, 64, 64, 64, 0, 0, 0, 0, 0], 1), Shape::Once, "given back again");
        assert_eq!(of((0..90).map(|at: i64| at.min(40)), 1), Shape::Plateau);
        assert_eq!(of((0..90).map(|at: i64| at.min(40)), 100), Shape::Plateau, "a cache that evicts");
        assert_eq!(of((0..90).map(|at| [0, 9, 3, 7][at % 4]), 1000), Shape::Churn);
        assert_eq!(of((0..90).map(|at| [50, 55, 53, 57][at % 4]), 5), Shape::Steady);
        assert_eq!(of([0, 5], 100), Shape::Churn);
        assert_eq!(of([], 0), Shape::Once, "nothing at all");
    }

    #[test]
    fn what_is_given_back_at_the_end_has_grown() {
        assert_eq!(of((0..50).chain([0]), 1), Shape::Grows);
        assert_eq!(of([0, 64, 64, 64, 64, 64, 0], 1), Shape::Once);
    }

    #[test]
    fn one_byte_more_or_less_changes_the_word() {
        // Total bytes at the border of `once`, and of `churn`.
        let flat = [0, 100, 100, 100, 100, 100, 100];
        assert_eq!((shape(&flat, 105, 100), shape(&flat, 106, 100)), (Shape::Once, Shape::Steady));
        assert_eq!((shape(&flat, 1000, 100), shape(&flat, 999, 100)), (Shape::Churn, Shape::Steady));
        // The last quarter's part of the rise: 10 of 100, and 9.
        let floors = |last: i64| [0, 100, 100, 150, 150, 200 - last, 200 - last, 200, 200, 200];
        assert_eq!((of(floors(10), 2), of(floors(9), 2)), (Shape::Grows, Shape::Plateau));
        // The spread of the last third: a tenth of the highest, and a little more.
        let rest = |low: i64| [0, 20, 40, 60, 80, 100, 100, 100, low, 100];
        assert_eq!((of(rest(90), 2), of(rest(89), 2)), (Shape::Plateau, Shape::Steady));
    }

    #[test]
    fn what_is_unknown_is_as_if_watching_had_begun_later() {
        assert_eq!(of([-1, -1, 1, 2, 3, 4, 5, 6], 1), Shape::Grows);
        assert_eq!(of([-1; 5], 1), Shape::Once);
    }
}
