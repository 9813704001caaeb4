//! What DHAT writes, version 2: sums by stack, in JSON.

use std::io::{BufRead, Read};

use serde::Deserialize;

use super::maker::{Maker, Seen, op, unknown_op};
use crate::error::{Error, words};
use crate::json;
use crate::profile::{Process, Site};

/// The version that is read.
const VERSION: u64 = 2;
/// The largest files known have some hundred MiB.
const BYTES_MAX: u64 = 4 << 30;

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "dhatFileVersion")]
    version: u64,
    mode: String,
}

#[derive(Deserialize)]
struct File {
    cmd: String,
    pid: u32,
    #[serde(default)]
    bklt: bool,
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// One stack; the names are those of the format.
#[derive(Deserialize)]
struct Point {
    tb: u64,
    tbk: u64,
    #[serde(default)]
    mb: u64,
    #[serde(default)]
    mbk: u64,
    #[serde(default)]
    gb: u64,
    #[serde(default)]
    gbk: u64,
    #[serde(default)]
    eb: u64,
    #[serde(default)]
    ebk: u64,
    fs: Vec<usize>,
}

/// Reads a process.
pub fn read(content: impl BufRead, what: &str) -> Result<Process, Error> {
    let mut bytes = Vec::new();
    content.take(BYTES_MAX).read_to_end(&mut bytes).map_err(|error| Error::read(what, words(&error)))?;
    let expected = || Error::read(what, "expected a file of DHAT, version 2, or of heaptrack");
    let head: Head = json::line(&bytes).ok_or_else(expected)?;
    if head.version != VERSION {
        return Err(Error::read(what, format!("version {} of DHAT's format, expected {VERSION}", head.version)));
    }
    if !head.mode.contains("heap") {
        let mode = crate::text::start_of(&head.mode);
        return Err(Error::read(what, format!("DHAT's mode `{mode}`, expected `heap`: others count no allocations")));
    }
    let file: File = json::line(&bytes).ok_or_else(expected)?;
    if !file.bklt {
        return Err(Error::read(what, "it does not say what was live, expected DHAT's mode `heap`"));
    }
    build(file, what)
}

fn build(file: File, what: &str) -> Result<Process, Error> {
    let mut maker = Maker::default();
    let seen: Vec<Seen> = file.ftbl.iter().map(|line| frame(line)).collect();
    for point in &file.pps {
        let frames: Option<Vec<&Seen>> = point.fs.iter().map(|&number| seen.get(number)).collect();
        let Some(mut frames) = frames else {
            return Err(Error::read(what, format!("a stack with a frame that is none of {}", seen.len())));
        };
        let of_point = frames.first().and_then(|frame| op(&frame.function));
        if of_point.is_some() {
            // As here: the function that was called is no frame of the stack.
            frames.remove(0);
        }
        let frames = frames.into_iter().map(|frame| maker.frame(frame.clone())).collect();
        let stack = maker.stack(frames);
        maker.site(Site {
            stack,
            op: of_point.unwrap_or(unknown_op()).into(),
            live_blocks: point.ebk,
            live_bytes: point.eb,
            total_blocks: point.tbk,
            total_bytes: point.tb,
            peak_blocks: point.mbk,
            peak_bytes: point.mb,
            at_peak_blocks: point.gbk,
            at_peak_bytes: point.gb,
            ..Site::default()
        });
    }
    let mut process = maker.end(None);
    process.pid = file.pid;
    process.arguments = file.cmd.split_whitespace().map(str::to_owned).collect();
    process.exe = process.arguments.first().cloned().unwrap_or_default();
    process.imported = Some("DHAT".into());
    Ok(process)
}

/// `0x109166: f (file.c:3)`, `0x4C5: g (in /lib/x.so)`, `0x4C5: ???`, `[root]`.
fn frame(line: &str) -> Seen {
    let (address, rest) = match line.strip_prefix("0x").and_then(|rest| rest.split_once(": ")) {
        Some((digits, rest)) => (u64::from_str_radix(digits, 16).unwrap_or(0), rest),
        None => (0, line),
    };
    let mut seen = Seen { address, ..Seen::default() };
    let place = rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    let (function, place) = place.unwrap_or((rest, ""));
    let name = if let Some(module) = place.strip_prefix("in ") {
        seen.module = module.into();
        function
    } else if let Some((file, line)) = line_of(place) {
        (seen.file, seen.line) = (file.into(), line);
        function
    } else {
        // The brackets are of the name.
        rest
    };
    if name != "???" {
        seen.function = name.into();
    }
    seen
}

/// `file.c:3`, and of DHAT for Rust `file.rs:3:14`.
fn line_of(place: &str) -> Option<(&str, u32)> {
    let (before, last) = place.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    let with_column = before.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    Some(with_column.unwrap_or((before, last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> (u64, String, String, String, u32) {
        let Seen { address, module, function, file, line, .. } = frame(line);
        (address, function, module, file, line)
    }

    #[test]
    fn frames_are_read_as_valgrind_and_rust_write_them() {
        let told_as = |address, function: &str, module: &str, file: &str, line| {
            (address, function.to_owned(), module.to_owned(), file.to_owned(), line)
        };
        assert_eq!(told("0x109166: f(int) (a b.c:31)"), told_as(0x109166, "f(int)", "", "a b.c", 31));
        assert_eq!(told("0x4C5: g(int) (in /lib/x.so)"), told_as(0x4c5, "g(int)", "/lib/x.so", "", 0));
        assert_eq!(told("0x4C5: operator()(int)"), told_as(0x4c5, "operator()(int)", "", "", 0));
        assert_eq!(told("0x4C5: h (vec.rs:1469:9)"), told_as(0x4c5, "h", "", "vec.rs", 1469));
        assert_eq!(told("0x4C5: ??? (in /lib/x.so)"), told_as(0x4c5, "", "/lib/x.so", "", 0));
        assert_eq!(told("0x4C5: ???"), told_as(0x4c5, "", "", "", 0));
        assert_eq!(told("[root]"), told_as(0, "[root]", "", "", 0));
    }
}
