//! The Firefox Profiler's processed profile, version 62: tables that all threads share, by columns.
//!
//! ```text
//!   thread (one for each process and number) ─▶ samples ─▶ stackTable ─▶ frameTable ─▶ funcTable ─▶ sources, resources
//! ```
//!
//! Samples stand for sizes, not for time: each has a moment of its own, in no order that means anything.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;

use super::calls::{Call, Calls, command, title};
use super::rows::{Metric, weights};
use crate::json;
use crate::profile::{Module, Process, nanoseconds};
use crate::text::Safe;
use crate::views::base_name;

const VERSION: u32 = 62;
/// The version of the other, older format that this one names too.
const GECKO_VERSION: u32 = 24;
/// A resource that is a library.
const LIBRARY: u32 = 1;

#[derive(Serialize)]
struct File {
    meta: Meta,
    libs: Vec<Lib>,
    pages: [(); 0],
    counters: [(); 0],
    shared: Shared,
    threads: Vec<Thread>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    version: u32,
    preprocessed_profile_version: u32,
    interval: f64,
    start_time: f64,
    process_type: u32,
    product: String,
    imported_from: &'static str,
    debug: bool,
    stackwalk: u32,
    symbolicated: bool,
    uses_only_one_stack_type: bool,
    source_code_is_not_on_searchfox: bool,
    categories: [Category; 1],
    marker_schema: [(); 0],
}

#[derive(Serialize)]
struct Category {
    name: &'static str,
    color: &'static str,
    subcategories: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lib {
    name: String,
    path: String,
    debug_name: String,
    debug_path: String,
    breakpad_id: String,
    code_id: Option<String>,
    arch: Option<String>,
}

/// Columns of `frameTable`, `funcTable`, and so on.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Shared {
    stack_table: Stacks,
    frame_table: Frames,
    func_table: Funcs,
    resource_table: Resources,
    native_symbols: Symbols,
    sources: Sources,
    string_array: Vec<String>,
}

