//! `memtrace bundle`: a recording, or a profile, with the files that its names come from, in one file that is read like it.
//!
//! ```text
//!   memtrace-bundle          says what this is, and its version
//!   recording                or `profile.json`
//!   root/usr/lib/libx.so     modules, where they were
//!   root/usr/lib/debug/…     their debug files, by build-id
//! ```
//!
//! So what `tar -x` makes of it is a root for `--sysroot`, too.

mod unpack;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tar::{Builder, Header};

use crate::elsewhere::ElsewhereArgs;
use crate::error::{Error, cannot_open};
use crate::formats;
use crate::input::{self, Input};
use crate::names::{ModuleKey, Needed, Origin, needed};
use crate::packed::{self, Packing};
use crate::profile;
use crate::recording::{Recording, is_recording};
use crate::sys;
use crate::text::{Safe, count, scaled};
pub use unpack::{Bundle, is_none};

/// The entry that comes first.
const HEAD: &str = "memtrace-bundle";
/// What it says.
const VERSION: &str = "1\n";
/// The entry with the recording.
const RECORDING: &str = "recording";
/// The entry with the profile.
const PROFILE: &str = "profile.json";
/// Where files of the target's machine are.
const ROOT: &str = "root";
/// Modules that are named where they are not to be had.
const MISSING_MAX: usize = 10;

/// What `memtrace bundle` takes.
#[derive(clap::Args, Debug)]
pub struct BundleArgs {
    /// Recording or profile
    file: PathBuf,
    /// File to write: `.tar.zst` or `.tar.gz`
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    elsewhere: ElsewhereArgs,
}

/// The body of the command.
pub fn command(args: &BundleArgs) -> Result<ExitCode, Error> {
    let packing = packing(&args.output)?;
    let (mut file, start) = input::open(&args.file)?;
    let what = format!("`{}`", args.file.display());
    if Packing::of(&start) != Packing::Plain {
        return Err(Error::read(what, "it is packed already, expected a recording or a profile"));
    }
    let (entry, modules) = if is_recording(&start) {
        let again = file.try_clone().map_err(|cause| cannot_open(&args.file, cause))?;
        (RECORDING, profile::modules(&Recording::from_file(again, &what)?))
    } else {
        match Input::read(&args.file, None)? {
            Input::Profile(profile) => (PROFILE, profile.modules()),
            Input::Sweep(_) => return Err(Error::read(what, "it is a sweep, expected a recording or a profile")),
        }
    };
    let (files, missing) = files(&modules, args);
    let mut bytes = 0;
    formats::file(&args.output, 0o600, &mut |to| {
        file.seek(SeekFrom::Start(0))?;
        packed::packing(packing, to, &mut |to| {
            let mut archive = Builder::new(to);
            add(&mut archive, Path::new(HEAD), VERSION.len() as u64, VERSION.as_bytes())?;
            add(&mut archive, Path::new(entry), file.metadata()?.len(), &mut file)?;
            for needed in &files {
                let file = File::open(&needed.path)?;
                let length = file.metadata()?.len();
                bytes += length;
                add(&mut archive, &Path::new(ROOT).join(&needed.place), length, file)?;
            }
            archive.finish()
        })
    })?;
    let number = count(files.len() as u64, "file");
    sys::say(&format!("memtrace: packed with {number} of {}\n", scaled(bytes)));
    say_missing(&missing);
    Ok(ExitCode::SUCCESS)
}

/// By the ending of a file's name.
fn packing(path: &Path) -> Result<Packing, Error> {
    let name = path.to_string_lossy();
    let ends = |endings: [&str; 2]| endings.iter().any(|ending| name.ends_with(ending));
    match () {
        () if ends([".tar.zst", ".tzst"]) => Ok(Packing::Zstd),
        () if ends([".tar.gz", ".tgz"]) => Ok(Packing::Gzip),
        () => Err(Error::Usage {
            found: format!("`{name}` says not how to pack it, expected a name in `.tar.zst` or `.tar.gz`"),
        }),
    }
}

/// The files of the modules, each once, and the modules without one.
fn files<'m>(modules: &'m [ModuleKey], args: &BundleArgs) -> (Vec<Needed>, Vec<(&'m ModuleKey, Origin)>) {
    let places = args.elsewhere.places(&[]);
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for key in modules {
        match needed(key, &places) {
            Ok(needed) => files.extend(needed),
            Err(why) => missing.push((key, why)),
        }
    }
    files.sort_by(|one, other| one.place.cmp(&other.place));
    files.dedup_by(|one, other| one.place == other.place);
    (files, missing)
}

fn say_missing(missing: &[(&ModuleKey, Origin)]) {
    for (key, why) in missing.iter().take(MISSING_MAX) {
        let path = key.path.display().to_string();
        let why = if *why == Origin::Changed { "the file there is not the one that ran" } else { "it cannot be read" };
        sys::say(&format!("memtrace: without `{}`: {why}\n", Safe(&path)));
    }
    if missing.len() > MISSING_MAX {
        sys::say(&format!("memtrace: without {}\n", count((missing.len() - MISSING_MAX) as u64, "more file")));
    }
}

/// Adds a regular file of just this length. Two bundles of the same are the same: there is no time and no owner in them.
fn add(archive: &mut Builder<&mut dyn Write>, path: &Path, length: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o644);
    // Whoever cuts a file while it is read gets an archive that is whole all the same.
    let content = content.chain(io::repeat(0)).take(length);
    archive.append_data(&mut header, path, content)
}
