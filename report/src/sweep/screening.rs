//! `--accel snapshot`: which stacks fail first, because a copy of the process in which they failed did not end well.
//!
//! One run more makes the copies (`shim/cold/src/screen.rs`). They say in which order the runs are made, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use memtrace_wire::screen::{Obstacle, Screened};
use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::facts::Facts;
use super::model::{End, Point};

macro_rules! screens {
    ($($row:ident = $name:literal, $turn:literal, $text:literal;)*) => {
        /// What a copy of the process came to, or why there was none.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Screen { $(#[doc = $text] #[serde(rename = $name)] $row,)* }

        impl Screen {
            /// All of them: the worst first.
            #[cfg(test)]
            pub const ALL: &[Screen] = &[$(Screen::$row,)*];

            /// Its name in files.
            #[cfg(test)]
            pub const fn name(self) -> &'static str { match self { $(Screen::$row => $name,)* } }

            /// When its stack fails: the lowest first.
            pub const fn turn(self) -> u8 { match self { $(Screen::$row => $turn,)* } }

            /// What it means.
            pub const fn text(self) -> &'static str { match self { $(Screen::$row => $text,)* } }
        }
    };
}

screens! {
    Signal = "signal", 0, "ended by a signal";
    Hang = "hang", 0, "did not end in its time";
    Status = "status", 1, "ended with a status that the program has only with a failure";
    Clean = "clean", 3, "ended as without a failure";
    Threads = "threads", 2, "several threads";
    Children = "children", 2, "child processes";
    Channel = "channel", 2, "a pipe, socket or device open";
    Writing = "writing", 2, "a file open for writing";
    Shared = "shared-memory", 2, "writable memory shared";
    Filter = "filter", 2, "a filter of system calls";
    Refused = "refused", 2, "refused by the system";
    NotReached = "not-reached", 2, "not reached by the run that was screened";
}

/// The least and the most time for a copy, if the time of a run is longer.
const PATIENCE_MIN: Duration = Duration::from_millis(200);
/// A copy may take so many times what the program takes.
const PATIENCE_TIMES: u32 = 10;
/// The part of a budget that the copies may take.
const BUDGET_PART: u32 = 4;
/// The longest without a budget.
const TIME_MAX: Duration = Duration::from_secs(600);

/// How long each copy may take, and all of them.
pub fn patience(baseline: &Baseline, timeout: Duration, budget: Option<Duration>) -> (Duration, Duration) {
    let each = (Duration::from_micros(baseline.time_us) * PATIENCE_TIMES).max(PATIENCE_MIN).min(timeout);
    let points = u32::try_from(baseline.first.points.len()).unwrap_or(u32::MAX);
    let all = each.saturating_mul(points.saturating_add(1)).min(TIME_MAX);
    (each, budget.map_or(all, |budget| all.min(budget / BUDGET_PART)))
}

impl Screen {
    /// Of what a point's row says. `end`: how the program ends without a failure.
    fn of(word: u64, end: End) -> Option<Screen> {
        let is_usual = |found: End| if found == end { Screen::Clean } else { Screen::Status };
        Some(match Screened::from_word(word)? {
            Screened::Exited(status) => is_usual(End::Exited(status)),
            Screened::Killed(signal) if End::Killed(signal.into()) == end => Screen::Clean,
            Screened::Killed(_) => Screen::Signal,
            Screened::TimedOut => Screen::Hang,
            Screened::Not(obstacle) => match obstacle {
                Obstacle::Threads => Screen::Threads,
                Obstacle::Children => Screen::Children,
                Obstacle::Channel => Screen::Channel,
                Obstacle::Writing => Screen::Writing,
                Obstacle::Shared => Screen::Shared,
                Obstacle::Filter => Screen::Filter,
                Obstacle::Refused => Screen::Refused,
            },
        })
    }

    /// Whether there was a copy.
    pub fn is_screened(self) -> bool {
        self <= Screen::Clean
    }

