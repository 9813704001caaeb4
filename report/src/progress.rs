//! What takes longer than a second says so on stderr, where that is a terminal, and takes its words back when it is over.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys;

/// Shorter work is over before anybody wonders.
const SILENCE: Duration = Duration::from_secs(1);
/// How often the line changes.
const EVERY: Duration = Duration::from_millis(200);
/// The line's first part turns, so that one sees that something goes on.
const WHEEL: [&str; 4] = ["[=   ]", "[ =  ]", "[  = ]", "[   =]"];

/// Does some work, and says what it is while it lasts.
pub fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (over, waits) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // Where no thread can be had, nothing is said.
        let _ = thread::Builder::new().spawn_scoped(scope, move || tell(what, &waits, sys::say));
        let done = work();
        drop(over);
        done
    })
}

fn tell(what: &str, waits: &mpsc::Receiver<()>, say: impl Fn(&str)) {
    let begin = Instant::now();
    let (mut pause, mut has_said) = (SILENCE, false);
    while waits.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        (pause, has_said) = (EVERY, true);
        let passed = begin.elapsed();
        let wheel = WHEEL[(passed.as_millis() / EVERY.as_millis()) as usize % WHEEL.len()];
        say(&format!("\r\x1b[Kmemtrace: {wheel} {what}, {} s", passed.as_secs()));
    }
    if has_said {
        say("\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn said_in(time: Duration) -> Vec<String> {
        let (over, waits) = mpsc::channel::<()>();
        let ender = thread::spawn(move || {
            thread::sleep(time);
            drop(over);
        });
        let said = RefCell::new(Vec::new());
        tell("reading `x`", &waits, |text| said.borrow_mut().push(text.to_owned()));
        ender.join().unwrap();
        said.into_inner()
    }

    #[test]
    fn only_what_takes_over_a_second_is_said_and_nothing_stays() {
        assert!(said_in(Duration::from_millis(10)).is_empty());
        let said = said_in(Duration::from_millis(1_300));
        assert!(said.len() >= 2 && said[0].contains("reading `x`, 1 s"), "{said:?}");
        assert_eq!(said.last().map(String::as_str), Some("\r\x1b[K"));
        assert_eq!(during("x", || 7), 7);
    }
}
