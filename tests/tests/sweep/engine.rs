//! `memtrace sweep` run on a program, and what its JSON says.

use std::path::Path;
use std::time::Duration;

use memtrace_tests::{Ended, How, pair, read_json};

use crate::target::Target;
use crate::truth::{ANY, Outcomes, outcome};

/// More than the budget of a sweep.
const PATIENCE: Duration = Duration::from_secs(90);

/// What it said.
#[derive(Debug)]
pub struct Swept {
    pub ended: Ended,
    /// `None`: it wrote no result.
    pub result: Option<Sweep>,
}

/// A result.
#[derive(Debug)]
pub struct Sweep {
    pub findings: Vec<Finding>,
    /// Findings with their modes, other outcomes without.
    pub outcomes: Outcomes,
}

/// One of its findings.
#[derive(Debug)]
pub struct Finding {
    pub mode: String,
    pub outcome: String,
    /// The function that crashes.
    pub site: String,
    /// What called the allocation that failed.
    pub caller: String,
    /// Functions on the stacks of the crash and of all failed calls that came to it.
    pub functions: Vec<String>,
}

/// Sweeps with a small budget.
pub fn sweep(target: &Target<'_>, options: &[&str]) -> Swept {
    let path = target.place.join("sweep.json");
    let mut job = target.place.job(How::Native, &pair().command).patience(PATIENCE).input(target.input.clone());
    job = job.arg("sweep").arg("-o").arg(&path);
    job = job.args(["--budget", "60s", "--jobs", "2", "--timeout", "2s"]).args(options);
    job = job.arg("--").arg(&target.program).args(&target.arguments);
    for (name, value) in &target.variables {
        job = job.env(name, value);
    }
    let ended = job.run();
    Swept { ended, result: path.is_file().then(|| Sweep::read(&path)) }
}

impl Sweep {
    fn read(path: &Path) -> Sweep {
        let result = read_json(path);
        let functions = |stack: u64| {
            let frames =
                result["stacks"][stack as usize].as_array().into_iter().flatten().filter_map(|frame| frame.as_u64());
            frames.filter_map(|frame| result["frames"][frame as usize]["function"].as_str()).map(str::to_owned)
        };
        let findings = result["findings"].as_array().into_iter().flatten().map(|finding| {
            let field =
                |path: &str| finding.pointer(path).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
            let its: Vec<&str> =
                finding["all_points"].as_array().into_iter().flatten().filter_map(|id| id.as_str()).collect();
            let points = result["points"].as_array().into_iter().flatten();
            let points = points.filter(|point| point["id"].as_str().is_some_and(|id| its.contains(&id)));
            let stacks = points.map(|point| &point["stack"]).chain([&finding["crash"]["stack"]]);
            Finding {
                mode: field("/mode"),
                outcome: field("/outcome"),
                site: field("/crash/function"),
                caller: field("/failed/caller"),
                functions: stacks.filter_map(|stack| stack.as_u64()).flat_map(functions).collect(),
            }
        });
        let findings: Vec<Finding> = findings.collect();
        let mut outcomes: Outcomes = findings.iter().map(|finding| outcome(&finding.mode, &finding.outcome)).collect();
        // What is no finding has a count only.
        for (name, count) in result["outcomes"].as_object().into_iter().flatten() {
            let is_finding = findings.iter().any(|finding| finding.outcome == *name);
            if count.as_u64() != Some(0) && !is_finding {
                outcomes.insert(outcome(ANY, name));
            }
        }
        Sweep { findings, outcomes }
    }
}
