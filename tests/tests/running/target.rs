//! A program of `tests/running/` that runs: told by letters what to do, checked from outside, and gone with the test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memtrace_tests::{Ended, How, Place, Process, pair, read_profile, workspace};

/// Longer than any answer takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Compiles a program of `tests/running/`.
pub fn build(place: &Place, name: &str) -> PathBuf {
    let source = workspace().join("tests/running").join(name).with_extension("c");
    place.compile(&source, name, &["-pthread", "-lm", "-lrt"])
}

/// Letters for a program come through here.
pub struct Target<'p> {
    place: &'p Place,
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    profile: String,
    /// The program's own, not the launcher's.
    pub pid: u32,
}

/// How it ended.
pub struct Gone {
    /// `None`: it had to be killed.
    pub status: Option<ExitStatus>,
    /// Lines that nobody had heard yet.
    pub stdout: Vec<String>,
    /// All of it.
    pub stderr: String,
    /// Of its profiles.
    pub processes: Vec<Process>,
}

impl<'p> Target<'p> {
    /// Starts a program, and waits until it is ready.
    pub fn start(place: &'p Place, how: How, program: &Path, arguments: &[&str]) -> Self {
        Target::start_with(place, how, &[], program, arguments)
    }

    /// The same under a launcher that has options.
    pub fn start_with(place: &'p Place, how: How, options: &[&str], program: &Path, arguments: &[&str]) -> Self {
        let profile = place.unused_name();
        let mut command = match how {
            How::Native | How::Bare => Command::new(program),
            How::Run => {
                let mut command = Command::new(&pair().command);
                command.arg("run").arg("-o").arg(place.join(&profile)).args(options).arg("--").arg(program);
                command
            }
        };
        command.args(arguments).current_dir(place.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C");
        if how == How::Bare {
            command.env("LD_PRELOAD", &pair().library);
            command.env("MEMTRACE_JSON", place.join(&format!("{profile}.%p")));
        }
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut stderr = child.stderr.take().expect("it is a pipe");
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut target = Target { place, child, lines, stderr: Some(stderr), profile, pid: 0 };
        let line = target.hear();
        target.pid = line.strip_prefix("ready ").and_then(|pid| pid.parse().ok()).expect("it says who it is");
        target
    }

    /// Tells it something. Who is gone does not hear it.
    pub fn say(&mut self, letters: &str) {
        let _ = self.child.stdin.as_mut().expect("it is a pipe").write_all(letters.as_bytes());
    }

    /// Its next line.
    pub fn hear(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("it has something to say")
    }

    /// Its lines up to one.
    pub fn hear_until(&self, last: &str) -> Vec<String> {
        std::iter::repeat_with(|| self.hear()).take_while(|line| line != last).collect()
    }

    /// `memtrace leaks` of it, with these options.
    pub fn leaks(&self, options: &[&str]) -> Ended {
        leaks_of(self.place, self.pid, options)
    }

    /// What a check of it finds.
    pub fn check(&self) -> Process {
        process_of(self.place, &self.leaks(&["--format", "json"]))
    }

    /// Waits for its end. A program that does not end by itself is told to before.
    pub fn end(mut self) -> Gone {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("it is our child") {
                None if Instant::now() < until => thread::sleep(Duration::from_millis(2)),
                status => break status,
            }
        };
        self.kill();
        let stderr = self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let stdout = self.lines.iter().collect();
        let paths = self.place.files(&self.profile);
        let processes = paths.iter().flat_map(|path| read_profile(&self.place.join(path))).collect();
        Gone { status, stdout, stderr, processes }
    }

    /// Ends all of its group.
    fn kill(&mut self) {
        self.child.stdin.take();
        let group = format!("kill -KILL -{} 2>&-", self.child.id());
        let _ = Command::new("/bin/sh").args(["-c", &group]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Gone {
    /// Its exit status.
    pub fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }
}

/// `memtrace leaks` of a process.
pub fn leaks_of(place: &Place, pid: u32, options: &[&str]) -> Ended {
    let job = place.job(How::Native, &pair().command).arg("leaks").arg(pid.to_string());
    job.args(options.iter().copied()).run()
}

/// The process in what `memtrace leaks --format json` has written.
pub fn process_of(place: &Place, ended: &Ended) -> Process {
    assert!(matches!(ended.code(), Some(0 | 1)), "{}\n{:?} {}", ended.command, ended.code(), ended.stderr);
    let path = place.write(&place.unused_name(), &ended.stdout);
    let mut processes = read_profile(&path);
    let process = processes.pop().expect("it has a process");
    assert_eq!(processes.len(), 0, "{}", ended.command);
    process
}

/// Blocks of a size by what became of them, as `2 definite, 1 reachable`.
pub fn kinds(process: &Process, bytes: u64) -> String {
    let check = process.last_word().unwrap_or_else(|| panic!("nothing was classified: {}", process.json["checks"]));
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for key in ["leaks", "held"] {
        for row in check[key].as_array().into_iter().flatten() {
            let number = |key: &str| row[key].as_u64().unwrap_or(0);
            if number("blocks") * bytes == number("bytes") {
                *kinds.entry(row["kind"].as_str().unwrap_or("reachable")).or_default() += number("blocks");
            }
        }
    }
    kinds.iter().map(|(kind, blocks)| format!("{blocks} {kind}")).collect::<Vec<_>>().join(", ")
}

/// Rung and hindrance of the last check.
pub fn rung(process: &Process) -> (String, String) {
    let check = process.json["checks"].as_array().and_then(|checks| checks.last()).expect("there was a check");
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    (text("rung"), text("hindrance"))
}
