//! A profile as tests ask it: by function names and by keys of the schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

/// A value of JSON.
pub type Json = Value;

/// All processes of a profile.
pub fn read_profile(path: &Path) -> Vec<Process> {
    let mut profile = read_json(path);
    let Value::Array(processes) = profile["processes"].take() else { panic!("no list `processes`") };
    processes.into_iter().map(Process::new).collect()
}

/// What a file of JSON says.
pub fn read_json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One image of one process.
#[derive(Clone, Debug)]
pub struct Process {
    /// The object, as the schema describes it.
    pub json: Value,
    /// Its sites.
    pub sites: Vec<Site>,
    /// Allocations that were made to fail.
    pub faults: Vec<Fault>,
    /// Its threads.
    pub threads: Vec<Thread>,
}

/// A site with its stack. Numbers are named as in the schema.
#[derive(Clone, Debug)]
pub struct Site {
    /// The function that was called.
    pub op: String,
    /// Leaf first.
    pub frames: Arc<[Arc<Frame>]>,
    /// Place in `Process::threads`.
    pub thread: Option<usize>,
    numbers: BTreeMap<String, u64>,
}

/// A frame of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// `native`, `cut`, …
    pub kind: String,
    /// The function; for a cut the reason; empty where there is no name.
    pub function: String,
    /// Path of the source file; empty where it is not known.
    pub file: String,
    /// Line; 0 where it is not known.
    pub line: u64,
    /// Path of the module; empty where there is none.
    pub module: String,
    /// It is code inlined into the next frame's.
    pub inlined: bool,
}

/// An allocation that was made to fail.
#[derive(Clone, Debug)]
pub struct Fault {
    /// From 0.
    pub index: u64,
    /// Asked for.
    pub bytes: u64,
    /// The function that was called.
    pub op: String,
    /// Leaf first.
    pub frames: Arc<[Arc<Frame>]>,
}

/// A slot for threads.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Name of the latest.
    pub name: String,
    /// Threads that used the slot.
    pub uses: u64,
    /// Allocations.
    pub allocations: u64,
    /// Frees.
    pub frees: u64,
}

impl Process {
    fn new(json: Value) -> Process {
        let modules: Vec<&str> = list(&json, "modules").iter().map(|module| text(module, "path")).collect();
        let frames: Vec<Arc<Frame>> =
            list(&json, "frames").iter().map(|frame| Arc::new(Frame::new(frame, &modules))).collect();
        let stacks: Vec<Arc<[Arc<Frame>]>> = list(&json, "stacks")
            .iter()
            .map(|stack| {
                stack.as_array().into_iter().flatten().map(|place| Arc::clone(&frames[place_of(place)])).collect()
            })
            .collect();
        let sites = list(&json, "sites").iter().map(|site| Site {
            op: text(site, "op").to_owned(),
            frames: Arc::clone(&stacks[place_of(&site["stack"])]),
            thread: site["thread"].as_u64().map(|place| place as usize),
            numbers: numbers(site),
        });
        let faults = list(&json, "faults").iter().map(|fault| Fault {
            index: number(fault, "index"),
            bytes: number(fault, "bytes"),
            op: text(fault, "op").to_owned(),
            frames: Arc::clone(&stacks[place_of(&fault["stack"])]),
        });
        let threads = list(&json, "threads").iter().map(|thread| Thread {
            name: text(thread, "name").to_owned(),
            uses: number(thread, "uses"),
            allocations: number(thread, "allocations"),
            frees: number(thread, "frees"),
        });
        let (sites, faults, threads) = (sites.collect(), faults.collect(), threads.collect());
        Process { json, sites, faults, threads }
    }

    /// When its recording began: texts in this order are in the order of time.
    pub fn start(&self) -> &str {
        text(&self.json, "start")
    }

    /// Name of its program, without directories.
    pub fn program(&self) -> &str {
        text(&self.json, "exe").rsplit('/').next().unwrap_or_default()
    }

    /// A number of the summary.
    pub fn summary(&self, key: &str) -> u64 {
        number(&self.json["summary"], key)
    }

    /// What was lost, by key.
    pub fn losses(&self) -> BTreeMap<String, u64> {
        numbers(&self.json["losses"])
    }

    /// How it ended: `exit`, `abort`, …
    pub fn end(&self) -> &str {
        text(&self.json["end"], "how")
    }

