//! Which rows and ways were asked for: `*` stands for any letters of a name, `?` for one.

use crate::cli::{Peers, SpeedArgs};
use crate::error::Error;
use crate::rows::{self, Row};
use crate::way::{self, Way};

/// The rows whose names fit, or all of them.
pub fn rows(arguments: &SpeedArgs) -> Result<Vec<Row>, Error> {
    let all = rows::all(arguments.common.quick);
    let fitting = |row: &Row, pattern: &String| fits(&row.name, pattern);
    if let Some(pattern) = arguments.rows.iter().find(|pattern| !all.iter().any(|row| fitting(row, pattern))) {
        return Err(Error::misused(format!("no row is named `{pattern}`")).hint("--list has the names"));
    }
    let wanted = |row: &Row| arguments.rows.is_empty() || arguments.rows.iter().any(|pattern| fitting(row, pattern));
    Ok(all.into_iter().filter(wanted).collect())
}

/// Native, and those that were named; or else memtrace's own and the peers.
pub fn ways(arguments: &SpeedArgs) -> Result<Vec<Way>, Error> {
    if let Some(name) = arguments.ways.iter().find(|&name| !way::ALL.iter().any(|way| way.name() == name)) {
        return Err(Error::misused(format!("no way is named `{name}`")).hint("--list has the names"));
    }
    let wanted = |way: &Way| match arguments.peers {
        _ if *way == Way::Native => true,
        _ if !arguments.ways.is_empty() => arguments.ways.iter().any(|name| way.name() == name),
        _ if !way.is_peer() => true,
        Peers::None => false,
        Peers::Found => !way.is_unasked(),
        Peers::All => true,
    };
    Ok(way::ALL.into_iter().filter(wanted).collect())
}

/// The names, for `--list`.
pub fn list() -> String {
    let rows = rows::all(false).into_iter().map(|row| format!("  {:18}{}\n", row.name, row.about));
    let ways: Vec<&str> = way::ALL.iter().map(|way| way.name()).collect();
    format!("rows:\n{}ways:\n  {}\n", rows.collect::<String>(), ways.join(" "))
}

/// Whether a name fits a pattern.
pub fn fits(name: &str, pattern: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    if first == '*' {
        let mut ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
        return ends.any(|at| fits(&name[at..], rest));
    }
    let Some(letter) = name.chars().next() else { return false };
    (first == '?' || first == letter) && fits(&name[letter.len_utf8()..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters_and_a_question_mark_for_one() {
        for pattern in ["*", "churn-*", "churn-d20", "churn-d??", "*d*0", "c*-d20*"] {
            assert!(fits("churn-d20", pattern), "{pattern}");
        }
        for pattern in ["", "churn", "churn-d?", "d20", "*x*", "churn-d20?"] {
            assert!(!fits("churn-d20", pattern), "{pattern}");
        }
    }
}
