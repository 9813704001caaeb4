//! Where the debug information of a stripped module lies, and where the module itself does, if it ran on another machine.
//!
//! By build-id first (`DEBUG_ROOT/.build-id/xx/yyyy.debug`), then by the name in `.gnu_debuglink`: beside the module, in
//! `.debug/` beside it, and below `DEBUG_ROOT` with the module's own folder. What dwz(1) moved into a file that
//! several debug files share is found by `.gnu_debugaltlink`.
//!
//! Modules of another machine are looked for below copies of its root; files of both kinds below folders that are named,
//! by build-id; and at last a server is asked, by the system's own client.
//!
//! Invariant: a file is taken only if its build-id, or else its CRC, is the one that was asked for.

use std::path::{Path, PathBuf};

use super::elf::ElfFile;
use super::{Origin, is_same, path_of, service};

/// Below a root, where this system's packages put debug files.
pub const DEBUG_ROOT: &str = "usr/lib/debug";

/// Where modules and debug files are.
#[derive(Clone, PartialEq, Debug)]
pub struct Places {
    /// Copies of the root of the machine that a module ran on.
    sysroots: Vec<PathBuf>,
    debug_roots: Vec<PathBuf>,
    /// Whether a server may be asked.
    asks: bool,
}

impl Default for Places {
    fn default() -> Self {
        Places::system()
    }
}

impl Places {
    /// This system's.
    pub fn system() -> Places {
        Places::elsewhere(&[], &[], false)
    }

    /// Below these roots and folders of debug files first; `asks`: of a server, too.
    pub fn elsewhere(sysroots: &[PathBuf], debug_dirs: &[PathBuf], asks: bool) -> Places {
        let roots = sysroots.iter().map(PathBuf::as_path).chain([Path::new("/")]);
        let debug_roots = debug_dirs.iter().cloned().chain(roots.map(|root| root.join(DEBUG_ROOT))).collect();
        Places { sysroots: sysroots.to_vec(), debug_roots, asks }
    }

    /// Another root alone, for tests.
    #[cfg(test)]
    pub fn below(debug_root: &Path) -> Places {
        Places { sysroots: Vec::new(), debug_roots: vec![debug_root.to_path_buf()], asks: false }
    }

    /// Whether they are this system's alone.
    pub fn is_here(&self) -> bool {
        *self == Places::system()
    }

    /// The file of a module, with its path; `Err`: why there is none.
    pub fn module(&self, path: &Path, build_id: &[u8]) -> Result<(PathBuf, ElfFile), Origin> {
        let below = path.strip_prefix("/").ok();
        let mut candidates: Vec<PathBuf> =
            below.into_iter().flat_map(|below| self.sysroots.iter().map(move |root| root.join(below))).collect();
        // A file that cannot be told from another is not looked for on a machine that it did not run on.
        if self.sysroots.is_empty() || !build_id.is_empty() {
            candidates.push(path.to_path_buf());
        }
        candidates.extend(self.by_build_id(build_id, ""));
        let mut why = Origin::Unreadable;
        for candidate in candidates {
            let Some(file) = ElfFile::open(&candidate) else { continue };
            if is_same(build_id, &file.build_id()) {
                return Ok((candidate, file));
            }
            why = Origin::Changed;
        }
        Err(why)
    }

    /// Below each folder of debug files.
    fn by_build_id(&self, build_id: &[u8], ending: &str) -> Vec<PathBuf> {
        let Some(name) = build_id_path(build_id, ending) else { return Vec::new() };
        self.debug_roots.iter().map(|root| root.join(&name)).collect()
    }

    /// By its link; `seen` is the module's path as the target saw it.
    fn by_link(&self, module: &Path, seen: &Path, name: &[u8]) -> Vec<PathBuf> {
        let name = path_of(name);
        // A link is a file's name; with a folder in it, it would lead out of the places above.
        let (Some(name), Some(folder)) = (name.file_name(), module.parent()) else { return Vec::new() };
        let mut places = vec![folder.join(name), folder.join(".debug").join(name)];
        // Where /lib is a link to /usr/lib the debug file stands below the real folder.
        let seen = seen.parent().map(Path::to_path_buf);
        for folder in [seen, folder.canonicalize().ok()].into_iter().flatten() {
            if let Ok(below) = folder.strip_prefix("/") {
                places.extend(self.debug_roots.iter().map(|root| root.join(below).join(name)));
            }
        }
        places
    }
}

