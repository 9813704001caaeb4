//! What a code object says of itself: file, qualified name, and the line of an instruction.
//!
//! Source: CPython's `Objects/locations.md` for the table of lines, `Include/cpython/unicodeobject.h` for texts. The texts
//! are copied, so the object may go. Types are compared, lengths bounded, pages shown: what is no code gives nothing.

use super::layout::{BYTES, FILE, LENGTH, LINES, Layout, NAME, STATE, TYPE};
use super::read::{Bytes, Pages};
use crate::trie::roll;

/// Addresses of the types of objects that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Types {
    /// `PyCode_Type`.
    pub code: u64,
    /// `PyUnicode_Type`.
    pub text: u64,
    /// `PyBytes_Type`.
    pub bytes: u64,
}

/// Bytes of a file's name that are kept, the last ones; and of a function's, the first ones.
const FILE_MAX: u64 = 240;
const NAME_MAX: u64 = 160;
/// Letters of a text that is believed.
const LETTERS_MAX: u64 = 1 << 20;
/// Bytes of a table of lines that are read: a function of 20,000 lines.
const LINES_MAX: u64 = 256 << 10;
/// Words of it that go into a print, each times an odd number of its own: two tables that differ in one word never have the
/// same sum of such products, others by a chance of 2^-64.
const PRINTED_WORDS: usize = 16;
const FACTORS: [u64; PRINTED_WORDS] = {
    let (mut factors, mut last, mut place) = ([0; PRINTED_WORDS], 1u64, 0);
    while place < PRINTED_WORDS {
        last = last.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        factors[place] = last | 1;
        place += 1;
    }
    factors
};

/// The text of a frame: file and name, each ended by a NUL, and the line behind them.
pub struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Text {
    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn push_letter(&mut self, letter: u32) {
        // Half a pair is no letter, and a NUL would end the text.
        let letter = char::from_u32(letter).filter(|&letter| letter != '\0').map_or(u32::from(b'?'), u32::from);
        // By hand: the library's own way knows how to panic.
        let behind = |shift: u32| 0x80 | (letter >> shift & 0x3f) as u8;
        match letter {
            0..0x80 => self.push(letter as u8),
            0x80..0x800 => [0xc0 | (letter >> 6) as u8, behind(0)].into_iter().for_each(|byte| self.push(byte)),
            0x800..0x1_0000 => {
                [0xe0 | (letter >> 12) as u8, behind(6), behind(0)].into_iter().for_each(|byte| self.push(byte));
            }
            _ => {
                let bytes = [0xf0 | (letter >> 18) as u8, behind(12), behind(6), behind(0)];
                bytes.into_iter().for_each(|byte| self.push(byte));
            }
        }
    }

    fn push_number(&mut self, number: u64) {
        if number >= 10 {
            // Twenty digits at the most.
            self.push_number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
    }

    /// Writes the text of an instruction of a code object, which `print` has taken for one.
    pub fn write(&mut self, read: &mut Reader<'_>, code: u64, instruction: u64) -> Option<()> {
        self.length = 0;
        let (file, name) = (read.pages.word(code + FILE)?, read.pages.word(code + NAME)?);
        self.push_text(read, file, FILE_MAX, true)?;
        self.push(0);
        self.push_text(read, name, NAME_MAX, false)?;
        self.push(0);
        let first_line = i64::from(read.pages.half(code + read.layout.first_line)?);
        let offset = (instruction as i64).wrapping_sub((code + read.layout.instructions) as i64);
        let table = read.pages.word(code + LINES)?;
        // Before the first instruction: the function is about to begin.
        let line = if offset < 0 { Some(first_line) } else { read.line_of(table, first_line, offset as u64) };
        self.push_number(line.and_then(|line| u64::try_from(line).ok()).unwrap_or(0));
        Some(())
    }

    /// Copies a text of Python's into so many bytes: its end, or its beginning.
    fn push_text(&mut self, read: &mut Reader<'_>, text: u64, room: u64, wants_end: bool) -> Option<()> {
        let pages = &mut *read.pages;
        if pages.word(text.wrapping_add(TYPE))? != read.types.text {
            return None;
        }
        let (state, length) = (pages.half(text + STATE)?, pages.word(text + LENGTH)?);
        let (width, is_compact, is_ascii) = (u64::from(state >> 2 & 7), state & 32 != 0, state & 64 != 0);
        if !is_compact || !matches!(width, 1 | 2 | 4) || length > LETTERS_MAX {
            return None;
        }
        let [ascii, other] = read.layout.letters;
        let letters = text + if is_ascii { ascii } else { other };
        let first = if wants_end { length.saturating_sub(room) } else { 0 };
        let end = self.length as u64 + room;
        if first > 0 {
            self.push_letter(u32::from('…'));
        }
        for at in (first..length).map(|place| letters + place * width) {
            if self.length as u64 >= end {
                self.push_letter(u32::from('…'));
                break;
            }
            self.push_letter(match width {
                1 => pages.byte(at)?.into(),
                2 => u32::from(pages.byte(at)?) | u32::from(pages.byte(at + 1)?) << 8,
                _ => pages.half(at)?,
            });
        }
        Some(())
    }
}

/// Reads code objects of one version.
pub struct Reader<'r> {
    /// What can be read.
    pub pages: &'r mut Pages,
    /// Of the version.
    pub layout: &'static Layout,
    /// Types of objects.
    pub types: Types,
}

