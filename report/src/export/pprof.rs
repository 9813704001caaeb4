//! pprof's profile: a protocol buffer (perftools.profiles.Profile), packed with gzip.
//!
//! The messages are few and only written, so they are written by `protobuf` here: a package for them would bring its
//! derive macros into every build, for a hundred lines.
//!
//! ```text
//!   sample ─▶ locations, leaf first ─▶ lines (inlined calls first) ─▶ functions
//!     └─▶ labels: process, thread, kind, op        └─▶ mapping: a module with its build id
//! ```

use std::collections::HashMap;
use std::io::{self, Write};

use super::calls::{Call, Calls, command, thread, title};
use super::protobuf::Message;
use super::rows::{Row, rows, word};
use crate::packed;
use crate::profile::{Module, Process, nanoseconds};
use crate::text::Safe;
use crate::views::base_name;

/// What a sample counts, and in what unit; the last is what is shown first.
const TYPES: [(&str, &str); 4] =
    [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")];

/// Numbers are signed.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// Writes all processes.
pub fn write(processes: &[&Process], to: &mut dyn Write) -> io::Result<()> {
    let mut file = File::default();
    file.strings.number("");
    let types = TYPES.map(|(name, unit)| file.value_type(name, unit));
    types.iter().for_each(|of| file.message.message(1, of));
    for process in processes {
        file.process(process);
    }
    let start = processes.iter().filter_map(|process| nanoseconds(&process.start)).min();
    file.message.number(9, start.unwrap_or(0).min(NUMBER_MAX));
    file.message.message(11, &types[3]);
    let period = processes.iter().map(|process| process.summary.sample_bytes).max();
    file.message.number(12, period.unwrap_or(0).clamp(1, NUMBER_MAX));
    file.message.number(14, file.strings.number(TYPES[3].0));
    let comments = processes.iter().map(|process| command(process)).collect::<Vec<_>>();
    let comments: Vec<u64> = comments.iter().map(|comment| file.strings.number(comment)).collect();
    file.message.packed(13, comments);
    file.strings.all.iter().for_each(|text| file.message.text(6, text));
    packed::gzip(file.message.bytes(), to)
}

/// A file in the making.
#[derive(Default)]
struct File {
    message: Message,
    strings: Strings,
    /// By name, symbol and file.
    functions: HashMap<[u64; 3], u64>,
    mapping_count: u64,
    location_count: u64,
}

/// Texts, each once.
#[derive(Default)]
struct Strings {
    all: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

impl File {
    fn value_type(&mut self, name: &str, unit: &str) -> Message {
        let mut message = Message::default();
        message.number(1, self.strings.number(name));
        message.number(2, self.strings.number(unit));
        message
    }

    fn process(&mut self, process: &Process) {
        let calls = Calls::of(process);
        let mappings = self.mappings(process);
        let mut known: HashMap<Vec<u32>, u64> = HashMap::new();
        let mut stacks: HashMap<u32, Vec<u64>> = HashMap::new();
        for row in rows(process) {
            let locations = stacks.entry(row.stack).or_insert_with(|| {
                let of_place = |frames: Vec<u32>| match known.get(&frames) {
                    Some(&location) => location,
                    None => {
                        let location = self.location(&calls, &frames, &mappings);
                        known.insert(frames, location);
                        location
                    }
                };
                calls.places(row.stack).into_iter().map(of_place).collect()
            });
            let sample = self.sample(process, &row, locations);
            self.message.message(2, &sample);
        }
    }

    fn sample(&mut self, process: &Process, row: &Row<'_>, locations: &[u64]) -> Message {
        let mut sample = Message::default();
        sample.packed(1, locations.iter().copied());
        let values = [row.total.blocks, row.total.bytes, row.live.blocks, row.live.bytes];
        sample.packed(2, values.map(|value| value.min(NUMBER_MAX)));
        let labels = [
            ("process", Some(title(process))),
            ("thread", thread(process, row.thread)),
            ("kind", row.kind.map(|kind| word(kind).to_owned())),
            ("op", Some(Safe(row.op).to_string())),
        ];
        for (key, value) in labels {
            let Some(value) = value else { continue };
            let mut label = Message::default();
            label.number(1, self.strings.number(key));
            label.number(2, self.strings.number(&value));
            sample.message(3, &label);
        }
        sample
    }

    /// The numbers of the mappings, by module. The program comes first: pprof takes that for what the profile is of.
    fn mappings(&mut self, process: &Process) -> Vec<u64> {
        let name = base_name(&process.exe);
        let mut order: Vec<(usize, &Module)> = process.modules.iter().enumerate().collect();
        order.sort_by_key(|(place, module)| (base_name(&module.path) != name, *place));
        let mut mappings = vec![0; order.len()];
        for (place, module) in order {
            mappings[place] = self.mapping(module);
        }
        mappings
    }

    fn mapping(&mut self, module: &Module) -> u64 {
        self.mapping_count += 1;
        let mut mapping = Message::default();
        mapping.number(1, self.mapping_count);
        mapping.number(2, module.start);
        mapping.number(3, module.end);
        mapping.number(4, module.start.wrapping_sub(module.bias));
        mapping.number(5, self.strings.number(&Safe(&module.path).to_string()));
        mapping.number(6, self.strings.number(&Safe(&module.build_id).to_string()));
        // What has no names may be named by whoever opens this.
        let has_lines = u64::from(module.names == "debug-info");
        mapping.number(7, u64::from(has_lines == 1 || module.names == "symbols"));
        (8..=10).for_each(|field| mapping.number(field, has_lines));
        self.message.message(3, &mapping);
        self.mapping_count
    }

    /// One place in the code, with the calls that were inlined there.
    fn location(&mut self, calls: &Calls<'_>, frames: &[u32], mappings: &[u64]) -> u64 {
        self.location_count += 1;
        let mut location = Message::default();
        location.number(1, self.location_count);
        for call in frames.iter().filter_map(|&frame| calls.get(frame)) {
            if !call.is_inlined {
                location.number(2, call.module.and_then(|module| mappings.get(module as usize)).copied().unwrap_or(0));
                location.number(3, call.address);
            }
            let mut line = Message::default();
            line.number(1, self.function(call));
            line.number(2, call.line.into());
            location.message(4, &line);
        }
        self.message.message(4, &location);
        self.location_count
    }

    fn function(&mut self, call: &Call<'_>) -> u64 {
        let symbol = &call.symbol.map_or_else(|| call.name.clone(), |symbol| Safe(symbol).to_string());
        let file = call.file.as_deref().unwrap_or_default();
        let key = [&call.name, symbol, file].map(|text| self.strings.number(text));
        if let Some(&number) = self.functions.get(&key) {
            return number;
        }
        let number = self.functions.len() as u64 + 1;
        self.functions.insert(key, number);
        let mut function = Message::default();
        function.number(1, number);
        (2..).zip(key).for_each(|(field, text)| function.number(field, text));
        self.message.message(5, &function);
        number
    }
}
