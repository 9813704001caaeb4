//! `memtrace repro`: a finding of a sweep again, in the foreground, with the terminal, or under gdb.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use super::model::{Finding, Mode, Sweep};
use super::result::IN_CHILDREN;
use super::{calls, file};
use crate::error::Error;
use crate::run::environment;
use crate::run::word;

/// What the names of results end with.
const SUFFIX: &str = ".sweep.json";

/// What `memtrace repro` takes.
#[derive(clap::Args, Debug)]
pub struct ReproArgs {
    /// The finding: its id in the report, or the beginning of it
    id: String,
    /// The result that it is in; by default the newest `*.sweep.json` here
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Under gdb, which stops where the call is about to fail
    #[arg(long, conflicts_with = "stop")]
    gdb: bool,
    /// Stop the program (SIGSTOP) where the call is about to fail, for a debugger to attach
    #[arg(long)]
    stop: bool,
    /// Print the command instead of running it
    #[arg(long)]
    print: bool,
}

/// Becomes the program.
pub fn command(args: &ReproArgs) -> Result<ExitCode, Error> {
    let path = args.from.clone().map_or_else(newest, Ok)?;
    let sweep = file::read(&path)?;
    let finding = find(&sweep, &args.id, &path)?;
    let preload = preload(&sweep)?;
    let mut variables = settings(&sweep, &finding.points, finding.mode);
    let action = if args.gdb { Some("trap") } else { args.stop.then_some("stop") };
    variables.extend(action.map(|action| ("MALLOC_FAIL_ACTION".to_owned(), action.to_owned())));
    let given = sweep.given.iter().flat_map(|given| given.split(',')).filter_map(|text| text.split_once('='));
    let is_unset = |&(name, _): &(&str, &str)| std::env::var_os(name).is_none();
    variables.extend(given.filter(is_unset).map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables.push(("LD_PRELOAD".to_owned(), preload));
    let program = if args.gdb { gdb(&variables, &sweep) } else { sweep.command.clone() };
    // gdb sets them for the program alone: it would trap itself.
    let given = if args.gdb { Vec::new() } else { variables };
    if args.print {
        let words = given.iter().map(|(name, value)| format!("{name}={}", word(value)));
        let line: Vec<String> = words.chain(program.iter().map(|argument| word(argument))).collect();
        println!("{}", line.join(" "));
        return Ok(ExitCode::SUCCESS);
    }
    let Some((name, arguments)) = program.split_first() else {
        return Err(Error::read(format!("sweep `{}`", path.display()), "it names no program"));
    };
    let cause = Command::new(name).args(arguments).envs(given).current_dir(directory(&sweep)).exec();
    Err(Error::CannotStart { path: name.into(), cause })
}

/// The libraries that make its calls fail.
pub fn preload(sweep: &Sweep) -> Result<String, Error> {
    let library = environment::library()?;
    let preload = calls::preload(&library, &crate::sys::environment(), sweep.calls.as_deref())?;
    Ok(preload.to_string_lossy().into_owned())
}

/// Where it ran, if that is still there.
fn directory(sweep: &Sweep) -> &Path {
    let directory = Path::new(&sweep.directory);
    if directory.is_dir() { directory } else { Path::new(".") }
}

/// The settings that make the same calls fail.
pub fn settings(sweep: &Sweep, points: &[String], mode: Mode) -> Vec<(String, String)> {
    let mut variables = vec![("MALLOC_FAIL_STACK".to_owned(), points.join(","))];
    if mode == Mode::Forever {
        variables.push(("MALLOC_FAIL_COUNT".to_owned(), "inf".to_owned()));
    }
    // That allocations count as well changes nothing: what lasts fails its own kind only.
    let more = calls::settings(sweep.calls.as_deref(), false).into_iter().chain([IN_CHILDREN.to_owned()]);
    variables.extend(
        more.collect::<Vec<_>>()
            .iter()
            .filter_map(|text| text.split_once('='))
            .map(|(name, value)| (name.into(), value.into())),
    );
    variables
}

fn gdb(variables: &[(String, String)], sweep: &Sweep) -> Vec<String> {
    let mut line = vec!["gdb".to_owned(), "-q".to_owned()];
    for (name, value) in variables {
        line.extend(["-ex".to_owned(), format!("set environment {name} {value}")]);
    }
    // The trap is ours: the program is not to see it.
    for command in ["set startup-with-shell off", "handle SIGTRAP stop print nopass", "run"] {
        line.extend(["-ex".to_owned(), command.to_owned()]);
    }
    line.push("--args".to_owned());
    line.extend(sweep.command.iter().cloned());
    line
}

fn find<'s>(sweep: &'s Sweep, id: &str, path: &Path) -> Result<&'s Finding, Error> {
    let found: Vec<&Finding> = sweep.findings.iter().filter(|finding| finding.id.starts_with(id)).collect();
    match found[..] {
        [finding] => Ok(finding),
        [] => Err(Error::read(format!("sweep `{}`", path.display()), format!("no finding `{id}` is in it"))),
        _ => {
            let ids: Vec<&str> = found.iter().map(|finding| finding.id.as_str()).collect();
            Err(Error::Usage { found: format!("`{id}` is the beginning of several findings: {}", ids.join(", ")) })
        }
    }
}

/// The newest result in the working directory.
fn newest() -> Result<PathBuf, Error> {
    let mut results: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(".").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(SUFFIX)
            && let Ok(modified) = entry.metadata().and_then(|about| about.modified())
        {
            results.push((modified, PathBuf::from(entry.file_name())));
        }
    }
    let newest = results.into_iter().max().map(|(_, path)| path);
    newest.ok_or_else(|| Error::Usage { found: format!("no result (`*{SUFFIX}`) here, expected one or `--from FILE`") })
}
