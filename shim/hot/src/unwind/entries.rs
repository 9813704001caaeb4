//! The entries of `.eh_frame`: which description covers an address, and what the common entry before it says.
//!
//! Source: as `cfi`. Every read is bounded by the module; what is malformed gives `None`.

use super::cfi::RETURN;
use super::cursor::Cursor;
use super::object::Object;

/// The piece of code around `pc` that has one description: a function, or the part of one that was moved away as unlikely
/// to run. First address, and last + 1.
pub fn range(object: &Object, pc: u64) -> Option<(u64, u64)> {
    let (_, common) = Common::of(object, entry_for(object, pc)?, pc)?;
    Some((common.start, common.start.checked_add(common.length)?))
}

/// The frame description entry whose range may hold `pc`: by binary search in `.eh_frame_hdr`.
pub(super) fn entry_for(object: &Object, pc: u64) -> Option<u64> {
    if object.eh_frame_hdr == 0 {
        return None;
    }
    let mut header = Cursor::new(object, object.eh_frame_hdr)?;
    let [version, pointer, count, table] = header.take::<4>()?;
    if version != 1 {
        return None;
    }
    let frames = header.pointer(pointer)?;
    // 0xff: omitted; 0x3b: pairs of signed 32-bit offsets from the header, the only form that linkers write.
    if count == 0xff || table != 0x3b {
        return search_all(object, frames, pc);
    }
    let entries = header.pointer(count)?;
    if entries == 0 || header.until(entries.checked_mul(8)?).is_none() {
        return None;
    }
    let pair = |index: u64, half: u64| -> Option<u64> {
        let mut at = Cursor { at: header.at + index * 8 + half * 4, end: header.end };
        Some(object.eh_frame_hdr.wrapping_add(at.word()? as i32 as u64))
    };
    let (mut low, mut high) = (0, entries);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if pair(middle, 0)? <= pc {
            low = middle;
        } else {
            high = middle;
        }
    }
    pair(low, 1)
}

/// Entries that are looked at without an index; a module without one is small or broken.
const SEARCH_MAX: usize = 100_000;

fn search_all(object: &Object, frames: u64, pc: u64) -> Option<u64> {
    let mut at = frames;
    for _ in 0..SEARCH_MAX {
        let mut cursor = Cursor::new(object, at)?;
        let bytes = cursor.word()?;
        if bytes == 0 || bytes == u32::MAX {
            return None;
        }
        if Cursor::new(object, at + 4)?.word()? != 0 && Common::of(object, at, pc).is_some() {
            return Some(at);
        }
        at = at.checked_add(4 + u64::from(bytes))?;
    }
    None
}

/// What a common information entry says to its descriptions.
pub(super) struct Common {
    /// The program that goes before those of its descriptions.
    pub program: Cursor,
    /// First address of the description's code.
    pub start: u64,
    /// Bytes of its code.
    length: u64,
    /// What advances are multiplied by.
    pub code_factor: u64,
    /// What offsets are multiplied by.
    pub data_factor: i64,
    /// How addresses are written.
    pub encoding: u8,
    /// The frame is a signal's.
    pub signal: bool,
}

impl Common {
    /// The description at `entry` if it covers `pc`: its program, and its common part.
    pub fn of(object: &Object, entry: u64, pc: u64) -> Option<(Cursor, Common)> {
        let mut description = Cursor::new(object, entry)?;
        let bytes = description.word()?;
        if bytes == 0 || bytes == u32::MAX {
            return None;
        }
        let mut description = description.until(u64::from(bytes))?;
        let back = description.at;
        let mut common = Common::parse(object, back.checked_sub(u64::from(description.word()?))?)?;
        common.1.start = description.pointer(common.1.encoding)?;
        common.1.length = description.pointer(common.1.encoding & 0x0f)?;
        if pc.wrapping_sub(common.1.start) >= common.1.length {
            return None;
        }
        if common.0 {
            let skipped = description.unsigned()?;
            description.skip(skipped)?;
        }
        Some((description, common.1))
    }

    /// The entry at `at`, and whether its descriptions carry augmentation data.
    fn parse(object: &Object, at: u64) -> Option<(bool, Common)> {
        let mut entry = Cursor::new(object, at)?;
        let bytes = entry.word()?;
        let mut entry = entry.until(u64::from(bytes))?;
        let (_id, version) = (entry.word()?, entry.byte()?);
        if version != 1 && version != 3 {
            return None;
        }
        let mut letters = entry;
        while entry.byte()? != 0 {}
        let code_factor = entry.unsigned()?;
        let data_factor = entry.signed()?;
        let column = if version == 1 { u64::from(entry.byte()?) } else { entry.unsigned()? };
        if column != RETURN as u64 {
            return None;
        }
        let mut common =
            Common { program: entry, start: 0, length: 0, code_factor, data_factor, encoding: 0, signal: false };
        let mut sized = false;
        if letters.byte()? == b'z' {
            sized = true;
            let bytes = entry.unsigned()?;
            let mut data = entry.until(bytes)?;
            entry.skip(bytes)?;
            loop {
                match letters.byte()? {
                    0 => break,
                    b'R' => common.encoding = data.byte()?,
                    b'S' => common.signal = true,
                    b'L' => data.skip(1)?,
                    b'P' => {
                        let encoding = data.byte()?;
                        data.pointer(encoding & 0x0f)?;
                    }
                    _ => break,
                }
            }
        }
        common.program = entry;
        Some((sized, common))
    }
}
