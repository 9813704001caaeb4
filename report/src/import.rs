//! `memtrace import`: what heaptrack or DHAT recorded, as a profile that every view here reads.
//!
//! ```text
//!   file ──unpacked──▶ heaptrack: events, one by one ─┐
//!                 └──▶ dhat: sums by stack ───────────┴▶ maker: frames, stacks, sites ─▶ profile
//! ```
//!
//! Neither tool looks for pointers, so such a profile has no leaks, only what was not freed.

mod dhat;
mod heaptrack;
mod maker;

use std::fs::File;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::{Error, cannot_open};
use crate::formats;
use crate::packed::unpacked;
use crate::profile::{Process, Profile};
use crate::progress;
use crate::text::{Safe, bytes_in};
use crate::{json, sys};

/// Enough to see how a file is packed.
const START_BYTES: u64 = 16;

/// What `memtrace import` takes.
#[derive(clap::Args, Debug)]
pub struct ImportArgs {
    /// File of heaptrack (`heaptrack.APP.PID.zst` or `.gz`), or of valgrind's DHAT (`dhat.out.PID`)
    file: PathBuf,
    /// File for the profile, `-` for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// The body of the command.
pub fn command(args: &ImportArgs) -> Result<ExitCode, Error> {
    let what = format!("reading `{}`", Safe(&args.file.display().to_string()));
    let process = progress::during(&what, || read(&args.file))?;
    let summary = &process.summary;
    let live = bytes_in(summary.live_bytes, summary.live_blocks, "block");
    let said = format!(
        "memtrace: imported from {}: {} allocations, peak {} bytes, live at the end {live}\n",
        process.imported.as_deref().unwrap_or_default(),
        crate::text::thousands(summary.allocations),
        crate::text::thousands(summary.peak_bytes),
    );
    let profile = Profile { processes: vec![process], ..Profile::without_processes() };
    if args.output == Path::new("-") {
        formats::to_stdout(&mut |to| profile.write_json(to))?;
    } else {
        formats::file(&args.output, formats::FOR_ALL, &mut |to| profile.write_json(to))?;
    }
    sys::say(&said);
    Ok(ExitCode::SUCCESS)
}

/// The process of a file, whichever tool's it is.
pub fn read(path: &Path) -> Result<Process, Error> {
    let what = format!("`{}`", path.display());
    let mut file = File::open(path).map_err(|cause| cannot_open(path, cause))?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(START_BYTES).read_to_end(&mut start).map_err(|cause| cannot_open(path, cause))?;
    let mut content = unpacked(start, file);
    let start = content.fill_buf().map_err(|error| Error::read(&what, crate::error::words(&error)))?;
    if heaptrack::is_heaptrack(start) {
        let mut process = heaptrack::read(content, &what)?;
        process.pid = pid(path);
        return Ok(process);
    }
    if start.is_empty() || !json::is_json(start) {
        return Err(Error::read(what, "expected a file of heaptrack, or of DHAT"));
    }
    dhat::read(content, &what)
}

/// heaptrack says it in the name of the file alone: `heaptrack.app.1234.zst`.
fn pid(path: &Path) -> u32 {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.split('.').filter_map(|part| part.parse().ok()).next_back().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAPTRACK: &str = "v 10400 3\nX ./app x\nI 1000 10\ns 6 /a/app\ns 4 main\ns 6 load\nx\ns 3 a.c\ni 1234 1 3 4 7 2 4 9\n\
                             i 99 1 2\nt 2 0\nt 1 1\nc 0\na 10 2\na 7 1\n+ 0\n+ 1\n- 1\n+ 0\nc 14\nR 3\n- 0\n# end\n";
    const DHAT: &str = r#"{"dhatFileVersion":2,"mode":"heap","bklt":true,"cmd":"./app x","pid":7,"ftbl":["[root]",
        "0x1: malloc (in /usr/v.so)","0x2: load (a.c:3)"],"pps":[{"tb":30,"tbk":3,"mb":20,"mbk":2,"gb":20,"gbk":2,"eb":10,"ebk":1,"fs":[1,2]}]}"#;

    fn read_text(text: &[u8]) -> Result<Process, Error> {
        if heaptrack::is_heaptrack(text) { heaptrack::read(text, "x") } else { dhat::read(text, "x") }
    }

    fn profile(process: Process) -> Profile {
        Profile { processes: vec![process], ..Profile::without_processes() }
    }

    #[test]
    fn numbers_are_those_of_the_file() {
        let process = read_text(HEAPTRACK.as_bytes()).unwrap();
        let summary = &process.summary;
        assert_eq!((summary.allocations, summary.allocated_bytes, summary.peak_bytes), (3, 39, 32));
        assert_eq!((summary.live_blocks, summary.live_bytes, summary.frees), (1, 16, 2));
        let names: Vec<&str> = process.frames.iter().filter_map(|frame| frame.function.as_deref()).collect();
        // A string that says how long it is may have lines.
        assert_eq!(names, ["main", "load\nx", "main"]);
        let site = &process.sites[1];
        assert_eq!((site.total_blocks, site.at_peak_bytes, site.peak_bytes, site.largest_bytes), (2, 32, 32, 16));
        assert_eq!((process.sites[0].temporary_blocks, process.sites[0].at_peak_bytes), (1, 0));
        assert_eq!(process.history.as_ref().unwrap().live_bytes, [0, 32]);
        assert_eq!(process.imported.as_deref(), Some("heaptrack 1.4.0"));
        let process = read_text(DHAT.as_bytes()).unwrap();
        assert_eq!(
            (process.sites[0].op.as_str(), process.stacks[0].len(), process.summary.peak_bytes),
            ("malloc", 1, 20)
        );
        assert_eq!(pid(Path::new("/a/heaptrack.app.1234.zst")), 1234);
    }

    #[test]
    fn no_flipped_byte_and_no_cut_stops_the_reader_or_makes_a_profile_unsound() {
        for text in [HEAPTRACK, DHAT] {
            let bytes = text.as_bytes();
            let check = |bytes: &[u8]| {
                let Ok(process) = read_text(bytes) else { return };
                let mut json = Vec::new();
                profile(process).write_json(&mut json).unwrap();
                Profile::from_json(&json, "x").unwrap();
            };
            for place in 0..bytes.len() {
                check(&bytes[..place]);
                for flip in [1, 2, 4, 0x10, 0x80, 0xff] {
                    let mut flipped = bytes.to_vec();
                    flipped[place] ^= flip;
                    check(&flipped);
                }
            }
        }
    }
}
