//! A bundle, unpacked into a folder of its own that goes away with it.
//!
//! Invariants:
//! - only regular files are made, each below the folder, each once: no link, no path that leads out;
//! - no more is unpacked than `BYTES_MAX`; what is zero takes no room on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tar::{Archive, EntryType};

use super::{HEAD, PROFILE, RECORDING, ROOT, VERSION};
use crate::error::{Error, words};
use crate::packed::unpacked;

/// All files of a bundle.
const BYTES_MAX: u64 = 64 << 30;
/// A process has some hundred modules.
const ENTRIES_MAX: usize = 100_000;
/// A name of an entry.
const PATH_BYTES_MAX: u64 = 4 << 10;
/// Written, or left out, at once.
const PIECE_BYTES: usize = 64 << 10;
/// Names tried for the folder.
const ATTEMPTS_MAX: u32 = 100;

/// The folder.
pub struct Bundle {
    folder: PathBuf,
}

/// A packed file that is no bundle.
pub fn is_none(path: &Path) -> Error {
    Error::read(
        format!("`{}`", path.display()),
        "it is packed, and no bundle of memtrace; `memtrace import` reads heaptrack's files",
    )
}

impl Bundle {
    /// Unpacks a file of which the start was read already.
    pub fn unpack(start: Vec<u8>, file: File, path: &Path) -> Result<Bundle, Error> {
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::InvalidData => is_none(path),
            _ => Error::read(format!("bundle `{}`", path.display()), words(&cause)),
        };
        let bundle = Bundle { folder: folder().map_err(failed)? };
        let content = unpacked(start, file).take(BYTES_MAX);
        bundle.fill(content).map_err(failed)?;
        Ok(bundle)
    }

    /// The recording or the profile in it.
    pub fn file(&self) -> PathBuf {
        let recording = self.folder.join(RECORDING);
        if recording.exists() { recording } else { self.folder.join(PROFILE) }
    }

    /// The root with its modules.
    pub fn root(&self) -> PathBuf {
        self.folder.join(ROOT)
    }

    fn fill(&self, content: impl Read) -> io::Result<()> {
        let invalid = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut archive = Archive::new(content);
        let mut long: Option<Vec<u8>> = None;
        // Raw: the package would take any memory for a long name.
        for (number, entry) in archive.entries()?.raw(true).enumerate() {
            let mut entry = entry.map_err(|error| if number == 0 { invalid("no archive") } else { error })?;
            let kind = entry.header().entry_type();
            if number >= ENTRIES_MAX {
                return Err(invalid("too many files"));
            }
            if kind == EntryType::GNULongName {
                let mut name = Vec::new();
                entry.by_ref().take(PATH_BYTES_MAX).read_to_end(&mut name)?;
                long = Some(name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec());
                continue;
            }
            let name = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            let name = Path::new(std::ffi::OsStr::from_bytes(&name));
            let is_plain = name.components().all(|part| matches!(part, Component::Normal(_)));
            if kind != EntryType::Regular || !is_plain || name.as_os_str().is_empty() {
                return Err(invalid("something else than files"));
            }
            if number == 0 {
                let mut version = Vec::new();
                entry.by_ref().take(PATH_BYTES_MAX).read_to_end(&mut version)?;
                if name != Path::new(HEAD) || version != VERSION.as_bytes() {
                    return Err(invalid("no bundle"));
                }
                continue;
            }
            self.write(name, entry.header().entry_size()?, entry)?;
        }
        Ok(())
    }

    fn write(&self, name: &Path, length: u64, mut content: impl Read) -> io::Result<()> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut rest = length;
        while rest > 0 {
            let next = rest.min(PIECE_BYTES as u64) as usize;
            let part = piece.get_mut(..next).unwrap_or_default();
            content.read_exact(part)?;
            match part.iter().all(|&byte| byte == 0) {
                true => drop(file.seek(SeekFrom::Current(next as i64))?),
                false => file.write_all(part)?,
            }
            rest -= next as u64;
        }
        file.set_len(length)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A new folder that only its owner may read.
fn folder() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..ATTEMPTS_MAX {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("memtrace-bundle-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::{Packing, packing};
    use tar::{Builder, Header};

    /// An archive of these entries: type, name, content.
    fn unpack(entries: &[(EntryType, &str, &[u8])]) -> Result<Bundle, Error> {
        let mut packed = Vec::new();
        packing(Packing::Gzip, &mut packed, &mut |to| {
            let mut archive = Builder::new(to);
            for (kind, name, content) in entries {
                let mut header = Header::new_gnu();
                header.set_entry_type(*kind);
                header.set_size(content.len() as u64);
                // Written past the package's own checks.
                header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                archive.append(&header, *content)?;
            }
            archive.finish()
        })
        .unwrap();
        let (start, rest) = packed.split_at(8);
        Bundle::unpack(start.to_vec(), crate::recording::builder::file_of(rest), Path::new("x"))
    }

    #[test]
    fn only_files_below_the_folder_are_made() {
        let file = EntryType::Regular;
        let head = (file, HEAD, VERSION.as_bytes());
        let zeros = vec![0; 3 * PIECE_BYTES];
        let bundle =
            unpack(&[head, (file, "recording", b"x"), (file, "root/usr/lib/a", b"y"), (file, "root/z", &zeros)]);
        let bundle = bundle.unwrap();
        assert_eq!(fs::read(bundle.file()).unwrap(), b"x");
        assert_eq!(fs::read(bundle.root().join("usr/lib/a")).unwrap(), b"y");
        assert_eq!(fs::read(bundle.root().join("z")).unwrap(), zeros);
        let folder = bundle.folder.clone();
        drop(bundle);
        assert!(!folder.exists());
        for wrong in [
            (file, "../x", &b""[..]),
            (file, "/tmp/x", b""),
            (file, "a/../../x", b""),
            (file, "", b""),
            (EntryType::Symlink, "root", b""),
            (EntryType::Link, "root", b""),
            (EntryType::Char, "root", b""),
            (EntryType::Directory, "root", b""),
        ] {
            assert!(unpack(&[head, wrong]).is_err(), "{wrong:?}");
        }
        assert!(unpack(&[head, (file, "a", b""), (file, "a", b"")]).is_err(), "each once");
        for first in [(file, "recording", &b"1\n"[..]), (file, HEAD, b"2\n")] {
            let error = unpack(&[first]).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("no bundle of memtrace"), "{error}");
        }
        assert!(unpack(&[]).is_ok_and(|bundle| !bundle.file().exists()));
    }
}
