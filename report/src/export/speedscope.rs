//! speedscope's file format: one sampled profile for each process and number.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;

use super::calls::{Call, Calls, title};
use super::rows::{Metric, weights};
use crate::json;
use crate::profile::Process;

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'p> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: String,
    exporter: &'static str,
    active_profile_index: u32,
    shared: Shared<'p>,
    profiles: Vec<Sampled>,
}

#[derive(Serialize)]
struct Shared<'p> {
    frames: Vec<Frame<'p>>,
}

#[derive(Serialize, Clone, PartialEq, Eq, Hash)]
struct Frame<'p> {
    name: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    /// Places in `frames`, callers first.
    samples: Vec<Vec<usize>>,
    weights: Vec<u64>,
}

/// Writes all processes, each with these numbers as far as they are known.
pub fn write(processes: &[&Process], metrics: &[Metric], to: &mut dyn Write) -> io::Result<()> {
    let calls: Vec<Calls<'_>> = processes.iter().map(|process| Calls::of(process)).collect();
    let mut frames = Vec::new();
    let mut numbers: HashMap<Frame<'_>, usize> = HashMap::new();
    let mut profiles = Vec::new();
    for (process, calls) in processes.iter().zip(&calls) {
        for &metric in metrics {
            let Some(weights) = weights(process, metric) else { continue };
            let mut number = |frame: u32| {
                let frame = frame_of(calls.get(frame)?);
                Some(*numbers.entry(frame).or_insert_with_key(|frame| {
                    frames.push(frame.clone());
                    frames.len() - 1
                }))
            };
            let sample = |stack: &u32| calls.stack(*stack).into_iter().rev().filter_map(&mut number).collect();
            profiles.push(Sampled {
                r#type: "sampled",
                name: format!("{}: {}", title(process), metric.title()),
                unit: if metric.is_bytes() { "bytes" } else { "none" },
                start_value: 0,
                end_value: weights.values().fold(0, |sum, &weight| sum.saturating_add(weight)),
                samples: weights.keys().map(sample).collect(),
                weights: weights.into_values().collect(),
            });
        }
    }
    let name = processes.first().map(|process| title(process)).unwrap_or_default();
    let exporter = concat!("memtrace ", env!("CARGO_PKG_VERSION"));
    let shared = Shared { frames };
    json::write(&File { schema: SCHEMA, name, exporter, active_profile_index: 0, shared, profiles }, to)
}

fn frame_of<'c>(call: &'c Call<'_>) -> Frame<'c> {
    Frame { name: &call.name, file: call.file.as_deref(), line: Some(call.line).filter(|&line| line > 0) }
}
