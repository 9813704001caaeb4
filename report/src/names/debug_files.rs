//! Where the debug information of a stripped module lies.
//!
//! By build-id first (`DEBUG_ROOT/.build-id/xx/yyyy.debug`), then by the name in `.gnu_debuglink`: beside the module, in
//! `.debug/` beside it, and below `DEBUG_ROOT` with the module's own folder. What dwz(1) moved into a file that
//! several debug files share is found by `.gnu_debugaltlink`.
//!
//! Invariant: a file is taken only if its build-id, or else its CRC, is the one that was asked for.

use std::path::{Path, PathBuf};

use super::elf::ElfFile;
use super::path_of;

/// Where debug files are installed.
pub struct Places {
    debug_root: PathBuf,
}

impl Places {
    /// Where this system's packages put them.
    pub fn system() -> Places {
        Places { debug_root: PathBuf::from("/usr/lib/debug") }
    }

    /// Another root, for tests.
    #[cfg(test)]
    pub fn below(debug_root: &Path) -> Places {
        Places { debug_root: debug_root.to_path_buf() }
    }

    fn by_build_id(&self, build_id: &[u8]) -> Option<PathBuf> {
        let (first, rest) = build_id.split_first().filter(|(_, rest)| !rest.is_empty())?;
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(self.debug_root.join(".build-id").join(format!("{first:02x}")).join(rest + ".debug"))
    }

    fn by_link(&self, module: &Path, name: &[u8]) -> Vec<PathBuf> {
        let name = path_of(name);
        // A link is a file's name; with a folder in it, it would lead out of the places above.
        let (Some(name), Some(folder)) = (name.file_name(), module.parent()) else { return Vec::new() };
        let mut places = vec![folder.join(name), folder.join(".debug").join(name)];
        // Where /lib is a link to /usr/lib the debug file stands below the real folder.
        for folder in [Some(folder.to_path_buf()), folder.canonicalize().ok()].into_iter().flatten() {
            if let Ok(below) = folder.strip_prefix("/") {
                places.push(self.debug_root.join(below).join(name));
            }
        }
        places
    }
}

/// The separate debug file of a module, with its path.
pub fn find(path: &Path, module: &ElfFile, build_id: &[u8], places: &Places) -> Option<(PathBuf, ElfFile)> {
    if let Some(found) = places.by_build_id(build_id).and_then(|path| with_build_id(path, build_id)) {
        return Some(found);
    }
    let (name, crc) = module.debug_link()?;
    places.by_link(path, &name).into_iter().filter(|place| place != path).find_map(|place| {
        let file = ElfFile::open(&place)?;
        let has_build_id = !build_id.is_empty() && file.build_id() == build_id;
        (has_build_id || crc_of(&file) == Some(crc)).then_some((place, file))
    })
}

/// The file with what several debug files share, for a debug file at `path`.
pub fn find_shared(path: &Path, debug: &ElfFile, places: &Places) -> Option<ElfFile> {
    let (name, build_id) = debug.shared_link()?;
    // An absolute name replaces the folder.
    let beside = path.parent().map(|folder| folder.join(path_of(&name)));
    let real = path.canonicalize().ok().and_then(|real| Some(real.parent()?.join(path_of(&name))));
    let all = [beside, real, places.by_build_id(&build_id)];
    all.into_iter().flatten().find_map(|place| with_build_id(place, &build_id)).map(|found| found.1)
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
        assert_eq!(places.by_build_id(&[0xab, 0x01, 0xff]).unwrap(), Path::new("/d/.build-id/ab/01ff.debug"));
        assert_eq!(places.by_build_id(&[0xab]), None);
    }

    #[test]
    fn a_link_cannot_lead_out_of_its_folders() {
        let places = Places::below(Path::new("/d"));
        let all = places.by_link(Path::new("/no/lib.so"), b"../../etc/passwd");
        assert_eq!(all, ["/no/passwd", "/no/.debug/passwd", "/d/no/passwd"].map(PathBuf::from));
    }
}
