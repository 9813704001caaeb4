//! `memtrace push URL`: files go to a store of the user's over HTTP, and none is lost on the way.
//!
//! ```text
//!   files ─▶ spool (on disk) ─▶ POST ─▶ store
//!               ▲   └── out of it when the store has said that it has the file
//!               └────── everything else: again, later, at the next push
//! ```
//!
//! A store that has a file, and dies before it says so, gets it twice: each carries an `Idempotency-Key` of its own.

mod http;
mod spool;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::elsewhere::ElsewhereArgs;
use crate::error::{CLEAN, Error, FAILED};
use crate::export::{self, Target};
use crate::leaks::parse_time;
use crate::sys;
use crate::text::{Safe, count};
use http::{Answer, Header, Store};
use spool::Spool;

/// The first pause, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(30)];
/// How often somebody who sends from the same spool is asked after.
const TURN: Duration = Duration::from_millis(50);

/// What `memtrace push` takes.
#[derive(clap::Args, Debug)]
pub struct PushArgs {
    /// Where each file is posted to; what the store wants to know of them stands in its query
    #[arg(value_name = "URL", value_parser = http::parse_url)]
    pub url: String,
    /// Files, profiles say; without any, what earlier pushes could not deliver to URL is sent
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Profiles and recordings are posted in this format of another profiler, as `memtrace export` writes it; without it each
    /// file goes as it is
    #[arg(long, value_name = "FORMAT", value_parser = export::whole_target())]
    pub to: Option<Target>,
    /// A header of each request, for the store: `Authorization: Bearer …`; may be given several times. It is not kept
    #[arg(long, value_name = "NAME: VALUE", value_parser = http::parse_header)]
    pub header: Vec<Header>,
    /// The directory that keeps what is not delivered; by default memtrace/spool below XDG_STATE_HOME, or ~/.local/state
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// How long a store that does not answer is tried again: `30s`, `5m`, `1h`
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, default_value = "1m")]
    pub patience: Duration,
    #[command(flatten)]
    pub elsewhere: ElsewhereArgs,
}

/// Takes the files into the spool, and sends what it has. Status 3: not all is delivered, and the spool keeps the rest.
pub fn command(args: &PushArgs) -> Result<ExitCode, Error> {
    let spool = Spool::open(args.spool.as_deref())?;
    // All of them first: whatever happens from here on, they are kept.
    for file in &args.files {
        match args.to {
            Some(to) => spool.take_made(&export::whole(file, to, &args.elsewhere)?, &args.url)?,
            None => spool.take(file, &args.url)?,
        }
    }
    let until = Instant::now() + args.patience;
    let Some(_turn) = turn(&spool, until)? else {
        return Ok(kept(&spool, &args.url, "another push has the spool"));
    };
    let store = Store::new(&args.url, &args.header);
    let (mut sent, mut refused) = (0u64, None);
    let mut trouble = None;
    for entry in spool.entries(&args.url)? {
        let body = match entry.body() {
            Ok(body) => body,
            Err(error) => {
                refused = Some(error.to_string());
                continue;
            }
        };
        match deliver(&store, &entry.name, &body, until) {
            Answer::Taken => {
                spool.forget(&entry)?;
                sent += 1;
            }
            // The next file may be better; this one stays for whoever corrects what is wrong.
            Answer::Refused(why) => refused = Some(format!("{}: {why}", entry.name)),
            Answer::Later(why, _) => {
                trouble = Some(why);
                break;
            }
        }
    }
    if sent > 0 {
        sys::say(&format!("memtrace: {} delivered to {}\n", count(sent, "file"), shown(&args.url)));
    }
    match trouble.or(refused) {
        Some(why) => Ok(kept(&spool, &args.url, &why)),
        None => Ok(ExitCode::from(CLEAN)),
    }
}

/// Waits until nobody else sends from the spool.
fn turn(spool: &Spool, until: Instant) -> Result<Option<spool::Turn>, Error> {
    loop {
        match spool.turn()? {
            None if Instant::now() < until => thread::sleep(TURN),
            turn => return Ok(turn),
        }
    }
}

/// Tries until the store has answered, or the time is up.
fn deliver(store: &Store, name: &str, body: &[u8], until: Instant) -> Answer {
    let mut pause = PAUSES[0];
    loop {
        let answer = store.post(name, body);
        let Answer::Later(_, wish) = &answer else { return answer };
        let now = Instant::now();
        // Half of it at random, so that many who wait for one store do not come back at once.
        let share = sys::random().unwrap_or(0) % 512 + 512;
        let wait = (pause * share as u32 / 1024).max(wish.unwrap_or_default());
        if now + wait >= until {
            return answer;
        }
        thread::sleep(wait);
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Says what is not delivered, and why.
fn kept(spool: &Spool, url: &str, why: &str) -> ExitCode {
    let left = spool.entries(url).map_or(0, |entries| entries.len() as u64);
    let verb = if left == 1 { "is" } else { "are" };
    sys::say(&format!(
        "memtrace: {} {verb} not delivered to {}: {}\nhint: the next `memtrace push` to it sends what {} keeps\n",
        count(left, "file"),
        shown(url),
        Safe(why),
        Safe(&spool.path().to_string_lossy()),
    ));
    ExitCode::from(FAILED)
}

/// A URL without the name and password that may stand in it: messages end up in logs.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Safe(&format!("{scheme}://{host}{path}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (url, text) in [
            ("http://me:secret@store:4040/a@b?c@d", "http://store:4040/a@b?c@d"),
            ("http://store/", "http://store/"),
            ("http://me:se@cret@store?x", "http://store?x"),
        ] {
            assert_eq!(shown(url), text);
        }
    }
}
