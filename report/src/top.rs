//! `memtrace top`: a running process, live: which stacks hold its memory, grow, and allocate.
//!
//! ```text
//!   recording ─▶ watch: a Look ─▶ screen: lines ─▶ the terminal, or stdout
//!                     ▲ View ◀── keys
//! ```

mod keys;
mod screen;
mod watch;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};

use crate::error::{CLEAN, Error};
use crate::leaks::parse_time;
use crate::sys::terminal::{self, Came, Keys};
use crate::text::Style;
use keys::{Order, View, Wish};
use watch::{Look, Watch};

/// A terminal whose size nobody knows.
const HEIGHT: usize = 24;
/// How often a process that has ended is noticed between looks.
const PAUSE: Duration = Duration::from_millis(50);
/// The shortest time between two looks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// A screen of its own, without a cursor, whose lines are cut at the edge; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What `memtrace top` takes.
#[derive(clap::Args, Debug)]
pub struct TopArgs {
    /// The process: one that runs under `memtrace run`
    pid: u32,
    /// Between two looks: `500ms`, `2s`, `1m`
    #[arg(long, value_name = "TIME", value_parser = parse_interval, default_value = "1s")]
    interval: Duration,
    /// Looks to take; without it as long as the process runs
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Lines at each look, as where stdin or stdout is no terminal
    #[arg(long)]
    plain: bool,
    /// Largest first by: live bytes, growth in a second, allocations in a second, bytes of all allocations, their number,
    /// temporary ones
    #[arg(long, value_parser = order(), default_value = "live")]
    sort: Order,
    /// Only stacks with a frame whose function, file or module matches (`*` and `?` match any letters; without them anywhere)
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// Calls as a tree, from the outermost callers down
    #[arg(long)]
    tree: bool,
    /// Rows of each look in lines
    #[arg(long, value_name = "N", default_value = "10")]
    top: usize,
}

fn order() -> ValueParser {
    PossibleValuesParser::new(Order::WORDS).try_map(|word| word.parse::<Order>()).into()
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let milliseconds = text.strip_suffix("ms").and_then(|digits| digits.parse().ok()).map(Duration::from_millis);
    match milliseconds {
        Some(time) if time >= INTERVAL_MIN && time < Duration::from_secs(3600) => Ok(time),
        Some(_) => Err("expected `100ms` or more".into()),
        None => parse_time(text).map_err(|_| "expected a time as `500ms`, `2s` or `1m`".into()),
    }
}

/// The body of the command.
pub fn command(args: &TopArgs) -> Result<ExitCode, Error> {
    let mut watch = Watch::of(args.pid)?;
    let mut view = View {
        order: args.sort,
        filter: args.filter.clone().filter(|filter| !filter.is_empty()),
        is_tree: args.tree,
        rows_max: args.top,
        first: 0,
        typing: None,
        is_paused: false,
        is_help: false,
    };
    if args.plain || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        in_lines(args, &mut watch, &view)?;
    } else {
        let keys = Keys::take().map_err(|cause| Error::System { what: "cannot use the terminal", cause })?;
        let shown = on_screen(args, &mut watch, &mut view, &keys);
        show(LEAVE);
        drop(keys);
        if shown? {
            println!("memtrace: process {} has ended", args.pid);
        }
    }
    Ok(ExitCode::from(CLEAN))
}

/// A few lines at each look.
fn in_lines(args: &TopArgs, watch: &mut Watch, view: &View) -> Result<(), Error> {
    let style = Style::of_stdout();
    for number in 1u64.. {
        let begin = Instant::now();
        let look = watch.look(view)?;
        let mut text = screen::plain(&look, view, style).join("\n");
        text.push_str(if view.rows_max > 0 { "\n\n" } else { "\n" });
        let mut to = io::stdout().lock();
        match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(cause) => return Err(Error::CannotWrite { path: "stdout".into(), cause }),
            Ok(()) => {}
        }
        if args.count.is_some_and(|count| number >= count) {
            break;
        }
        while begin.elapsed() < args.interval && watch.is_alive() {
            thread::sleep(PAUSE.min(args.interval.saturating_sub(begin.elapsed())));
        }
        if !watch.is_alive() {
            break;
        }
    }
    Ok(())
}

/// The screen, until a key, a signal or the number of looks ends it. True: the process has ended.
fn on_screen(args: &TopArgs, watch: &mut Watch, view: &mut View, keys: &Keys) -> Result<bool, Error> {
    show(ENTER);
    let mut looks = 0u64;
    let mut look: Option<Look> = None;
    let mut due = Instant::now();
    loop {
        let now = Instant::now();
        if now >= due && (look.is_none() || !view.is_paused) {
            if !watch.is_alive() {
                return Ok(true);
            }
            if args.count.is_some_and(|count| looks >= count) {
                return Ok(false);
            }
            let (_, height) = measures();
            view.rows_max = height.saturating_sub(screen::HEAD_LINES + 1).max(1);
            look = Some(watch.look(view)?);
            looks += 1;
            due = now + args.interval;
        }
        if let Some(look) = &look {
            draw(look, view);
        }
        let until = if view.is_paused { now + Duration::from_secs(3600) } else { due };
        let wish = match keys.next(until) {
            Came::Nothing => Wish::None,
            Came::Bytes(bytes) => view.take(&bytes),
            Came::Signal(libc::SIGWINCH) => Wish::Look,
            Came::Signal(libc::SIGTSTP) => {
                show(LEAVE);
                keys.restore();
                keys.stop();
                Wish::None
            }
            Came::Signal(libc::SIGCONT) => {
                keys.again().map_err(|cause| Error::System { what: "cannot use the terminal", cause })?;
                show(ENTER);
                Wish::Look
            }
            Came::Signal(_) | Came::End => Wish::Quit,
        };
        match wish {
            Wish::Quit => return Ok(false),
            // A look between two looks would make their rates jump: what is seen is looked at again when it is due.
            Wish::Look => due = due.min(Instant::now() + INTERVAL_MIN),
            Wish::None | Wish::Draw => {}
        }
    }
}

fn measures() -> (usize, usize) {
    terminal::size().unwrap_or((Style::default().columns, HEIGHT))
}

fn draw(look: &Look, view: &View) {
    let (columns, height) = measures();
    let style = Style { columns, ..Style::of_stdout() };
    let mut text = String::from("\x1b[H");
    for (place, line) in screen::lines(look, view, style, height).iter().enumerate() {
        text.push_str(if place == 0 { "" } else { "\r\n" });
        text.push_str(line);
        text.push_str("\x1b[K");
    }
    text.push_str("\x1b[J");
    show(&text);
}

/// A terminal that is gone is noticed by its keys.
fn show(text: &str) {
    let mut to = io::stdout().lock();
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_a_unit_and_is_no_shorter_than_a_tenth_of_a_second() {
        assert_eq!(parse_interval("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_interval("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["", "99ms", "0s", "x", "-1s", "ms", "1.5s"] {
            assert!(parse_interval(wrong).is_err(), "{wrong}");
        }
    }
}
