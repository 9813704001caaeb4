//! One run: a target that is started with a recording of its own, and waited for.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::time::Duration;

use memtrace_wire::leaks::Kinds;
use memtrace_wire::settings;

use super::ask::Answers;
use super::crash::Watch;
use super::environment;
use super::keeper::{self, Keeper};
use super::memfd::Recording;
use super::note::Note;
use super::profiles::{Naming, Suppressed};
use super::sampler::Sampler;
use super::target::Target;
use super::wait::{self, Ended};
use crate::error::Error;
use crate::leaks::Rounds;
use crate::profile::{EndStatus, Pasts};
use crate::suppress::Rules;
use crate::sys::{self, Pid};

/// How a target is run.
pub struct Way<'w> {
    /// How the profiles are named that the keeper writes if the launcher dies; `None`: it writes none.
    pub naming: Option<&'w Naming>,
    /// Leaks that are none.
    pub suppress: &'w Suppressed,
    /// Processes that a signal is about to kill are checked.
    pub crash: bool,
    /// The first heap error ends a process.
    pub fatal: bool,
    /// The target is checked again and again while it runs.
    pub rounds: Option<(Duration, Option<Kinds>, Rules)>,
    /// The processes are looked at while they run.
    pub has_history: bool,
}

impl Way<'_> {
    /// What it says to the library, where the environment says nothing else.
    fn settings(&self, variables: &[CString]) -> Vec<Vec<u8>> {
        let asked = [("MEMTRACE_FREE_STACKS", self.crash), ("MEMTRACE_FATAL", self.fatal)];
        let is_set =
            |name: &str| variables.iter().any(|variable| settings::value_of(variable.to_bytes(), name).is_some());
        let wanted = asked.iter().filter(|&&(name, is_asked)| is_asked && !is_set(name));
        wanted.map(|(name, _)| format!("{name}=1").into_bytes()).collect()
    }
}

/// A run whose target has ended.
pub struct Ran {
    /// What was recorded; others may still write to it.
    pub recording: Recording,
    /// Its MEMTRACE_RUN.
    pub address: String,
    /// Who holds it for them.
    pub keeper: Keeper,
    /// The target.
    pub pid: Pid,
    /// How it ended.
    pub ended: Ended,
    /// What was seen of the processes while they ran.
    pub pasts: Pasts,
}

/// Starts the target and waits for its end. `Err`: nothing was started.
pub fn run(target: &Target, variables: Vec<CString>, way: Way) -> Result<Ran, Error> {
    let preload = environment::preload(&environment::library()?, &variables)?;
    let recording = Recording::with_settings(&way.settings(&variables))?;
    let failed = |cause| Error::System { what: "cannot read the recording", cause };
    let answers = Answers::to(recording.file().map_err(failed)?);
    let keeper = Keeper::start(&recording, way.naming, way.suppress.clone())?;
    let address = recording.address(keeper.pid);
    let held = sys::hold_signals(wait::HELD);
    let program = target.program(environment::for_target(variables, &preload, &address));
    let mut watch = None;
    let announce = |pid| {
        keeper.tell(&Note::Started(pid));
        // Before exec: a short target would be over.
        watch = way.crash.then(|| Watch::begin(pid, target, &recording));
    };
    let pid = match sys::start(&program, &held, announce) {
        Ok(pid) => pid,
        Err(cause) => {
            keeper.dismiss();
            return Err(Error::CannotStart { path: target.path.clone(), cause });
        }
    };
    // From here on the launcher's words to a closed stderr must not kill it.
    sys::ignore(libc::SIGPIPE);
    // Nor must a profile that the user's limit has no room for.
    sys::ignore(libc::SIGXFSZ);

    let mut sampler = recording.file().ok().filter(|_| way.has_history).and_then(Sampler::of);
    let rounds = way.rounds.map(|(every, show, rules)| Rounds::start(pid as u32, every, show, rules));
    let ended = match watch {
        Some(Ok(watch)) => wait::watched(watch, pid, answers, sampler.as_mut())?,
        Some(Err(why)) => {
            sys::say(&format!("memtrace: deaths by signal are not looked at: {why}\n"));
            wait::until_the_end(pid, None, answers, sampler.as_mut())?
        }
        None => wait::until_the_end(pid, rounds, answers, sampler.as_mut())?,
    };
    let pasts = sampler.map(Sampler::finish).unwrap_or_default();
    let ran = Ran { recording, address, keeper, pid, ended, pasts };
    ran.keeper.tell(&Note::Ended(ran.end()));
    Ok(ran)
}

impl Ran {
    /// Processes that may still record.
    pub fn living(&self) -> Result<BTreeSet<Pid>, Error> {
        keeper::living(&self.recording, &self.address)
    }

    /// How the target ended, as profiles say it.
    pub fn end(&self) -> EndStatus {
        match self.ended {
            Ended::Exited(status) => EndStatus::Exited(status.into()),
            Ended::Killed(signal) => EndStatus::Killed(signal),
        }
    }
}
