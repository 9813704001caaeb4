//! Numbers as a line of small columns, and as bars.
//!
//! ```text
//!   values over time ──columns──▶ the highest of each column ──sparkline──▶ ▁▂▃▅▇█, or _.-=+*#@ in ASCII
//! ```

use super::style::Style;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['_', '.', '-', ':', '=', '+', '*', '#'];
/// The last column of a bar, by eighths.
const PARTS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The highest value in each of so many even pieces of time; where a piece has none, that of the piece before holds.
/// Values below 0 are unknown.
pub fn columns(time_ns: &[u64], values: &[i64], count: usize) -> Vec<Option<u64>> {
    let (Some(&first), Some(&last)) = (time_ns.first(), time_ns.last()) else { return vec![None; count] };
    let mut columns: Vec<Option<Option<u64>>> = vec![None; count];
    for (&time, &value) in time_ns.iter().zip(values) {
        let Some(column) = columns.get_mut(place(time, first, last, count)) else { continue };
        let value = u64::try_from(value).ok();
        *column = Some(column.flatten().max(value));
    }
    let mut before = None;
    let filled = columns.into_iter().map(|column| {
        before = column.unwrap_or(before);
        before
    });
    filled.collect()
}

/// The column of a moment.
pub fn place(time_ns: u64, first: u64, last: u64, count: usize) -> usize {
    let (passed, all) = (time_ns.saturating_sub(first), last.saturating_sub(first).saturating_add(1));
    ((u128::from(passed) * count as u128 / u128::from(all)) as usize).min(count.saturating_sub(1))
}

/// The columns as a line, from nothing to the highest of them. Unknown is a blank.
pub fn sparkline(columns: &[Option<u64>], style: Style) -> String {
    let letters = if style.has_blocks { BLOCKS } else { ASCII };
    let highest = columns.iter().flatten().copied().max().unwrap_or(0);
    let letter = |value: &Option<u64>| match value {
        None => ' ',
        Some(value) => {
            // 0 has the lowest letter for itself.
            let step = (u128::from(*value) * 7).div_ceil(u128::from(highest.max(1)));
            letters[(step as usize).min(7)]
        }
    };
    columns.iter().map(letter).collect()
}

/// A bar for a part of a whole, as long as `columns` where they are equal, and with blanks to that length.
pub fn bar(part: u64, whole: u64, columns: usize, style: Style) -> String {
    let eighths = (u128::from(part) * 8 * columns as u128 / u128::from(whole.max(1))).min(8 * columns as u128) as usize;
    let mut bar = String::new();
    if style.has_blocks {
        bar.extend(std::iter::repeat_n('█', eighths / 8));
        bar.extend(PARTS.get((eighths % 8).wrapping_sub(1)));
        if part > 0 && bar.is_empty() {
            bar.push(PARTS[0]);
        }
    } else {
        bar.extend(std::iter::repeat_n('#', (eighths + 4) / 8));
        if part > 0 && bar.is_empty() {
            bar.push('|');
        }
    }
    let missing = columns.saturating_sub(bar.chars().count());
    bar.extend(std::iter::repeat_n(' ', missing));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKY: Style = Style { is_coloured: false, has_blocks: true, columns: 80 };

    #[test]
    fn a_column_has_the_highest_value_of_its_time() {
        let time: Vec<u64> = (0..8).map(|at| at * 10).collect();
        let values = [0, 5, 1, 2, 9, 3, 0, 4];
        let some = |values: &[u64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(columns(&time, &values, 4), some(&[5, 2, 9, 4]));
        assert_eq!(columns(&time, &values, 8), some(&[0, 5, 1, 2, 9, 3, 0, 4]));
        // Nothing was looked at in between.
        assert_eq!(columns(&[0, 10, 100], &[1, 2, 3], 5), some(&[2, 2, 2, 2, 3]));
        assert_eq!(columns(&time[..2], &[7, -1], 2), [Some(7), None]);
        assert_eq!(columns(&[], &[], 2), [None, None]);
        assert_eq!(columns(&[5, 5], &[1, 2], 3), [Some(2); 3]);
        assert!(columns(&[0, u64::MAX], &[i64::MAX, i64::MAX], 3).iter().all(Option::is_some));
    }

    #[test]
    fn a_line_goes_from_nothing_to_the_highest() {
        let values = [Some(0), Some(1), Some(50), None, Some(100)];
        assert_eq!(sparkline(&values, BLOCKY), "▁▂▅ █");
        assert_eq!(sparkline(&values, Style::default()), "_.= #");
        assert_eq!(sparkline(&[Some(0), Some(0)], BLOCKY), "▁▁");
        assert_eq!(sparkline(&[Some(u64::MAX)], BLOCKY), "█");
    }

    #[test]
    fn a_bar_is_as_long_as_its_part_and_something_is_never_nothing() {
        assert_eq!(bar(1, 2, 4, BLOCKY), "██  ");
        assert_eq!(bar(1, 3, 4, BLOCKY), "█▎  ");
        assert_eq!(bar(1, 1_000, 4, BLOCKY), "▏   ");
        assert_eq!(bar(0, 9, 2, BLOCKY), "  ");
        assert_eq!((bar(9, 9, 2, BLOCKY), bar(99, 9, 2, BLOCKY)), ("██".into(), "██".into()));
        assert_eq!((bar(1, 2, 4, Style::default()), bar(1, 99, 4, Style::default())), ("##  ".into(), "|   ".into()));
        assert_eq!(bar(u64::MAX, u64::MAX, 3, BLOCKY), "███");
    }
}
