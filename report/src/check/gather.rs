//! What a check is made of: profiles that are there, or a command that is run now.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use memtrace_wire::leaks::Kinds;

use super::policy::Policy;
use crate::elsewhere::ElsewhereArgs;
use crate::error::{CLEAN, Error};
use crate::input::Input;
use crate::profile::{Options, Profile, Suppress};
use crate::recording::Recording;
use crate::run::session::{self, Way};
use crate::run::target::Target;
use crate::run::{Ended, environment, python};
use crate::sys::{self, Pid};
use crate::text::passive;

/// The shortest and the longest time between two looks at processes that live on.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// However short the wait: what reads the copy of a process that has just ended is over by then.
const GRACE: Duration = Duration::from_millis(50);
/// So much of a program is looked at for the names of libraries.
const PROGRAM_BYTES_MAX: u64 = 64 << 20;

/// What is to be examined.
#[derive(Default)]
pub struct What<'w> {
    /// Profiles.
    pub profiles: &'w [PathBuf],
    /// Or a command.
    pub command: &'w [OsString],
    /// Processes that a signal is about to kill are checked.
    pub crash: bool,
    /// How long processes are waited for that outlive the command.
    pub wait: Duration,
    /// Where the profile goes.
    pub keep: Option<&'w PathBuf>,
    /// A report is wanted that shows all stacks.
    pub has_page: bool,
    /// CPython is told nothing.
    pub no_python_env: bool,
    /// Where the files of profiles' and recordings' names are.
    pub elsewhere: ElsewhereArgs,
}

/// What there is to judge.
pub struct Gathered {
    /// All processes.
    pub profile: Profile,
    /// The command's pid and its end.
    pub target: Option<(Pid, Ended)>,
    /// Processes that outlived it, and the wait for them.
    pub living: BTreeSet<Pid>,
    /// Why the library was not taken by the command, where that is what it failed for.
    pub refused: Option<&'static str>,
    /// What went wrong after it: its own failure is the greater news.
    pub trouble: Option<Error>,
}

/// Reads the profiles, or runs the command.
pub fn gather(what: &What, policy: &Policy) -> Result<Gathered, Error> {
    match (what.profiles, what.command) {
        ([], []) => Err(Error::Usage { found: "nothing to check, expected PROFILE or `-- CMD`".to_owned() }),
        (profiles, []) => read(profiles, &what.elsewhere, policy),
        ([], command) => run(command, what, policy),
        ([first, ..], _) => {
            let found = format!("both a profile `{}` and a command, expected one of them", first.display());
            Err(Error::Usage { found })
        }
    }
}

fn read(paths: &[PathBuf], elsewhere: &ElsewhereArgs, policy: &Policy) -> Result<Gathered, Error> {
    let mut all: Option<Profile> = None;
    let suppress = Suppress::of_option(&policy.suppressions)?;
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        let found = format!("no profile `{}`: a command stands behind `--`", missing.display());
        return Err(Error::Usage { found });
    }
    for path in paths {
        let profile = match Input::read_from(path, suppress.clone(), elsewhere)? {
            Input::Profile(profile) => *profile,
            Input::Sweep(_) => {
                return Err(Error::read(format!("`{}`", path.display()), "it is a sweep, expected a profile"));
            }
        };
        match &mut all {
            None => all = Some(profile),
            Some(all) => {
                all.processes_lost = all.processes_lost.saturating_add(profile.processes_lost);
                all.suppressions.extend(profile.suppressions);
                all.processes.extend(profile.processes);
            }
        }
    }
    let profile = all.unwrap_or_else(Profile::without_processes);
    Ok(Gathered { profile, target: None, living: BTreeSet::new(), refused: None, trouble: None })
}

fn run(command: &[OsString], what: &What, policy: &Policy) -> Result<Gathered, Error> {
    let mut variables = sys::environment();
    let rules = Suppress::rules_of(&policy.suppressions)?;
    let suppress = Suppress::new(&rules).map(Rc::new);
    let target = Target::find(command, environment::search_path(&variables))?;
    if !what.no_python_env {
        python::tell(&target, &mut variables);
    }
    // Who wants no more than the verdict pays for no looks.
    let has_history = what.keep.is_some() || what.has_page;
    let way = Way { naming: None, suppress: &suppress, crash: what.crash, fatal: false, rounds: None, has_history };
    let mut ran = session::run(&target, variables, way)?;
    let pasts = Rc::new(std::mem::take(&mut ran.pasts));
    let failed = |cause| Error::System { what: "cannot read the recording", cause };
    let collected = (|| {
        let began = Instant::now();
        let mut pause = PAUSES[0];
        let mut living = ran.living()?;
        while !living.is_empty() && began.elapsed() < what.wait.max(GRACE) {
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSES[1]);
            living = ran.living()?;
        }
        let read = Recording::from_file(ran.recording.file().map_err(failed)?, "recording")?;
        let wants_all = policy.needs_all_names() || what.keep.is_some() || what.has_page;
        let options = Options {
            ends: [(ran.pid as u32, ran.end())].into(),
            // Lost blocks alone have names then.
            largest: (!wants_all).then_some(usize::MAX),
            kinds: Some(if wants_all { Kinds::ALL } else { policy.kinds }),
            suppress: suppress.clone(),
            pasts,
            ..Options::default()
        };
        Ok((Profile::build(&read, &options)?, living))
    })();
    let (pid, ended) = (ran.pid, ran.ended);
    ran.keeper.dismiss();
    let (profile, living, mut trouble) = match collected {
        Ok((profile, living)) => (profile, living, None),
        Err(error) => (Profile::without_processes(), BTreeSet::new(), Some(error)),
    };
    if let Some(path) = what.keep.filter(|_| trouble.is_none()) {
        trouble = crate::formats::file(path, 0o600, &mut |to| profile.write_json(to)).err();
    }
    let is_refused = profile.processes.is_empty() && ended != Ended::Exited(CLEAN) && is_sanitized(&target.path);
    let refused = is_refused.then(|| passive("sanitizer"));
    Ok(Gathered { profile, target: Some((pid, ended)), living, refused, trouble })
}

/// Whether a program is linked with a sanitizer's library, which ends it where another library comes first.
fn is_sanitized(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PROGRAM_BYTES_MAX).read_to_end(&mut bytes));
    let names: [&[u8]; 4] = [b"libasan.so", b"libtsan.so", b"liblsan.so", b"libhwasan.so"];
    read.is_ok() && names.iter().any(|name| bytes.windows(name.len()).any(|window| window == *name))
}
