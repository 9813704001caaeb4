//! What `memtrace html` takes, and its body.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{ROWS_MAX, Request, Subject};
use crate::error::Error;
use crate::formats::{self, Format, Out};
use crate::input::Input;
use crate::profile::{Profile, Suppress};
use crate::progress;
use crate::sweep::model::Sweep;
use crate::sweep::policy::{Day, Policy};
use crate::text::thousands;

/// `memtrace html`.
#[derive(clap::Args, Debug)]
pub struct HtmlArgs {
    /// Profiles and recordings, or one sweep
    #[arg(value_name = "FILE", required_unless_present = "diff")]
    files: Vec<PathBuf>,
    /// Instead of these, what changed from one profile to another
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with = "files")]
    diff: Vec<PathBuf>,
    /// The page; `-` is stdout. A file that is there is replaced
    #[arg(short, long, value_name = "PATH", default_value = "memtrace.html")]
    output: PathBuf,
    /// Stacks on the page, the heaviest of all processes, or 0 for all
    #[arg(long, value_name = "N", default_value_t = ROWS_MAX)]
    top: usize,
    /// Put the lines of source files around each frame into the page, too
    #[arg(long)]
    sources: bool,
    /// File of leaks that are not reported, in the format of LSan or of valgrind, beside those of
    /// MEMTRACE_SUPPRESSIONS; may be given several times
    #[arg(long, value_name = "FILE")]
    suppressions: Vec<PathBuf>,
    /// Policy for the findings of a sweep (TOML): rules `allow`, `known` and `ignore`, each with its reason
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// The body of the command.
pub fn command(args: &HtmlArgs) -> Result<ExitCode, Error> {
    let rows_max = if args.top == 0 { usize::MAX } else { args.top };
    let request = Request { rows_max, has_sources: args.sources, heads: Vec::new() };
    if let [before, after] = args.diff.as_slice() {
        let files = [before, after].map(|path| path.display().to_string());
        let (before, after) = (profile(before, args)?, profile(after, args)?);
        return write(&Subject::Change([&before, &after], files, None), &request, args);
    }
    let mut all = Profile::without_processes();
    let mut files = Vec::new();
    for path in &args.files {
        match Input::read(path, Suppress::of_option(&args.suppressions)?)? {
            Input::Sweep(mut sweep) if args.files.len() == 1 => {
                accept(&mut sweep, args.policy.as_deref())?;
                return write(&Subject::Sweep(&sweep), &request, args);
            }
            Input::Sweep(_) => {
                let found = format!("`{}` is a sweep, expected a page of it alone", path.display());
                return Err(Error::Usage { found });
            }
            Input::Profile(profile) => {
                all.processes_lost = all.processes_lost.saturating_add(profile.processes_lost);
                all.suppressions.extend(profile.suppressions);
                files.extend(profile.processes.iter().map(|_| path.display().to_string()));
                all.processes.extend(profile.processes);
            }
        }
    }
    if args.policy.is_some() {
        return Err(Error::Usage { found: "`--policy` is for a sweep".to_owned() });
    }
    if args.files.len() == 1 {
        files.clear();
    }
    write(&Subject::Run(&all, &files), &request, args)
}

fn profile(path: &Path, args: &HtmlArgs) -> Result<Profile, Error> {
    match Input::read(path, Suppress::of_option(&args.suppressions)?)? {
        Input::Profile(profile) => Ok(*profile),
        Input::Sweep(_) => Err(Error::read(format!("`{}`", path.display()), "it is a sweep, expected a profile")),
    }
}

fn accept(sweep: &mut Sweep, policy: Option<&Path>) -> Result<(), Error> {
    if let Some(policy) = policy {
        let notes = Policy::read(policy)?.apply(sweep, Day::today());
        sweep.notes.extend(notes);
    }
    Ok(())
}

fn write(subject: &Subject, request: &Request, args: &HtmlArgs) -> Result<ExitCode, Error> {
    let mut page = Vec::new();
    let failed = |cause| Error::System { what: "cannot make the page", cause };
    progress::during("making the page", || super::write(subject, request, &mut page)).map_err(failed)?;
    let out = Out { format: Format::Html, path: args.output.clone() };
    let is_file = !out.is_stdout();
    formats::write(&[out], |_, to| to.write_all(&page), |_| Ok(()))?;
    if is_file {
        let (path, bytes) = (args.output.display(), thousands(page.len() as u64));
        eprintln!("memtrace: page {path}, {bytes} bytes: open it in a browser");
    }
    Ok(ExitCode::SUCCESS)
}
