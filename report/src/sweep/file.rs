//! A sweep as a file: written as one line of JSON, and read again by whoever asks later.
//!
//! Invariant: a sweep that was read is sound: see `check`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::check;
use super::model::{self, Sweep};
use crate::error::{Error, cannot_open};
use crate::json::{self, Format, Head};

/// How a sweep says what it is.
pub const FORMAT: Format = Format { noun: "sweep", name: model::FORMAT, version: model::VERSION };

/// Reads a sweep.
pub fn read(path: &Path) -> Result<Sweep, Error> {
    let file = File::open(path).map_err(|cause| cannot_open(path, cause))?;
    let bytes = json::rest(Vec::new(), file, path)?;
    let what = format!("sweep `{}`", path.display());
    read_behind(&Head::of(&bytes, &what, FORMAT.noun)?, &bytes, &what)
}

/// Reads a sweep whose head is known already.
pub fn read_behind(head: &Head, bytes: &[u8], what: &str) -> Result<Sweep, Error> {
    let sweep: Sweep = FORMAT.read_behind(head, bytes, what)?;
    match check::first_fault(&sweep) {
        Some(fault) => Err(Error::read(what, fault)),
        None => Ok(sweep),
    }
}

/// Writes a sweep as one line of JSON.
pub fn write(sweep: &Sweep, to: impl Write) -> io::Result<()> {
    json::write(sweep, to)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use serde_json::Value;

    fn bytes(sweep: &Sweep) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(sweep, &mut bytes).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Sweep, Error> {
        read_behind(&Head::of(bytes, "sweep `x.json`", "sweep")?, bytes, "sweep `x.json`")
    }

    /// Pointers to all objects in a value.
    fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.push(at.to_owned());
                fields.iter().for_each(|(name, value)| objects(value, &format!("{at}/{name}"), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(place, item)| objects(item, &format!("{at}/{place}"), found));
            }
            _ => {}
        }
    }

    #[test]
    fn a_sweep_reads_back_as_it_was_written() {
        let sweep = sample::sweep();
        assert_eq!(read(&bytes(&sweep)).unwrap(), sweep);
        let path = std::env::temp_dir().join(format!("memtrace-sweep-{}.json", std::process::id()));
        std::fs::write(&path, bytes(&sweep)).unwrap();
        let found = super::read(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found.unwrap(), sweep);
        assert!(super::read(&path).unwrap_err().to_string().ends_with(".json`: no such file or directory"));
    }

    #[test]
    fn the_schema_describes_every_field_and_needs_those_that_the_reader_needs() {
        let schema: Value = serde_json::from_str(include_str!("../../schema/sweep-1.schema.json")).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let whole: Value = serde_json::from_slice(&bytes(&sample::sweep())).unwrap();
        let faults: Vec<String> = validator.iter_errors(&whole).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let mut all = Vec::new();
        objects(&whole, "", &mut all);
        assert!(all.len() > 30, "{all:?}");
        let mut required = 0;
        for at in &all {
            let mut more = whole.clone();
            more.pointer_mut(at).unwrap()["surprise"] = 1.into();
            assert!(!validator.is_valid(&more), "a surprise in `{at}`");
            let names: Vec<String> = whole.pointer(at).unwrap().as_object().unwrap().keys().cloned().collect();
            for name in names {
                let mut less = whole.clone();
                less.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(&name);
                // Not `read`: what a lacking stack makes of references is another question.
                let reads = serde_json::from_value::<Sweep>(less.clone()).is_ok();
                assert_eq!(validator.is_valid(&less), reads, "`{at}` without {name}");
                required += usize::from(!reads);
            }
        }
        assert!(required > 100, "{required}");
    }

    #[test]
    fn the_schema_names_every_outcome() {
        let schema: Value = serde_json::from_str(include_str!("../../schema/sweep-1.schema.json")).unwrap();
        let named = schema.pointer("/$defs/outcome/enum").and_then(Value::as_array).unwrap();
        let known: Vec<Value> =
            super::super::outcome::Outcome::ALL.iter().map(|outcome| outcome.name().into()).collect();
        assert_eq!(*named, known);
    }

    #[test]
    fn foreign_newer_and_broken_files_are_one_error() {
        let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(message(b""), "cannot read sweep `x.json`: it is empty, expected a sweep");
        assert!(message(br#"{"format": "memtrace-profile"}"#).ends_with("expected format `memtrace-sweep`"));
        let newer = br#"{"format": "memtrace-sweep", "version": 3, "points": 5}"#;
        assert_eq!(message(newer), "cannot read sweep `x.json`: version 3, this memtrace reads up to 1");
        assert!(message(br#"{"format": "memtrace-sweep", "version": 1}"#).contains("something else than a sweep has"));
        assert!(message(format!("{{\"format\": {}", "[".repeat(1 << 20)).as_bytes()).starts_with("cannot read"));
        let whole = bytes(&sample::sweep());
        for length in 0..whole.len() - 1 {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn every_wrong_reference_and_id_is_an_error() {
        let whole: Value = serde_json::from_slice(&bytes(&sample::sweep())).unwrap();
        let message = |at: &str, value: Value| {
            let mut wrong = whole.clone();
            *wrong.pointer_mut(at).unwrap_or_else(|| panic!("no {at}")) = value;
            read(wrong.to_string().as_bytes()).unwrap_err().to_string()
        };
        for at in [
            "/stacks/0/0",
            "/points/0/stack",
            "/findings/0/failed/stack",
            "/findings/0/crash/stack",
            "/findings/2/leaks/0/stack",
            "/findings/1/crash/threads/1",
        ] {
            let message = message(at, 1000.into());
            assert!(message.contains("1000 is referred to"), "{at}: {message}");
        }
        for at in ["/runs/0/points/0", "/findings/0/points/0", "/findings/0/all_points/0", "/points/2/opened_by"] {
            let message = message(at, "0123456789abcdef".into());
            assert!(message.contains("to a point leads to none of the 3"), "{at}: {message}");
        }
        assert!(message("/runs/1/findings/0", "x".into()).contains("to a finding leads to none"));
        for (at, value) in [("/points/0/id", "x"), ("/points/0/symbolic", "ABCDEFABCDEFABCD"), ("/findings/0/id", "")] {
            assert!(message(at, value.into()).contains(" has an id of "), "{at}");
        }
        let second = whole.pointer("/points/1/id").unwrap().clone();
        assert!(message("/points/0/id", second).ends_with(" is there twice"));
    }

    #[test]
    fn a_flipped_byte_never_stops_the_reader() {
        let mut bytes = bytes(&sample::sweep());
        for place in 0..bytes.len() {
            for flip in [1, 0x10, 0x80] {
                bytes[place] ^= flip;
                let _ = read(&bytes);
                bytes[place] ^= flip;
            }
        }
    }
}