impl Reader<'_> {
    /// What tells a code object from another that has taken its place: its texts' addresses, and the beginning of its
    /// table of lines. `None`: it is no code.
    pub fn print(&mut self, code: u64) -> Option<u64> {
        let [kind, file, name, table, line] =
            self.pages.words(code, [TYPE, FILE, NAME, LINES, self.layout.first_line & !7])?;
        if code & 7 != 0 || kind != self.types.code {
            return None;
        }
        let [kind, length] = self.pages.words(table, [TYPE, LENGTH])?;
        if kind != self.types.bytes {
            return None;
        }
        let line = (line >> ((self.layout.first_line & 7) * 8)) & 0xffff_ffff;
        let seed = roll(roll(roll(roll(0, file), name), table), line << 32 ^ length);
        let factors = FACTORS.get(..(length / 8) as usize).unwrap_or(&FACTORS);
        Some(roll(seed, self.pages.sum(table.wrapping_add(BYTES), factors)?))
    }

    /// Whether code was made by the interpreter for itself, as what comes behind an `__init__`.
    pub fn is_interpreters(&mut self, code: u64, instruction: u64) -> Option<bool> {
        let (file, name) = (self.pages.word(code + FILE)?, self.pages.word(code + NAME)?);
        let prologue = u64::from(self.pages.half(code + self.layout.prologue)?);
        let own = (code + self.layout.instructions).wrapping_add(prologue.wrapping_mul(2));
        Some(file == name && instruction < own)
    }

    /// The line of the instruction at a byte offset. `None`: it has none, or the table is broken.
    fn line_of(&mut self, table: u64, first_line: i64, offset: u64) -> Option<i64> {
        let length = self.pages.word(table + LENGTH)?.min(LINES_MAX);
        let mut bytes = self.pages.bytes(table + BYTES, length);
        let (mut line, mut end) = (first_line, 0u64);
        loop {
            let head = bytes.take()?;
            end += (u64::from(head & 7) + 1) * 2;
            let kind = head >> 3 & 15;
            match kind {
                // With columns in a long form, or without any: the line's change comes first.
                13 | 14 => line = line.wrapping_add(signed(&mut bytes)?),
                10..=12 => line = line.wrapping_add(i64::from(kind) - 10),
                // The line before, or none.
                _ => {}
            }
            if end > offset {
                return (kind != 15).then_some(line);
            }
            // The columns: in one byte, in two, or in numbers; those have bit 7 clear, and the next entry's head has it set.
            bytes.skip(match kind {
                0..=9 => 1,
                10..=12 => 2,
                _ => 0,
            });
            while bytes.peek()? & 0x80 == 0 {
                bytes.take();
            }
        }
    }
}

/// A number in groups of six bits, the lowest first; its sign is the lowest bit of all.
fn signed(bytes: &mut Bytes<'_>) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..60).step_by(6) {
        let byte = bytes.take()?;
        value |= u64::from(byte & 63) << shift;
        if byte & 64 == 0 {
            let size = (value >> 1) as i64;
            return Some(if value & 1 != 0 { -size } else { size });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::layout::LAYOUTS;
    use std::boxed::Box;
    use std::vec;

    #[test]
    fn letters_are_written_as_utf_8_and_what_is_none_as_a_mark() {
        let mut text = Text { bytes: [0; 512], length: 0 };
        for letter in "aß…\u{1f980}\u{10ffff}".chars() {
            text.push_letter(letter.into());
        }
        [0, 0xd800, 0x11_0000].into_iter().for_each(|letter| text.push_letter(letter));
        text.push_number(0);
        text.push_number(1_204);
        assert_eq!(core::str::from_utf8(text.as_bytes()), Ok("aß…\u{1f980}\u{10ffff}???01204"));
        (0..600).for_each(|_| text.push_letter(0x20ac));
        assert_eq!(text.as_bytes().len(), 512);
    }

    /// A table of lines as CPython has it, behind what an object begins with; the last bytes of it lie on another page.
    fn line(table: &[u8], offset: u64) -> Option<i64> {
        let mut pages = Box::new(Pages::none());
        let mut object = vec![0u8; 3 * 4096];
        let start = 2 * 4096 - BYTES as usize - table.len() / 2 - object.as_ptr() as usize % 4096;
        object[start + LENGTH as usize..][..8].copy_from_slice(&(table.len() as u64).to_le_bytes());
        object[start + BYTES as usize..][..table.len()].copy_from_slice(table);
        let types = Types { code: 0, text: 0, bytes: 0 };
        let mut reader = Reader { pages: &mut pages, layout: &LAYOUTS[0], types };
        reader.line_of(object.as_ptr() as u64 + start as u64, 10, offset)
    }

    #[test]
    fn each_form_of_an_entry_has_its_line_and_a_cut_table_gives_no_other() {
        let head = |kind: u8, units: u8| 0x80 | kind << 3 | (units - 1);
        let table = [
            &[head(11, 1), 4, 9][..],
            &[head(0, 2), 5],
            &[head(14, 1), 10, 0, 1, 2],
            &[head(13, 8), 7],
            &[head(15, 1)],
            // A change of 64 lines is a number of two bytes.
            &[head(13, 1), 64, 2],
        ]
        .concat();
        let lines = [Some(11); 3].into_iter().chain([Some(16)]).chain([Some(13); 8]).chain([None, Some(77), None]);
        for (unit, expected) in lines.enumerate() {
            assert_eq!(line(&table, unit as u64 * 2), expected, "{unit}");
            for length in 0..table.len() {
                let found = line(&table[..length], unit as u64 * 2);
                assert!(found.is_none() || found == expected, "{unit} of {length} bytes: {found:?}");
            }
        }
    }
}
