//! Callgrind's format: callgrind_annotate and KCachegrind read it.
//!
//! The cost of a stack is the own cost of its innermost call, and the inclusive cost of every call on the way. A function
//! that is on a stack again is another one there, `f'2`, as Callgrind separates recursions: so no cost is counted twice.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::calls::{Call, Calls, command};
use super::rows::{Metric, by_stack, weights};
use crate::profile::Process;

/// What is counted, in the order of the columns.
const EVENTS: [(&str, &str); 8] = [
    ("LiveBytes", "Bytes live at the end"),
    ("LiveBlocks", "Blocks live at the end"),
    ("LeakedBytes", "Bytes leaked"),
    ("PeakBytes", "Bytes live at the peak"),
    ("PeakBlocks", "Blocks live at the peak"),
    ("TotalBytes", "Bytes allocated"),
    ("TotalBlocks", "Allocations"),
    ("Temporary", "Temporary allocations"),
];

type Cost = [u64; EVENTS.len()];

/// A function: its frame's module, file and name, and how often it is on the stack already.
type Function = (u32, u32, u32);

/// What one function costs.
#[derive(Default)]
struct Costs {
    /// By line.
    own: BTreeMap<u32, Cost>,
    /// By line, and the function that is called.
    calls: BTreeMap<(u32, Function), (u64, Cost)>,
}

/// Writes one process.
pub fn write(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    let calls = Calls::of(process);
    let mut names = Names::default();
    let mut functions: BTreeMap<Function, Costs> = BTreeMap::new();
    let mut sum = Cost::default();
    let leaked = weights(process, Metric::Leaked).unwrap_or_default();
    // By frame: most stand in many stacks.
    let mut known: HashMap<u32, (u32, (u32, u32))> = HashMap::new();
    for (stack, row) in by_stack(process) {
        let leaked = leaked.get(&stack).copied().unwrap_or(0);
        let (live, peak, total) = (row.live, row.peak, row.total);
        let cost =
            [live.bytes, live.blocks, leaked, peak.bytes, peak.blocks, total.bytes, total.blocks, row.temporary_blocks];
        add(&mut sum, &cost);
        let mut levels: HashMap<(u32, u32), u32> = HashMap::new();
        let mut caller: Option<(Function, u32)> = None;
        for frame in calls.stack(stack).into_iter().rev() {
            let Some(call) = calls.get(frame) else { continue };
            let (object, key) = *known.entry(frame).or_insert_with(|| names.of_call(process, call));
            let level = levels.entry(key).or_default();
            *level += 1;
            let name = match *level {
                1 => key.1,
                level => names.number(Kind::Function, &format!("{}'{level}", call.name)),
            };
            let function = (object, key.0, name);
            if let Some((caller, line)) = caller {
                let of_call = functions.entry(caller).or_default().calls.entry((line, function)).or_default();
                of_call.0 = of_call.0.saturating_add(total.blocks.max(1));
                add(&mut of_call.1, &cost);
            }
            caller = Some((function, call.line));
        }
        let (function, line) = caller.unwrap_or_else(|| {
            let unknown = |names: &mut Names, kind| names.number(kind, "???");
            let [object, file, name] = [Kind::Object, Kind::File, Kind::Function].map(|kind| unknown(&mut names, kind));
            ((object, file, name), 0)
        });
        add(functions.entry(function).or_default().own.entry(line).or_default(), &cost);
    }
    head(process, to)?;
    let mut said = Said { names: &names, seen: Default::default() };
    for (function, costs) in &functions {
        let (object, file, name) = function;
        writeln!(to, "\nob={}", said.name(Kind::Object, *object))?;
        writeln!(to, "fl={}\nfn={}", said.name(Kind::File, *file), said.name(Kind::Function, *name))?;
        for (line, cost) in &costs.own {
            writeln!(to, "{line} {}", columns(cost))?;
        }
        for ((line, (called_object, called_file, called)), (count, cost)) in &costs.calls {
            // What is not said is the caller's.
            if called_object != object {
                writeln!(to, "cob={}", said.name(Kind::Object, *called_object))?;
            }
            if called_file != file {
                writeln!(to, "cfi={}", said.name(Kind::File, *called_file))?;
            }
            writeln!(to, "cfn={}", said.name(Kind::Function, *called))?;
            writeln!(to, "calls={count} 0\n{line} {}", columns(cost))?;
        }
    }
    writeln!(to, "\ntotals: {}", columns(&sum))
}

fn head(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "# callgrind format\nversion: 1\ncreator: memtrace {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(to, "pid: {}\ncmd: {}\npositions: line", process.pid, command(process))?;
    EVENTS.iter().try_for_each(|(name, title)| writeln!(to, "event: {name} : {title}"))?;
    writeln!(to, "events: {}", EVENTS.map(|(name, _)| name).join(" "))
}

fn add(sum: &mut Cost, cost: &Cost) {
    sum.iter_mut().zip(cost).for_each(|(sum, part)| *sum = sum.saturating_add(*part));
}

fn columns(cost: &Cost) -> String {
    cost.map(|number| number.to_string()).join(" ")
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Object,
    File,
    Function,
}

/// Names by number, from 1.
#[derive(Default)]
struct Names {
    numbers: HashMap<(Kind, String), u32>,
    all: HashMap<(Kind, u32), String>,
}

impl Names {
    /// The object of a frame, and its file and function.
    fn of_call(&mut self, process: &Process, call: &Call<'_>) -> (u32, (u32, u32)) {
        let module = call.module.and_then(|module| process.modules.get(module as usize));
        let object = self.number(Kind::Object, module.map_or("", |module| &module.path));
        let file = self.number(Kind::File, call.file.as_deref().unwrap_or_default());
        (object, (file, self.number(Kind::Function, &call.name)))
    }

    fn number(&mut self, kind: Kind, name: &str) -> u32 {
        let name = crate::text::Safe(if name.is_empty() { "???" } else { name }).to_string();
        let next = self.all.len() as u32 + 1;
        let number = *self.numbers.entry((kind, name.clone())).or_insert(next);
        self.all.entry((kind, number)).or_insert(name);
        number
    }
}

/// Which names were written: the first time with their text. A name that begins like a number in brackets is told apart
/// by that.
struct Said<'n> {
    names: &'n Names,
    seen: std::collections::HashSet<(Kind, u32)>,
}

impl Said<'_> {
    fn name(&mut self, kind: Kind, number: u32) -> String {
        match self.names.all.get(&(kind, number)) {
            Some(name) if self.seen.insert((kind, number)) => format!("({number}) {name}"),
            _ => format!("({number})"),
        }
    }
}
