//! The mappings of a process as smaps(5) has them, and which of their pages are resident, as pagemap has it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::os::unix::fs::FileExt;

const PAGE_BYTES: u64 = memtrace_wire::layout::PAGE_BYTES;
/// A process has 65,530 mappings at most, unless its system was told otherwise; more than these are not looked at.
const MAPPINGS_MAX: usize = 200_000;
/// Longer ranges are not counted page by page: eight bytes are read for each page.
const COUNTED_MAX: u64 = 16 << 30;
/// Pages that are read of at a time.
const PAGES_AT_ONCE: u64 = 4096;

/// One mapping.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Smap {
    /// Its addresses.
    pub range: Range<u64>,
    /// It can be read, written or executed; nothing of these: it keeps others away.
    pub is_open: bool,
    /// It can be executed.
    pub is_code: bool,
    /// The kernel's name for it, or its file's.
    pub name: String,
    /// How much of it is resident.
    pub rss_bytes: u64,
    /// A fork child finds it empty (madvise(2), MADV_WIPEONFORK), and the kernel may not drop it: so memtrace has its own.
    pub is_wiped: bool,
}

/// All mappings of a process, by address.
pub fn read(pid: u32) -> io::Result<Vec<Smap>> {
    parse(BufReader::new(File::open(format!("/proc/{pid}/smaps"))?))
}

fn parse(text: impl BufRead) -> io::Result<Vec<Smap>> {
    let mut smaps: Vec<Smap> = Vec::new();
    for line in text.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        // A line of a mapping begins with an address, the others with a word and a colon.
        if let Some(smap) = head(&line) {
            if smaps.len() == MAPPINGS_MAX {
                break;
            }
            smaps.push(smap);
        } else if let (Some(smap), Some((word, rest))) = (smaps.last_mut(), line.split_once(':')) {
            match word {
                "Rss" => {
                    let kib = rest.split_ascii_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
                    smap.rss_bytes = kib.unwrap_or(0).saturating_mul(1024);
                }
                "VmFlags" => {
                    let has = |flag| rest.split_ascii_whitespace().any(|word| word == flag);
                    smap.is_wiped = has("wf") && !has("dp");
                }
                _ => {}
            }
        }
    }
    Ok(smaps)
}

/// `start-end perms offset device inode   name`.
fn head(line: &str) -> Option<Smap> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    let permissions = rest.get(..4)?;
    // The name is all behind the inode: it may have spaces in it.
    let mut name = rest;
    for _ in 0..4 {
        name = name.trim_start().split_once(' ').map_or("", |(_, rest)| rest);
    }
    Some(Smap {
        is_open: permissions.contains(['r', 'w', 'x']),
        is_code: permissions.contains('x'),
        name: name.trim_start().to_owned(),
        range: (range.start <= range.end).then_some(range)?,
        ..Smap::default()
    })
}

/// Resident pages of a process.
pub struct Pagemap(File);

impl Pagemap {
    /// Those of a process.
    pub fn open(pid: u32) -> io::Result<Pagemap> {
        File::open(format!("/proc/{pid}/pagemap")).map(Pagemap)
    }

    /// How much of a range is resident; `None`: it cannot be told, or is too much to be counted.
    pub fn resident_bytes(&self, range: Range<u64>) -> Option<u64> {
        let pages = range.start / PAGE_BYTES..range.end.div_ceil(PAGE_BYTES);
        if pages.end.saturating_sub(pages.start) > COUNTED_MAX / PAGE_BYTES {
            return None;
        }
        let mut buffer = Vec::new();
        let (mut resident, mut page) = (0, pages.start);
        while page < pages.end {
            let count = (pages.end - page).min(PAGES_AT_ONCE);
            buffer.resize(count as usize * 8, 0);
            self.0.read_exact_at(&mut buffer, page.checked_mul(8)?).ok()?;
            // The last bit of a page's word says that it is there.
            resident += buffer.chunks_exact(8).filter(|word| word.last().is_some_and(|byte| byte & 0x80 != 0)).count();
            page += count;
        }
        Some(resident as u64 * PAGE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_its_head_and_some_of_its_lines() {
        let text = "10000-12000 rw-p 00000000 00:00 0 \nSize:  8 kB\nRss:     4 kB\nVmFlags: rd wr wf ac\n\
            7f00-7f01 r-xp 00002000 fe:00 9    /a b/lib.so (deleted)\nRss: 8 kB\nVmFlags: rd ex\n\
            20000-21000 ---p 00000000 00:00 0\nRss: 0 kB\n30000-31000 rw-p 00000000 00:00 0 [heap]\nVmFlags: wf dp\nRss: x kB\n";
        let found = parse(text.as_bytes()).unwrap();
        let smap = |range, is_open, is_code, name: &str, rss_bytes, is_wiped| {
            let name = name.to_owned();
            Smap { range, is_open, is_code, name, rss_bytes, is_wiped }
        };
        assert_eq!(
            found,
            [
                smap(0x10000..0x12000, true, false, "", 4096, true),
                smap(0x7f00..0x7f01, true, true, "/a b/lib.so (deleted)", 8192, false),
                smap(0x20000..0x21000, false, false, "", 0, false),
                smap(0x30000..0x31000, true, false, "[heap]", 0, false),
            ]
        );
        assert_eq!(parse("x\n\u{0}-1 r\nRss: 9 kB\n9-1 rw-p 0 0 0 x\n".as_bytes()).unwrap(), []);
    }

    #[test]
    fn resident_pages_of_this_process_are_those_that_were_touched() {
        let own = std::process::id();
        let touched = vec![1u8; 1 << 20];
        let start = touched.as_ptr() as u64;
        let counted = Pagemap::open(own).unwrap().resident_bytes(start..start + (1 << 20)).unwrap();
        assert!((1 << 20..(1 << 20) + 2 * PAGE_BYTES).contains(&counted), "{counted}");
        let around = read(own).unwrap().into_iter().find(|smap| smap.range.contains(&start)).unwrap();
        assert!(around.rss_bytes >= 1 << 20 && around.is_open && !around.is_code, "{around:?}");
        assert_eq!(Pagemap::open(own).unwrap().resident_bytes(0..u64::MAX), None);
    }
}
