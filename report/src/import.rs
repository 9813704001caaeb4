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
use crate::text::bytes_in;
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
    let process = read(&args.file)?;
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

fn read(path: &Path) -> Result<Process, Error> {
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
