//! `memtrace report`: a profile, a recording or a sweep, read again.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use memtrace_wire::leaks::Kinds;

use crate::elsewhere::ElsewhereArgs;
use crate::error::Error;
use crate::formats::{self, Format, Out};
use crate::html;
use crate::input::Input;
use crate::pager;
use crate::profile::{self, Profile, Suppress};
use crate::rules::{self, Syntax};
use crate::sweep;
use crate::sweep::model::Sweep;
use crate::sweep::outcome::Level;
use crate::sweep::policy::{Day, Policy};
use crate::text::{self, Request, Style};
use crate::views::tree::Direction;
use crate::views::{self, By, Choice, Sort, leaks};
use crate::xml;

/// Stacks printed where `--top` says nothing.
const TOP: usize = 50;

/// What `memtrace report` takes.
#[derive(clap::Args, Debug)]
pub struct ReportArgs {
    /// Profile or sweep (JSON), or recording.
    file: PathBuf,
    /// Largest first by: live bytes, total bytes, bytes at the peak, number of allocations, temporary ones.
    #[arg(long, value_parser = sort(), default_value = "live")]
    sort: Sort,
    /// Rows to print, or `all`; 50 by default, all with `--format` other than text.
    #[arg(long, value_name = "N", value_parser = top)]
    top: Option<Top>,
    /// Only stacks with a frame whose function, file or module matches (`*` and `?` match any letters).
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// What makes a row.
    #[arg(long, value_parser = by(), default_value = "stack")]
    by: By,
    /// Tree of calls from the outermost callers down.
    #[arg(long, conflicts_with_all = ["bottom_up", "by", "format"])]
    top_down: bool,
    /// Tree of calls from the allocating functions up.
    #[arg(long, conflicts_with_all = ["by", "format"])]
    bottom_up: bool,
    /// Text, or JSON: the profile with the chosen stacks only; with `--by`, its rows. `valgrind-xml`: the leaks of one
    /// process as valgrind writes them.
    #[arg(long, value_parser = ["text", "json", "valgrind-xml"], default_value = "text")]
    format: String,
    /// Only rows with at least so many bytes, as `4096` or `10KiB`.
    #[arg(long, value_name = "N", value_parser = text::parse_bytes, default_value = "0")]
    min_bytes: u64,
    /// Kinds of leaks to print: `definite`, `possible`, `indirect`, `reachable` with commas between, or `all`; by
    /// default those of the process's MEMTRACE_SHOW.
    #[arg(long, value_name = "KINDS", value_parser = leaks::parse_kinds)]
    show: Option<Kinds>,
    /// Only blocks of stacks with a frame whose function, file or module matches, and for each what holds it: from
    /// a root, block by block.
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["by", "format", "top_down", "bottom_up", "filter", "show", "sort"])]
    why: Option<String>,
    /// File of leaks that are not reported, in the format of LSan or of valgrind, beside those of
    /// MEMTRACE_SUPPRESSIONS; may be given several times. What only suppressed blocks hold is suppressed where FILE is a
    /// recording; in a profile, stacks are matched one by one.
    #[arg(long, value_name = "FILE")]
    suppressions: Vec<PathBuf>,
    /// Instead of a report, rules that suppress the leaks that it would show, in the format of LSan or of valgrind.
    #[arg(
        long, value_name = "SYNTAX", num_args = 0..=1, require_equals = true, default_missing_value = "lsan",
        value_parser = syntax(), conflicts_with_all = ["by", "format", "top_down", "bottom_up", "sort", "why"]
    )]
    suppress: Option<Syntax>,
    /// Write the report to PATH, `-` for stdout, as `text`, `json`, `jsonl` (JSON lines), `junit`, `sarif` (2.1.0), `github`
    /// (annotations), `markdown`, `gitlab`, `tap` or `html`; of a profile as `text`, `json`, `valgrind-xml` or `html`. A file that is there is replaced; may be given several times
    #[arg(long, value_name = "FORMAT:PATH", value_parser = formats::parser(), conflicts_with = "format")]
    out: Vec<Out>,
    /// Policy for the findings of a sweep (TOML): rules `allow`, `known` and `ignore`, each with its reason.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Only the process with this pid.
    #[arg(long, value_name = "PID")]
    process: Option<u32>,
    /// Time, memory, sizes, threads and modules as curves and bars before the rows, and a curve with each stack: `auto` is on
    /// a terminal.
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never"], default_value = "auto")]
    overview: String,
    /// Print all at once on a terminal, instead of through PAGER or less.
    #[arg(long)]
    no_pager: bool,
    #[command(flatten)]
    elsewhere: ElsewhereArgs,
}

#[derive(Clone, Copy, Debug)]
enum Top {
    All,
    Rows(usize),
}

fn sort() -> ValueParser {
    PossibleValuesParser::new(Sort::WORDS).try_map(|word| word.parse::<Sort>()).into()
}

fn by() -> ValueParser {
    PossibleValuesParser::new(By::WORDS).try_map(|word| word.parse::<By>()).into()
}

fn syntax() -> ValueParser {
    PossibleValuesParser::new(Syntax::WORDS).try_map(|word| word.parse::<Syntax>()).into()
}

fn top(word: &str) -> Result<Top, String> {
    match word {
        "all" => Ok(Top::All),
        _ => word.parse().map(Top::Rows).map_err(|_| "expected a whole number or `all`".into()),
    }
}

