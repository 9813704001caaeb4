//! The Firefox Profiler's own reader, on a terminal: the front end's code, which checks and upgrades a file as the page does.

use std::path::{Path, PathBuf};

use memtrace_tests::{Ended, How, Json, PATIENCE};

use crate::work::{Work, of, tool_path};

/// The reader, with a home of its own. It keeps a file open in a process of its own, which ends with this.
struct Reader<'w> {
    work: &'w Work,
    node: PathBuf,
    script: PathBuf,
}

impl<'w> Reader<'w> {
    /// Nothing: it is not installed, which is said.
    fn of(work: &'w Work) -> Option<Reader<'w>> {
        let node = tool_path("node")?;
        let script = std::env::var_os("MEMTRACE_TEST_TOOLS").map(|tools| Path::new(&tools).join("profiler-cli.js"));
        let Some(script) = script.filter(|path| path.is_file()) else {
            println!("skipped: there is no profiler-cli.js");
            return None;
        };
        Some(Reader { work, node, script })
    }

    fn run(&self, words: &[&str]) -> Ended {
        let job = self.work.place.job(How::Native, &self.node).patience(PATIENCE * 2);
        job.env("HOME", self.work.place.path()).arg(&self.script).args(words.iter().copied()).run()
    }

    /// Opens a file. The reader waits half a second for the process that it starts, which is not enough on a busy machine.
    fn open(&self, file: &str) {
        let mut ended = self.run(&["load", file]);
        for _ in 0..20 {
            if ended.code() == Some(0) || !ended.stderr.contains("did not become ready") {
                break;
            }
            self.run(&["stop", "--all"]);
            ended = self.run(&["load", file]);
        }
        assert_eq!(ended.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    }

    /// What it says of a thread's functions.
    fn functions(&self, thread: &str) -> Json {
        let ended = self.run(&["thread", "functions", "--thread", thread, "--include-idle", "--limit", "0", "--json"]);
        assert_eq!(ended.code(), Some(0), "{thread}: {}{}", ended.stdout, ended.stderr);
        ended.stdout.parse().unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.run(&["stop", "--all"]);
    }
}

#[test]
fn the_firefox_profilers_own_reader_has_every_number() {
    let work = Work::new();
    let Some(reader) = Reader::of(&work) else { return };
    let summary = work.record("a.json", &[]);
    work.export("firefox", "a.json", "a.firefox.json");
    reader.open("a.firefox.json");
    let said = reader.run(&["thread", "list"]).stdout;
    for name in ["bytes live at the end", "bytes leaked", "bytes live at the peak", "bytes allocated"] {
        assert!(said.contains(name), "{name} is not in {said}");
    }
    for (thread, key) in [("t-0", "live_bytes"), ("t-2", "peak_bytes"), ("t-3", "allocated_bytes")] {
        let found = reader.functions(thread);
        let functions = found["functions"].as_array().expect("a list");
        let own: u64 = functions.iter().filter_map(|function| function["selfSamples"].as_u64()).sum();
        assert_eq!((own, found["weightType"].as_str()), (of(&summary, key), Some("bytes")), "{key}: {found}");
        let start = functions.iter().find(|function| function["name"] == "_start").expect("all begins there");
        assert_eq!(start["totalSamples"].as_u64(), Some(of(&summary, key)), "{key}: {found}");
    }
    // What is lost is lost by these, and the inlined one is told from its caller.
    let leaked = reader.functions("t-1");
    let of_function = |name: &str| {
        let found = leaked["functions"].as_array().into_iter().flatten().find(|function| function["name"] == name);
        found.map(|function| (function["selfSamples"].as_u64(), function["totalSamples"].as_u64()))
    };
    let lost = (1000..1005).sum();
    assert_eq!(of_function("inlined"), Some((Some(lost), Some(lost))), "{leaked}");
    assert_eq!(of_function("lose"), Some((Some(0), Some(lost))), "{leaked}");
}
