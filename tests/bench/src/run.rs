//! One run of one command: what it took.
//!
//! Everything is started by `step`, a small static program (see `workloads/step.c`), which reads times and peak RSS
//! from wait4(2). Variables such as `LD_PRELOAD` mean nothing to a static program, so only the target obeys them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::find;
use crate::kit::Kit;
use crate::place::Place;
use crate::way::Start;

/// How long a server may take until it can be asked something.
const SERVER_START_MAX: Duration = Duration::from_secs(20);
/// How long its end may take once it has begun; `step` gives a late target 2 s.
const SERVER_END_MAX: Duration = Duration::from_secs(4);

/// What a run took.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Took {
    /// User and system time of the target and all that it waited for, in seconds.
    pub cpu_s: f64,
    /// From start to end.
    pub wall_s: f64,
    /// Peak RSS of the largest process.
    pub rss_bytes: u64,
    /// Files that it left in its working directory.
    pub output_bytes: u64,
}

/// Runs commands in a place.
#[derive(Debug)]
pub struct Runner<'p> {
    place: &'p Place,
    step: PathBuf,
    /// The longest that a run may take.
    pub patience_s: u64,
}

impl<'p> Runner<'p> {
    /// With `step` compiled.
    pub fn new(place: &'p Place, kit: &Kit<'_>, patience_s: u64) -> Result<Runner<'p>, Error> {
        Ok(Runner { place, step: kit.program("step")?, patience_s })
    }

    /// Runs a command so many times, one after the other; what it took is that of all. The error is what the cell says.
    pub fn run(&self, start: &Start, times: u64, clients: &[Vec<String>]) -> Result<Took, String> {
        self.place.clear_out().map_err(|error| error.to_string())?;
        let errors = self.place.join("errors");
        let _ = fs::remove_file(&errors);
        let mut command = self.place.command(&self.step);
        command.arg(self.patience_s.to_string()).arg(times.to_string()).arg(&errors).args(&start.words);
        command.envs(start.variables.iter().cloned()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|cause| format!("failed ({cause})"))?;
        let served = if clients.is_empty() { Ok(()) } else { self.serve(&mut child, clients) };
        let output = child.wait_with_output().map_err(|cause| format!("failed ({cause})"))?;
        served?;
        let line = String::from_utf8_lossy(&output.stdout);
        if let (Some(leaves), Some(pid)) = (start.leaves, line.split_whitespace().nth(4)) {
            let _ = fs::remove_file(leaves.replace("%p", pid));
        }
        let took = read(&line, self.patience_s)?;
        Ok(Took { output_bytes: self.place.out_bytes(), ..took })
    }

    /// The target's stderr in the last run.
    pub fn errors(&self) -> String {
        fs::read(self.place.join("errors")).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Waits for the server, then runs its clients. A server that does not answer is ended.
    fn serve(&self, step: &mut Child, clients: &[Vec<String>]) -> Result<(), String> {
        let until = Instant::now() + SERVER_START_MAX;
        let ended = |step: &mut Child| step.try_wait().is_ok_and(|status| status.is_some());
        let socket = self.place.join("redis");
        while fs::metadata(&socket).is_err() {
            if ended(step) || Instant::now() > until {
                self.stop(step);
                return Err("failed (no server)".to_owned());
            }
            thread::sleep(Duration::from_millis(5));
        }
        for words in clients {
            let program = Path::new(&words[0]);
            let mut command = self.place.command(program);
            command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
            if command.status().is_ok_and(|status| status.success()) {
                continue;
            }
            // A server that was late or died says more than its client, if it is given the time.
            let until = Instant::now() + SERVER_END_MAX;
            while !ended(step) && Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
            if !ended(step) {
                self.stop(step);
                let name = program.file_name().unwrap_or_default().to_string_lossy();
                return Err(format!("failed ({name} ended badly)"));
            }
            break;
        }
        // A server that was killed leaves its socket behind.
        let _ = step.wait();
        let _ = fs::remove_file(&socket);
        Ok(())
    }

    /// Asks `step` to end the target, by its id.
    fn stop(&self, step: &Child) {
        if let Some(kill) = find::program("kill") {
            let _ = self.place.command(&kill).arg(step.id().to_string()).status();
        }
        let _ = fs::remove_file(self.place.join("redis"));
    }
}

/// The line that `step` prints.
fn read(line: &str, patience_s: u64) -> Result<Took, String> {
    let mut words = line.split_whitespace();
    let state = words.next().unwrap_or("nothing said");
    let numbers: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    match (state, state.parse::<i32>(), &numbers[..]) {
        ("0", _, &[cpu_us, rss_kib, wall_us, _]) => Ok(Took {
            cpu_s: cpu_us / 1e6,
            wall_s: wall_us / 1e6,
            rss_bytes: (rss_kib * 1024.0) as u64,
            output_bytes: 0,
        }),
        ("late", ..) => Err(format!("over {patience_s} s")),
        (_, Ok(signal @ ..0), _) => Err(format!("failed (signal {})", -signal)),
        _ => Err(format!("failed (status {state})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_step_is_read() {
        let took = read("0 1500000 2048 2000000 77\n", 9).unwrap();
        assert_eq!(took, Took { cpu_s: 1.5, wall_s: 2.0, rss_bytes: 2 << 20, output_bytes: 0 });
        assert_eq!(read("late 1 2 3\n", 9), Err("over 9 s".to_owned()));
        assert_eq!(read("-11 1 2 3\n", 9), Err("failed (signal 11)".to_owned()));
        assert_eq!(read("7 1 2 3\n", 9), Err("failed (status 7)".to_owned()));
        assert_eq!(read("", 9), Err("failed (status nothing said)".to_owned()));
    }

    #[test]
    fn step_says_what_a_target_took() {
        let place = Place::new().unwrap();
        let kit = Kit::new(&place);
        let runner = Runner::new(&place, &kit, 20).unwrap();
        let shell = |script: &str| Start {
            words: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            variables: vec![("TEN".to_owned(), "10".to_owned())],
            leaves: None,
        };
        let took = runner.run(&shell("printf 1234567890 >file; test $TEN = 10"), 3, &[]).unwrap();
        assert_eq!(took.output_bytes, 10);
        assert!(took.rss_bytes > 100_000 && took.rss_bytes < 8_000_000, "{took:?}");
        assert_eq!(runner.run(&shell("echo no >&2; exit 7"), 1, &[]), Err("failed (status 7)".to_owned()));
        assert_eq!(runner.errors(), "no\n");
        assert_eq!(runner.run(&shell("kill -9 $$"), 1, &[]), Err("failed (signal 9)".to_owned()));
    }
}