#[derive(Serialize, Default)]
struct Stacks {
    length: usize,
    prefix: Vec<Option<usize>>,
    frame: Vec<usize>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Frames {
    length: usize,
    address: Vec<i64>,
    inline_depth: Vec<u32>,
    category: Vec<u32>,
    subcategory: Vec<u32>,
    func: Vec<usize>,
    native_symbol: Vec<Option<usize>>,
    #[serde(rename = "innerWindowID")]
    inner_window_id: Vec<u32>,
    line: Vec<Option<u32>>,
    column: Vec<Option<u32>>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Funcs {
    length: usize,
    name: Vec<usize>,
    #[serde(rename = "isJS")]
    is_js: Vec<bool>,
    #[serde(rename = "relevantForJS")]
    relevant_for_js: Vec<bool>,
    resource: Vec<i64>,
    source: Vec<Option<usize>>,
    line_number: Vec<Option<u32>>,
    column_number: Vec<Option<u32>>,
}

#[derive(Serialize, Default)]
struct Resources {
    length: usize,
    lib: Vec<Option<usize>>,
    name: Vec<usize>,
    host: Vec<Option<usize>>,
    r#type: Vec<u32>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Symbols {
    length: usize,
    lib_index: Vec<usize>,
    address: Vec<i64>,
    name: Vec<usize>,
    function_size: Vec<Option<u64>>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Sources {
    length: usize,
    id: Vec<Option<usize>>,
    filename: Vec<usize>,
    start_line: Vec<u32>,
    start_column: Vec<u32>,
    #[serde(rename = "sourceMapURL")]
    source_map_url: Vec<Option<usize>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    name: &'static str,
    process_name: String,
    process_type: &'static str,
    process_startup_time: f64,
    process_shutdown_time: Option<f64>,
    register_time: f64,
    unregister_time: Option<f64>,
    is_main_thread: bool,
    pid: String,
    tid: String,
    paused_ranges: [(); 0],
    show_markers_in_timeline: bool,
    markers: Markers,
    samples: Samples,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Markers {
    length: usize,
    data: [(); 0],
    name: [(); 0],
    start_time: [(); 0],
    end_time: [(); 0],
    phase: [(); 0],
    category: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Samples {
    length: usize,
    stack: Vec<Option<usize>>,
    time_deltas: Vec<f64>,
    weight: Vec<u64>,
    weight_type: &'static str,
}

/// Writes all processes, each with these numbers as far as they are known.
pub fn write(processes: &[&Process], metrics: &[Metric], to: &mut dyn Write) -> io::Result<()> {
    let mut tables = Tables::default();
    let mut libs = Vec::new();
    let mut threads = Vec::new();
    for (place, process) in processes.iter().enumerate() {
        let calls = Calls::of(process);
        let resources: Vec<usize> =
            (libs.len()..).zip(&process.modules).map(|(lib, module)| tables.resource(lib, module)).collect();
        libs.extend(process.modules.iter().map(lib));
        let mut frames: HashMap<u32, usize> = HashMap::new();
        for &metric in metrics {
            let Some(weights) = weights(process, metric) else { continue };
            let mut stack = |stack: &u32| {
                let mut prefix = None;
                for frame in calls.stack(*stack).into_iter().rev() {
                    let Some(call) = calls.get(frame) else { continue };
                    let number = *frames.entry(frame).or_insert_with(|| tables.frame(process, call, &resources));
                    prefix = Some(tables.stack(prefix, number));
                }
                prefix
            };
            let stacks: Vec<Option<usize>> = weights.keys().map(&mut stack).collect();
            let samples = Samples {
                length: stacks.len(),
                time_deltas: vec![1.0; stacks.len()],
                stack: stacks,
                weight: weights.into_values().collect(),
                weight_type: if metric.is_bytes() { "bytes" } else { "samples" },
            };
            // Images of one process have one number: here each needs its own.
            let pid = format!("{}.{place}", process.pid);
            threads.push(Thread {
                name: metric.title(),
                process_name: title(process),
                process_type: "default",
                process_startup_time: 0.0,
                process_shutdown_time: None,
                register_time: 0.0,
                unregister_time: None,
                is_main_thread: false,
                tid: format!("{pid}.{}", metric.word()),
                pid,
                paused_ranges: [],
                show_markers_in_timeline: false,
                markers: Markers::default(),
                samples,
            });
        }
    }
    let start = processes.iter().filter_map(|process| nanoseconds(&process.start)).min().unwrap_or(0);
    let category = Category { name: "Other", color: "grey", subcategories: ["Other"] };
    let meta = Meta {
        version: GECKO_VERSION,
        preprocessed_profile_version: VERSION,
        interval: 1.0,
        start_time: (start / 1_000_000) as f64,
        process_type: 0,
        product: processes.first().map(|process| command(process)).unwrap_or_default(),
        imported_from: "memtrace",
        debug: false,
        stackwalk: 1,
        symbolicated: true,
        uses_only_one_stack_type: true,
        source_code_is_not_on_searchfox: true,
        categories: [category],
        marker_schema: [],
    };
    json::write(&File { meta, libs, pages: [], counters: [], shared: tables.shared, threads }, to)
}

fn lib(module: &Module) -> Lib {
    let (path, name) = (Safe(&module.path).to_string(), Safe(base_name(&module.path)).to_string());
    Lib {
        debug_name: name.clone(),
        debug_path: path.clone(),
        name,
        path,
        breakpad_id: String::new(),
        code_id: Some(module.build_id.clone()).filter(|id| !id.is_empty()),
        arch: None,
    }
}

/// The shared tables in the making.
#[derive(Default)]
struct Tables {
    shared: Shared,
    strings: HashMap<String, usize>,
    sources: HashMap<usize, usize>,
    /// By name, resource and source.
    funcs: HashMap<(usize, i64, Option<usize>), usize>,
    stacks: HashMap<(Option<usize>, usize), usize>,
}

impl Tables {
    fn string(&mut self, text: &str) -> usize {
        if let Some(&number) = self.strings.get(text) {
            return number;
        }
        let number = self.shared.string_array.len();
        self.shared.string_array.push(text.to_owned());
        self.strings.insert(text.to_owned(), number);
        number
    }

    fn resource(&mut self, lib: usize, module: &Module) -> usize {
        let name = self.string(&Safe(base_name(&module.path)).to_string());
        let table = &mut self.shared.resource_table;
        table.lib.push(Some(lib));
        table.name.push(name);
        table.host.push(None);
        table.r#type.push(LIBRARY);
        table.length += 1;
        table.length - 1
    }

    fn source(&mut self, file: &str) -> usize {
        let name = self.string(file);
        let table = &mut self.shared.sources;
        *self.sources.entry(name).or_insert_with(|| {
            table.id.push(None);
            table.filename.push(name);
            table.start_line.push(1);
            table.start_column.push(1);
            table.source_map_url.push(None);
            table.length += 1;
            table.length - 1
        })
    }

    fn frame(&mut self, process: &Process, call: &Call<'_>, resources: &[usize]) -> usize {
        let name = self.string(&call.name);
        let source = call.file.as_deref().map(|file| self.source(file));
        let resource =
            call.module.and_then(|module| resources.get(module as usize)).map_or(-1, |&number| number as i64);
        let funcs = &mut self.shared.func_table;
        let func = *self.funcs.entry((name, resource, source)).or_insert_with(|| {
            funcs.name.push(name);
            funcs.is_js.push(false);
            funcs.relevant_for_js.push(false);
            funcs.resource.push(resource);
            funcs.source.push(source);
            funcs.line_number.push(None);
            funcs.column_number.push(None);
            funcs.length += 1;
            funcs.length - 1
        });
        let bias = call.module.and_then(|module| process.modules.get(module as usize)).map(|module| module.bias);
        let address = bias.and_then(|bias| i64::try_from(call.address.wrapping_sub(bias)).ok());
        let frames = &mut self.shared.frame_table;
        frames.address.push(address.unwrap_or(-1));
        frames.inline_depth.push(u32::from(call.is_inlined));
        frames.category.push(0);
        frames.subcategory.push(0);
        frames.func.push(func);
        frames.native_symbol.push(None);
        frames.inner_window_id.push(0);
        frames.line.push(Some(call.line).filter(|&line| line > 0));
        frames.column.push(None);
        frames.length += 1;
        frames.length - 1
    }

    fn stack(&mut self, prefix: Option<usize>, frame: usize) -> usize {
        let table = &mut self.shared.stack_table;
        *self.stacks.entry((prefix, frame)).or_insert_with(|| {
            table.prefix.push(prefix);
            table.frame.push(frame);
            table.length += 1;
            table.length - 1
        })
    }
}
