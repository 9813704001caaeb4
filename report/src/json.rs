//! Files of memtrace's own, in JSON: what they are is looked at first, then the rest is read.
//!
//! ```text
//!   bytes ──Head::of──▶ format, version ──read──▶ a profile, a sweep
//! ```
//!
//! Invariant: no text of a file that cannot be read stands in the error, whatever it holds.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, cannot_open};

/// What a pipe may give, and a file.
const BYTES_MAX: u64 = 4 << 30;

/// A format of memtrace's own.
pub struct Format {
    /// What a file of it is called: `profile`.
    pub noun: &'static str,
    /// What it calls itself.
    pub name: &'static str,
    /// The highest version that is read.
    pub version: u32,
}

/// What a file says that it is. A newer one may differ in everything else.
#[derive(Deserialize)]
pub struct Head {
    /// The name of its format.
    #[serde(default)]
    pub format: String,
    /// Its version.
    #[serde(default)]
    version: u64,
}

impl Head {
    /// What this file is; `what` is the file, for errors, and it should be a `noun`.
    pub fn of(bytes: &[u8], what: &str, noun: &str) -> Result<Head, Error> {
        if bytes.is_empty() {
            return Err(Error::read(what, format!("it is empty, expected a {noun}")));
        }
        serde_json::from_slice(bytes).map_err(|error| Error::read(what, plain(&error, noun)))
    }
}

impl Format {
    /// Reads a file whose head is known already.
    pub fn read_behind<T: DeserializeOwned>(&self, head: &Head, bytes: &[u8], what: &str) -> Result<T, Error> {
        if head.format != self.name {
            return Err(Error::read(what, format!("expected format `{}`", self.name)));
        }
        if head.version != u64::from(self.version) {
            return Err(Error::Version { what: what.into(), found: head.version, reads: self.version.into() });
        }
        serde_json::from_slice(bytes).map_err(|error| Error::read(what, plain(&error, self.noun)))
    }
}

/// All of a file, of which the start may have been read.
pub fn rest(start: Vec<u8>, file: File, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = start;
    let cannot_open = |cause| cannot_open(path, cause);
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(cannot_open)?;
    Ok(bytes)
}

/// Whether this can be the start of JSON in one object.
pub fn is_json(start: &[u8]) -> bool {
    start.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|&byte| byte == b'{')
}

/// What one line of JSON holds.
pub fn line<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}

/// Writes one line of JSON.
pub fn write(value: &impl Serialize, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    append(value, &mut to)?;
    to.flush()
}

/// Writes JSON that people read and change: a line for each thing.
pub fn write_for_people(value: &impl Serialize, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut to, value)?;
    to.write_all(b"\n")
}

/// Writes one line of JSON of many.
pub fn append(value: &impl Serialize, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut to, value)?;
    to.write_all(b"\n")
}

/// The reason alone, without a text of the file that it may quote at any length.
fn plain(error: &serde_json::Error, noun: &str) -> String {
    use serde_json::error::Category;
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Eof => format!("it ends in the middle, at {place}"),
        Category::Syntax => format!("no JSON at {place}"),
        Category::Data | Category::Io => format!("at {place} something else than a {noun} has there"),
    }
}

/// JSON's numbers are floating point to many readers: addresses are text.
pub fn to_hex<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:#x}"))
}

/// What `to_hex` wrote.
pub fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(|_| serde::de::Error::custom("expected a hexadecimal number `0x…`"))
}

/// `to_hex` of what may not be there.
pub fn some_to_hex<S: Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => to_hex(number, serializer),
        None => serializer.serialize_none(),
    }
}

/// What `some_to_hex` wrote.
pub fn some_from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Hex(#[serde(deserialize_with = "from_hex")] u64);
    Ok(Option::<Hex>::deserialize(deserializer)?.map(|hex| hex.0))
}
