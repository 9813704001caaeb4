//! `memtrace leaks`: what a running process has lost by now, once or round by round.

mod rounds;
pub mod target;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use memtrace_wire::layout::Cause;
use memtrace_wire::leaks::Kinds;

use crate::error::{CLEAN, Error, FOUND};
use crate::profile::{Options, Profile, Suppress};
use crate::recording::Recording;
use crate::suppress::Rules;
use crate::sys::{self, Pid};
use crate::text::{self, Request};
use crate::views::Choice;
use crate::views::leaks::{leaked, parse_kinds};
use rounds::Round;
use target::Target;

/// The longest that a check may take; the target goes on meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `memtrace leaks` takes.
#[derive(clap::Args, Debug)]
pub struct LeaksArgs {
    /// The process: one that runs under `memtrace run`, or with libmemtrace.so in LD_PRELOAD
    pid: u32,
    /// Check again and again, and report what is new, grown or gone since the round before: `30s`, `5m`, `1h`
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    every: Option<Duration>,
    /// Rounds to make with --every; without it as long as the process runs
    #[arg(long, value_name = "N", requires = "every")]
    rounds: Option<u64>,
    /// Kinds of leaks to print: `definite`, `possible`, `indirect`, `reachable` with commas between, or `all`
    #[arg(long, value_name = "KINDS", value_parser = parse_kinds)]
    show: Option<Kinds>,
    /// File of leaks that are not reported, in the format of LSan or of valgrind, beside those of
    /// MEMTRACE_SUPPRESSIONS; may be given several times
    #[arg(long, value_name = "FILE")]
    suppressions: Vec<PathBuf>,
    /// Rows to print
    #[arg(long, value_name = "N", default_value = "50")]
    top: usize,
    /// Text, or JSON: a profile, one line for each round
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    format: String,
}

/// `30s`, `5m`, `1h`, or a number of seconds.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let seconds: Option<u64> = digits.parse().ok().and_then(|number: u64| number.checked_mul(unit));
    match seconds {
        Some(seconds) if (1..=31_536_000).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a time as `30s`, `5m` or `1h`".into()),
    }
}

/// The body of the command.
pub fn command(args: &LeaksArgs) -> Result<ExitCode, Error> {
    // Before the process is touched: a file may be wrong.
    let suppress = Suppress::of_option(&args.suppressions)?;
    let target = Target::find(args.pid)?;
    let mut before: Option<Round> = None;
    let mut code = CLEAN;
    for number in 1u64.. {
        let begin = Instant::now();
        let cause = if args.every.is_some() { Cause::Round } else { Cause::Command };
        let profile = match check(&target, cause, &suppress) {
            // It ended between two rounds.
            Err(_) if number > 1 && !target.is_alive() => break,
            checked => checked?,
        };
        if profile.processes.first().is_some_and(|process| leaked(process).blocks != 0) {
            code = FOUND;
        }
        let round = Round::of(&profile, args.show);
        match print(args, &profile, before.as_ref().map(|before| round.since(before)), number) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(cause) => return Err(Error::CannotWrite { path: "stdout".into(), cause }),
            Ok(()) => {}
        }
        let Some(every) = args.every.filter(|_| args.rounds.is_none_or(|rounds| number < rounds)) else { break };
        before = Some(round);
        while begin.elapsed() < every && target.is_alive() {
            thread::sleep(Duration::from_millis(50).min(every.saturating_sub(begin.elapsed())));
        }
        if !target.is_alive() {
            break;
        }
    }
    Ok(ExitCode::from(code))
}

/// Rounds for `memtrace run --every`, told on stderr. The launcher begins each one, because a stopped target is news for
/// whoever waits for it; what was found is read beside it.
pub struct Rounds {
    pid: u32,
    every: Duration,
    next: Instant,
    copies: Sender<(Target, Pid)>,
}

impl Rounds {
    /// The first after one such time.
    pub fn start(pid: u32, every: Duration, show: Option<Kinds>, rules: Rules) -> Rounds {
        let (copies, found) = mpsc::channel::<(Target, Pid)>();
        thread::spawn(move || {
            let suppress = Suppress::new(&rules).map(Rc::new);
            let mut before = Round::default();
            for (number, (target, copy)) in (1u64..).zip(found) {
                let found = target.collect(copy, PATIENCE);
                let profile = match found.and_then(|recording| profile_of(&recording, &suppress)) {
                    Ok(profile) => profile,
                    Err(error) => {
                        sys::say(&format!("memtrace: round {number}: {error}\n"));
                        continue;
                    }
                };
                let round = Round::of(&profile, show);
                let mut text = Vec::new();
                // Writing to memory does not fail.
                let _ = round.since(&before).print(&profile, number, &mut text);
                sys::say(&String::from_utf8_lossy(&text));
                before = round;
            }
        });
        Rounds { pid, every, next: Instant::now() + every, copies }
    }

    /// When the next one is due.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Begins one. A target that cannot be looked at now is left for the next.
    pub fn begin(&mut self) {
        self.next = Instant::now() + self.every;
        match Target::find(self.pid).and_then(|target| target.begin(Cause::Round).map(|copy| (target, copy))) {
            // The reader is there as long as this is.
            Ok(begun) => _ = self.copies.send(begun),
            Err(error) => sys::say(&format!("memtrace: no round: {error}\n")),
        }
    }
}

fn check(target: &Target, cause: Cause, suppress: &Option<Rc<Suppress>>) -> Result<Profile, Error> {
    profile_of(&target.check(cause, PATIENCE)?, suppress)
}

fn profile_of(recording: &Recording, suppress: &Option<Rc<Suppress>>) -> Result<Profile, Error> {
    // The process lives, so its newest check is the last word on it.
    for process in &recording.processes {
        if let Some(check) = process.checks.whole().0.last() {
            check.row.cause.set(Cause::End as u32);
        }
    }
    let mut profile = Profile::build(recording, &Options { suppress: suppress.clone(), ..Options::default() })?;
    for process in &mut profile.processes {
        let last = process.checks.len().saturating_sub(1);
        process.checks.drain(..last);
    }
    Ok(profile)
}

fn print(args: &LeaksArgs, profile: &Profile, since: Option<rounds::Changes>, number: u64) -> io::Result<()> {
    let mut to = BufWriter::new(io::stdout().lock());
    if args.format == "json" {
        profile.write_json(&mut to)?;
    } else if let Some(changes) = since {
        changes.print(profile, number, &mut to)?;
    } else {
        let choice = Choice { top: Some(args.top), ..Choice::default() };
        text::report(profile, &Request { choice, show: args.show, ..Request::default() }, &mut to)?;
        if let Some(check) = profile.processes.first().and_then(|process| process.checks.last()) {
            let (pause, cpu) = (check.pause_ns as f64 / 1e6, check.cpu_ns as f64 / 1e6);
            writeln!(to, "memtrace: the process stood still for {pause:.1} ms; the check took {cpu:.1} ms beside it")?;
        }
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        assert_eq!(parse_time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_time("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse_time("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "s", "0s", "-1s", "1d", "99999999999999999999s", "ü"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