/// `.build-id/xx/yyyy` and an ending.
pub fn build_id_path(build_id: &[u8], ending: &str) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Path::new(".build-id").join(format!("{first:02x}")).join(rest + ending))
}

/// The debug file of this build-id, with its path: below the folders, else from a server.
pub fn of_build_id(build_id: &[u8], places: &Places) -> Option<(PathBuf, ElfFile)> {
    let by_build_id = places.by_build_id(build_id, ".debug");
    by_build_id.into_iter().find_map(|path| with_build_id(path, build_id))
}

/// The same from a server, if one may be asked.
pub fn of_service(build_id: &[u8], places: &Places) -> Option<(PathBuf, ElfFile)> {
    let may_ask = places.asks && build_id.len() > 1;
    may_ask.then(|| service::debug_file(build_id))?.and_then(|path| with_build_id(path, build_id))
}

/// The separate debug file of a module, with its path; `seen` is the module's path as the target saw it.
pub fn find(path: &Path, seen: &Path, module: &ElfFile, places: &Places) -> Option<(PathBuf, ElfFile)> {
    let build_id = &module.build_id();
    if let Some(found) = of_build_id(build_id, places) {
        return Some(found);
    }
    let by_link = || {
        let (name, crc) = module.debug_link()?;
        linked(path, &places.by_link(path, seen, &name), build_id, crc)
    };
    // What the module says itself need not be asked for.
    by_link().or_else(|| if module.has_lines() { None } else { of_service(build_id, places) })
}

fn linked(path: &Path, candidates: &[PathBuf], build_id: &[u8], crc: u32) -> Option<(PathBuf, ElfFile)> {
    candidates.iter().filter(|place| *place != path).find_map(|place| {
        let file = ElfFile::open(place)?;
        let has_build_id = !build_id.is_empty() && file.build_id() == build_id;
        (has_build_id || crc_of(&file) == Some(crc)).then(|| (place.clone(), file))
    })
}

/// The file with what several debug files share, for a debug file at `path`.
pub fn find_shared(path: &Path, debug: &ElfFile, places: &Places) -> Option<(PathBuf, ElfFile)> {
    let (name, build_id) = debug.shared_link()?;
    // An absolute name replaces the folder.
    let beside = path.parent().map(|folder| folder.join(path_of(&name)));
    let real = path.canonicalize().ok().and_then(|real| Some(real.parent()?.join(path_of(&name))));
    let all = [beside, real].into_iter().flatten().chain(places.by_build_id(&build_id, ".debug"));
    all.into_iter().find_map(|place| with_build_id(place, &build_id)).or_else(|| of_service(&build_id, places))
}

fn with_build_id(path: PathBuf, build_id: &[u8]) -> Option<(PathBuf, ElfFile)> {
    let file = ElfFile::open(&path)?;
    let is_it = file.build_id() == build_id;
    is_it.then_some((path, file))
}

fn crc_of(file: &ElfFile) -> Option<u32> {
    let mut crc = !0;
    file.for_each_piece(|piece| crc = crc32(crc, piece)).then_some(!crc)
}

/// The CRC of `.gnu_debuglink`: CRC-32 as in zip, over the whole file. Goes on from `crc`, which begins and ends
/// with all its bits turned.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut rest = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                rest = if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 };
                bit += 1;
            }
            table[byte] = rest;
            byte += 1;
        }
        table
    };
    bytes.iter().fold(crc, |crc, &byte| TABLE[((crc ^ u32::from(byte)) & 0xff) as usize] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_zip() {
        assert_eq!(!crc32(crc32(!0, b"1234"), b"56789"), 0xcbf4_3926);
    }

    #[test]
    fn a_build_id_is_split_after_its_first_byte() {
        let places = Places::below(Path::new("/d"));
        assert_eq!(places.by_build_id(&[0xab, 0x01, 0xff], ".debug"), [Path::new("/d/.build-id/ab/01ff.debug")]);
        assert!(places.by_build_id(&[0xab], ".debug").is_empty());
    }

    #[test]
    fn a_link_cannot_lead_out_of_its_folders() {
        let places = Places::below(Path::new("/d"));
        let path = Path::new("/no/lib.so");
        let all = places.by_link(path, path, b"../../etc/passwd");
        assert_eq!(all, ["/no/passwd", "/no/.debug/passwd", "/d/no/passwd"].map(PathBuf::from));
    }
}
