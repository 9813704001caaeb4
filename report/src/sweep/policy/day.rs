//! A day: when a rule ends.

use std::fmt::{self, Display, Formatter};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::profile::date;

/// A day of the calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Day {
    year: u64,
    month: u64,
    day: u64,
}

impl Day {
    /// Today in UTC.
    pub fn today() -> Day {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Day::number(since.as_secs() / 86_400)
    }

    /// A day since 1970-01-01.
    fn number(days: u64) -> Day {
        let (year, month, day) = date(days);
        Day { year, month, day }
    }

    /// `2026-12-31`, if there is such a day.
    pub fn parse(text: &str) -> Option<Day> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
        };
        let (year, month, day): (u64, u64, u64) = (part(4)?, part(2)?, part(2)?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 => 28 + u64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        (parts.next().is_none() && (1..=days).contains(&day)).then_some(Day { year, month, day })
    }
}

impl Display for Day {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar_are_read_and_no_others() {
        for text in ["2026-12-31", "2024-02-29", "2000-02-29", "2026-01-01"] {
            assert_eq!(Day::parse(text).map(|day| day.to_string()).as_deref(), Some(text));
        }
        let wrong =
            "2026-02-29 2100-02-29 2026-13-01 2026-00-01 2026-01-00 2026-04-31 26-01-01 2026-1-01 2026-01-01-01";
        for text in wrong.split(' ').chain(["", "2026-01-01T00:00:00", "2026-+1-01", "tomorrow"]) {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        assert!(
            Day::parse("2026-09-30") < Day::parse("2026-10-01") && Day::parse("2026-01-01") > Day::parse("2025-12-31")
        );
        assert_eq!(Day::number(20_000).to_string(), "2024-10-04");
        assert!(Day::today() > Day::parse("2026-01-01").unwrap());
    }
}