    /// Sites with this function anywhere on their stack.
    pub fn sites_of<'p>(&'p self, function: &'p str) -> impl Iterator<Item = &'p Site> {
        self.sites.iter().filter(move |site| site.has(function))
    }

    /// Sum of a number over the sites with this function.
    pub fn sum(&self, function: &str, key: &str) -> u64 {
        self.sites_of(function).map(|site| site.number(key)).sum()
    }

    /// The check that says what became of the blocks that were live at the end; `None`: they were not classified.
    pub fn last_word(&self) -> Option<&Value> {
        let check = list(&self.json, "checks").last()?;
        let is_of_the_end = ["end", "death"].contains(&text(check, "cause"));
        (is_of_the_end && text(check, "rung") != "none").then_some(check)
    }

    /// Bytes and blocks with this function that the last word gives a kind, as `definite` or `reachable`.
    pub fn of_kind(&self, function: &str, kind: &str) -> (u64, u64) {
        let has_it = |row: &&Value| self.frames_of(row).any(|frame| text(frame, "function") == function);
        let (rows, is_held) = if kind == "reachable" { ("held", true) } else { ("leaks", false) };
        let rows = self.last_word().into_iter().flat_map(|check| list(check, rows));
        let rows = rows.filter(|row| is_held || text(row, "kind") == kind).filter(has_it);
        rows.fold((0, 0), |(bytes, blocks), row| (bytes + number(row, "bytes"), blocks + number(row, "blocks")))
    }

    /// Bytes that the last word calls definitely or possibly lost, by the functions of their stacks, leaf first.
    pub fn lost(&self) -> BTreeMap<String, u64> {
        let mut lost = BTreeMap::new();
        for row in self.last_word().into_iter().flat_map(|check| list(check, "leaks")) {
            if ["definite", "possible"].contains(&text(row, "kind")) {
                let functions: Vec<&str> = self.frames_of(row).map(|frame| text(frame, "function")).collect();
                *lost.entry(functions.join(" < ")).or_default() += number(row, "bytes");
            }
        }
        lost
    }

    fn frames_of<'p>(&'p self, row: &Value) -> impl Iterator<Item = &'p Value> {
        let frames = list(&self.json, "frames");
        let stack = list(&self.json, "stacks")[place_of(&row["stack"])].as_array().into_iter().flatten();
        stack.map(|frame| &frames[place_of(frame)])
    }

    /// Live bytes and blocks of the sites with this function.
    pub fn live(&self, function: &str) -> (u64, u64) {
        (self.sum(function, "live_bytes"), self.sum(function, "live_blocks"))
    }
}

impl Site {
    /// A number of the site, by its key in the schema.
    pub fn number(&self, key: &str) -> u64 {
        *self.numbers.get(key).unwrap_or_else(|| panic!("a site has no `{key}`"))
    }

    /// Whether this function is on the stack.
    pub fn has(&self, function: &str) -> bool {
        self.frames.iter().any(|frame| frame.function == function)
    }

    /// Functions, leaf first.
    pub fn functions(&self) -> Vec<&str> {
        functions(&self.frames)
    }
}

impl Fault {
    /// Functions, leaf first.
    pub fn functions(&self) -> Vec<&str> {
        functions(&self.frames)
    }
}

impl Frame {
    fn new(frame: &Value, modules: &[&str]) -> Frame {
        Frame {
            kind: text(frame, "kind").to_owned(),
            function: text(frame, "function").to_owned(),
            file: text(frame, "file").to_owned(),
            line: frame["line"].as_u64().unwrap_or(0),
            module: frame["module"].as_u64().map(|place| modules[place as usize].to_owned()).unwrap_or_default(),
            inlined: frame["inlined"] == Value::Bool(true),
        }
    }
}

fn functions(frames: &[Arc<Frame>]) -> Vec<&str> {
    frames.iter().map(|frame| frame.function.as_str()).collect()
}

fn list<'v>(object: &'v Value, key: &str) -> &'v [Value] {
    object[key].as_array().unwrap_or_else(|| panic!("no list `{key}`"))
}

fn text<'v>(object: &'v Value, key: &str) -> &'v str {
    object[key].as_str().unwrap_or_default()
}

fn number(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("no number `{key}`"))
}

fn numbers(object: &Value) -> BTreeMap<String, u64> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_u64()?))).collect()
}

fn place_of(value: &Value) -> usize {
    value.as_u64().expect("a place in a list") as usize
}