    /// Whether its stack fails before others.
    pub fn is_suspicious(self) -> bool {
        self < Screen::Clean
    }
}

/// What the run with the copies came to.
#[derive(Default)]
pub struct Screens {
    points: HashMap<u64, Screen>,
    /// How long it took.
    pub time_ms: u64,
}

impl Screens {
    /// Of the run's facts. A stack that fails in several processes is what the worst of its copies came to.
    pub fn of(facts: &Facts, end: End) -> Screens {
        let mut points = HashMap::new();
        for point in &facts.points {
            if let Some(screen) = Screen::of(point.screened, end) {
                points.entry(point.id).and_modify(|known: &mut Screen| *known = screen.min(*known)).or_insert(screen);
            }
        }
        Screens { points, time_ms: facts.time_us.div_ceil(1000) }
    }

    /// What is known of a stack.
    pub fn point(&self, id: u64) -> Screen {
        self.points.get(&id).copied().unwrap_or(Screen::NotReached)
    }
}

/// Whether the program went on as without a failure beside its copies; else a sentence.
pub fn trouble(facts: &Facts, baseline: &Baseline) -> Option<String> {
    let what = match facts.end {
        _ if facts.trouble.is_some() => facts.trouble.clone().unwrap_or_default(),
        End::TimedOut => "its time was up".to_owned(),
        end if end != baseline.end => "the program ended in another way than without copies".to_owned(),
        _ if !baseline.is_right(facts) || baseline.has_message(facts) => {
            "the program's output or files were not those that it has without copies".to_owned()
        }
        _ => return None,
    };
    Some(format!("while stacks were screened: {what}, so the order of the runs may not be the best one"))
}

/// How stacks were screened, counted from the points.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Screening {
    /// Stacks that failed in a copy of the process first.
    pub screened: u64,
    /// Of these, those whose copy did not end as the program does without a failure.
    pub suspicious: u64,
    /// Stacks without a copy, by the reason.
    pub not_screened: BTreeMap<Screen, u64>,
    /// Time of the run with the copies in milliseconds.
    pub time_ms: u64,
}

impl Screening {
    /// Of these points.
    pub fn of<'p>(points: impl Iterator<Item = &'p Point>, time_ms: u64) -> Screening {
        let mut screening = Screening { time_ms, ..Screening::default() };
        for screen in points.filter_map(|point| point.screen) {
            match screen.is_screened() {
                true => screening.screened += 1,
                false => *screening.not_screened.entry(screen).or_default() += 1,
            }
            screening.suspicious += u64::from(screen.is_suspicious());
        }
        screening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_row_has_its_name_in_the_schema() {
        let schema = include_str!("../../schema/sweep-1.schema.json");
        for screen in Screen::ALL {
            assert!(schema.contains(&format!("\"{}\"", screen.name())), "{screen:?}");
        }
        for obstacle in Obstacle::ALL {
            let screen = Screen::of(Screened::Not(obstacle).word(), End::Exited(0)).unwrap();
            assert!(!screen.is_screened() && !screen.is_suspicious() && screen.turn() == 2);
        }
    }

    #[test]
    fn an_end_is_suspicious_that_the_program_does_not_have_otherwise() {
        let of = |screened: Screened, end| Screen::of(screened.word(), end).unwrap();
        assert_eq!(of(Screened::Exited(3), End::Exited(3)), Screen::Clean);
        assert_eq!(of(Screened::Exited(0), End::Exited(3)), Screen::Status);
        assert_eq!(of(Screened::Killed(15), End::Killed(15)), Screen::Clean);
        assert_eq!(of(Screened::Killed(11), End::Killed(15)), Screen::Signal);
        assert_eq!(of(Screened::TimedOut, End::Exited(0)), Screen::Hang);
        assert_eq!(Screen::of(0, End::Exited(0)), None);
        let turns: Vec<u8> = [Screen::Hang, Screen::Status, Screen::Filter, Screen::Clean].map(Screen::turn).into();
        assert!(turns.is_sorted() && Screen::ALL.is_sorted());
    }
}
