//! A baseline's file: JSON, sorted, one line for each thing that a person changes, so that versions can be compared.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, cannot_open};
use crate::json::{self, Format, Head};
use crate::sweep::policy::Day;

/// How a baseline says what it is.
const FORMAT: Format = Format { noun: "baseline", name: "memtrace-baseline", version: 1 };

/// A baseline.
#[derive(PartialEq, Debug, Default)]
pub struct Baseline {
    /// By fingerprint.
    pub entries: Vec<Entry>,
}

/// An accepted leak.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it is known again by.
    pub fingerprint: String,
    /// What it was when it was written: `definitely-lost`, …
    pub kind: String,
    /// Blocks, indirectly lost ones included.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why it is accepted; a person's words.
    #[serde(default)]
    pub reason: String,
    /// The last day on which it is accepted.
    #[serde(default, deserialize_with = "from_day", serialize_with = "to_day")]
    pub expires: Option<Day>,
    /// Its functions, innermost first.
    pub trail: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Whole {
    format: String,
    version: u32,
    leaks: Vec<Entry>,
}

fn to_day<S: Serializer>(day: &Option<Day>, serializer: S) -> Result<S::Ok, S::Error> {
    match day {
        Some(day) => serializer.collect_str(day),
        None => serializer.serialize_none(),
    }
}

fn from_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Day>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let day = |text: String| Day::parse(&text).ok_or_else(|| serde::de::Error::custom("expected a day as 2026-12-31"));
    text.map(day).transpose()
}

impl Baseline {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Baseline, Error> {
        let what = format!("baseline `{}`", path.display());
        let file = File::open(path).map_err(|cause| cannot_open(path, cause))?;
        let bytes = json::rest(Vec::new(), file, path)?;
        Baseline::of_bytes(&bytes, &what)
    }

    fn of_bytes(bytes: &[u8], what: &str) -> Result<Baseline, Error> {
        let head = Head::of(bytes, what, FORMAT.noun)?;
        let whole: Whole = FORMAT.read_behind(&head, bytes, what)?;
        let mut entries = whole.leaks;
        entries.sort_by(|one, other| one.fingerprint.cmp(&other.fingerprint));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].fingerprint == pair[1].fingerprint) {
            let twice = crate::text::Safe(&pair[0].fingerprint);
            return Err(Error::read(what, format!("`{twice}` is there twice, expected each fingerprint once")));
        }
        Ok(Baseline { entries })
    }

    /// Writes it as it is read.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut leaks = self.entries.clone();
        leaks.sort_by(|one, other| one.fingerprint.cmp(&other.fingerprint));
        json::write_for_people(&Whole { format: FORMAT.name.into(), version: FORMAT.version, leaks }, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fingerprint: &str, expires: Option<&str>) -> Entry {
        Entry {
            fingerprint: fingerprint.into(),
            kind: "definitely-lost".into(),
            blocks: 7,
            bytes: 30_247,
            reason: "waits".into(),
            expires: expires.and_then(Day::parse),
            trail: vec!["load_page (leak)".into(), "main (leak)".into()],
        }
    }

    fn written(baseline: &Baseline) -> String {
        let mut text = Vec::new();
        baseline.write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_baseline_reads_back_as_it_was_written_in_the_order_of_its_fingerprints() {
        let baseline = Baseline { entries: vec![entry("b", None), entry("a", Some("2026-12-31"))] };
        let text = written(&baseline);
        let read = Baseline::of_bytes(text.as_bytes(), "x").unwrap();
        assert_eq!(read.entries, [entry("a", Some("2026-12-31")), entry("b", None)]);
        assert_eq!(written(&read), text);
        assert!(text.contains("\n      \"expires\": \"2026-12-31\",\n"), "{text}");
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        let text = written(&Baseline { entries: vec![entry("a", Some("2026-12-31"))] });
        let said = |text: &str| Baseline::of_bytes(text.as_bytes(), "baseline `x`").err().unwrap().to_string();
        assert!(said("").contains("it is empty, expected a baseline"));
        assert!(said("{}").contains("expected format `memtrace-baseline`"));
        assert!(
            said(&text.replace("\"version\": 1", "\"version\": 2")).contains("version 2, this memtrace reads up to 1")
        );
        assert!(said(&text.replace("2026-12-31", "2026-13-31")).contains("something else than a baseline has there"));
        assert!(said(&text.replace("reason", "raeson")).contains("something else than a baseline has there"));
        let twice = Baseline { entries: vec![entry("a", None), entry("a", None)] };
        assert!(said(&written(&twice)).contains("`a` is there twice"));
    }

    #[test]
    fn a_flipped_byte_never_stops_the_reader() {
        let mut bytes = written(&Baseline { entries: vec![entry("a", Some("2026-12-31"))] }).into_bytes();
        for place in 0..bytes.len() {
            for flip in [1, 0x20, 0x80] {
                bytes[place] ^= flip;
                let _ = Baseline::of_bytes(&bytes, "x");
                bytes[place] ^= flip;
            }
        }
    }
}