/// The body of the command.
pub fn command(args: &ReportArgs) -> Result<ExitCode, Error> {
    let mut profile = match Input::read_from(&args.file, Suppress::of_option(&args.suppressions)?, &args.elsewhere)? {
        Input::Profile(profile) => profile,
        Input::Sweep(sweep) => return report_sweep(*sweep, args),
    };
    if args.policy.is_some() {
        let found = format!("`--policy` is for sweeps, and `{}` is none", args.file.display());
        return Err(Error::Usage { found });
    }
    if let Some(pid) = args.process {
        profile.keep_process(pid, &args.file)?;
    }
    if args.format == "valgrind-xml" || args.out.iter().any(|out| out.format == Format::ValgrindXml) {
        check_for_xml(&profile, &args.file)?;
    }
    let tree = match (args.top_down, args.bottom_up) {
        (true, _) => Some(Direction::TopDown),
        (false, true) => Some(Direction::BottomUp),
        (false, false) => None,
    };
    let is_always = args.overview == "always";
    let render = |word: &str, style: Style, has_overview: bool, to: &mut dyn Write| {
        let choice = choice(args, word);
        match (word, args.by) {
            ("json", By::Stack) => {
                let processes = profile.processes.iter().map(|process| views::restricted(process, &choice)).collect();
                Profile { processes, ..profile.head() }.write_json(to)
            }
            ("json", _) => profile::write_rows(&profile, &choice, to),
            ("valgrind-xml", _) => xml::write(&profile, args.show, &choice, to).map(|_| ()),
            ("html", _) if args.filter.is_none() && args.top.is_none() && args.min_bytes == 0 => {
                html::write(&html::Subject::Run(&profile, &[]), &html::Request::default(), to)
            }
            ("html", _) => {
                let processes = profile.processes.iter().map(|process| views::restricted(process, &choice)).collect();
                let chosen = Profile { processes, ..profile.head() };
                html::write(&html::Subject::Run(&chosen, &[]), &html::Request::default(), to)
            }
            _ => match args.suppress {
                Some(syntax) => rules::write(&profile, syntax, args.show, &choice, to),
                None if args.why.is_some() => text::why(&profile, &choice, to),
                None => text::report(&profile, &Request { choice, show: args.show, tree, has_overview, style }, to),
            },
        }
    };
    let of_profiles = [Format::Text, Format::Json, Format::ValgrindXml, Format::Html];
    if let Some(out) = args.out.iter().find(|out| !of_profiles.contains(&out.format)) {
        let (word, file) = (out.format.word(), args.file.display());
        let found = format!(
            "`{file}` is a profile, which is written as `text`, `json`, `valgrind-xml` or `html`, not as `{word}`"
        );
        return Err(Error::Usage { found });
    }
    formats::write(
        &args.out,
        |format, to| render(format.word(), Style::default(), is_always, to),
        |to| {
            let is_terminal = io::stdout().is_terminal();
            let has_overview = is_always || is_terminal && args.overview == "auto";
            let is_paged = args.format == "text" && !args.no_pager;
            pager::write(is_paged, to, |to| render(&args.format, Style::of_stdout(), has_overview, to))
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// What of a profile is shown in a format.
fn choice(args: &ReportArgs, word: &str) -> Choice {
    Choice {
        sort: args.sort,
        by: args.by,
        top: match (args.top, word) {
            (Some(Top::All), _) | (None, "json" | "valgrind-xml" | "html") => None,
            (None, _) if args.suppress.is_some() => None,
            (Some(Top::Rows(rows)), _) => Some(rows),
            (None, _) => Some(TOP),
        },
        filter: args.why.clone().or_else(|| args.filter.clone()),
        min_bytes: args.min_bytes,
    }
}

/// A sweep has rows of its own: what chooses and sorts those of a profile is refused.
fn report_sweep(mut sweep: Sweep, args: &ReportArgs) -> Result<ExitCode, Error> {
    let given = [
        ("--sort", args.sort != Sort::Live),
        ("--top", args.top.is_some()),
        ("--filter", args.filter.is_some()),
        ("--by", args.by != By::Stack),
        ("--top-down", args.top_down),
        ("--bottom-up", args.bottom_up),
        ("--format valgrind-xml", args.format == "valgrind-xml"),
        ("--min-bytes", args.min_bytes > 0),
        ("--show", args.show.is_some()),
        ("--why", args.why.is_some()),
        ("--suppressions", !args.suppressions.is_empty()),
        ("--suppress", args.suppress.is_some()),
        ("--process", args.process.is_some()),
        ("--overview", args.overview != "auto"),
    ];
    if let Some((option, _)) = given.iter().find(|(_, is_given)| *is_given) {
        let file = args.file.display();
        return Err(Error::Usage { found: format!("`{option}` is for profiles, and `{file}` is a sweep") });
    }
    if let Some(policy) = &args.policy {
        let notes = Policy::read(policy)?.apply(&mut sweep, Day::today());
        sweep.notes.extend(notes);
    }
    match args.format.as_str() {
        "json" => formats::write(&args.out, |_, _| Ok(()), |to| sweep::file::write(&sweep, to))?,
        _ => sweep::out::write(&sweep, &args.out, |outcome| outcome.level() == Level::Bad)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A document holds one process, and only leaks.
fn check_for_xml(profile: &Profile, file: &Path) -> Result<(), Error> {
    let pids: BTreeSet<u32> = profile.processes.iter().map(|process| process.pid).collect();
    if pids.len() > 1 {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let found = format!("{} processes, expected one: choose it with `--process`: {}", pids.len(), pids.join(", "));
        return Err(Error::read(format!("`{}`", file.display()), found));
    }
    match profile.processes.last().and_then(leaks::last_word) {
        Some(_) => Ok(()),
        None => {
            Err(Error::read(format!("`{}`", file.display()), "no leaks were looked for at the end of this process"))
        }
    }
}
