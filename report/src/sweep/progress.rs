//! How far a sweep is, in one line that is written over again: on a terminal only.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use super::course::Course;
use super::outcome::Level;
use crate::sys;

/// How often the line changes.
const EVERY: Duration = Duration::from_millis(200);

/// The line.
pub struct Progress {
    is_shown: bool,
    begin: Instant,
    last: Option<Instant>,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new() -> Progress {
        Progress { is_shown: io::stderr().is_terminal(), begin: Instant::now(), last: None }
    }

    /// The runs with failures begin.
    pub fn start(&mut self) {
        self.begin = Instant::now();
    }

    /// What is done before the runs with failures.
    pub fn beforehand(&mut self, what: &str) {
        self.line(|_| what.to_owned());
    }

    /// Runs with failures are under way.
    pub fn show(&mut self, course: &Course) {
        self.line(|begin| {
            let (done, left) = (course.runs.len(), course.left());
            let rate = done as f64 / begin.elapsed().as_secs_f64().max(0.001);
            let bad = |run: &&super::course::Run| run.outcomes.first().is_some_and(|first| first.level() == Level::Bad);
            let bad = course.runs.iter().filter(bad).count();
            let rest = left as f64 / rate.max(0.001);
            format!("{done} of {} runs, {rate:.0}/s, {rest:.0} s left, {bad} that are bad", done + left)
        });
    }

    fn line(&mut self, text: impl FnOnce(Instant) -> String) {
        if self.is_shown && self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            sys::say(&format!("\r\x1b[Kmemtrace: {}", text(self.begin)));
        }
    }

    /// The line goes.
    pub fn end(&mut self) {
        if self.is_shown && self.last.is_some() {
            sys::say("\r\x1b[K");
        }
    }
}
