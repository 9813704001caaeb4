//! Text without a heap: a buffer on the stack, and the text table of the recording.

use core::ffi::CStr;
use memtrace_wire::layout::{TEXT_PER_WINDOW, TextAt};
use memtrace_wire::loss::Loss;

use crate::Hot;

/// Up to `N` bytes, always ended by a NUL; what does not fit is dropped and remembered.
pub struct Buffer<const N: usize> {
    bytes: [u8; N],
    length: usize,
    overflow: bool,
}

impl<const N: usize> Buffer<N> {
    /// Empty.
    pub const fn new() -> Self {
        Self { bytes: [0; N], length: 0, overflow: false }
    }

    /// Adds bytes; all or nothing.
    pub fn push(&mut self, text: &[u8]) {
        let end = self.length.saturating_add(text.len());
        match self.bytes.get_mut(self.length..end) {
            // The last byte stays NUL.
            Some(place) if end < N => {
                place.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
                self.length = end;
            }
            _ => self.overflow = true,
        }
    }

    /// Adds a number in decimal.
    pub fn push_number(&mut self, number: u64) {
        for digit in Digits::of(number) {
            self.push(&[digit]);
        }
    }

    /// Adds a number in decimal with commas, as people read it.
    pub fn push_grouped(&mut self, number: u64) {
        let digits = Digits::of(number);
        let mut left = digits.clone().count();
        for digit in digits {
            self.push(&[digit]);
            left -= 1;
            if left > 0 && left.is_multiple_of(3) {
                self.push(b",");
            }
        }
    }

    /// Adds "N things", or "1 thing".
    pub fn push_count(&mut self, number: u64, thing: &[u8]) {
        self.push_grouped(number);
        self.push(b" ");
        self.push(thing);
        if number != 1 {
            self.push(b"s");
        }
    }

    /// Adds a number in hexadecimal, with 0x.
    pub fn push_hex(&mut self, number: u64) {
        self.push(b"0x");
        let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
        for place in (0..digits).rev() {
            let digit = (number >> (place * 4) & 15) as u8;
            self.push(&[if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }]);
        }
    }

    /// What was pushed.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// The same as a C string; `None` if something did not fit or holds a NUL.
    pub fn as_c_str(&self) -> Option<&CStr> {
        if self.overflow {
            return None;
        }
        CStr::from_bytes_with_nul(self.bytes.get(..=self.length)?).ok()
    }

    /// Starts again.
    pub fn clear(&mut self) {
        self.length = 0;
        self.overflow = false;
        self.bytes = [0; N];
    }
}

impl<const N: usize> Default for Buffer<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The decimal digits of a number, the first one first.
#[derive(Clone)]
struct Digits {
    digits: [u8; 20],
    at: usize,
}

impl Digits {
    fn of(number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut rest = number;
        let mut at = 20;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            at -= 1;
            if rest == 0 {
                break;
            }
        }
        Self { digits, at }
    }
}

impl Iterator for Digits {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let digit = self.digits.get(self.at).copied()?;
        self.at += 1;
        Some(digit)
    }
}

/// The text table's window, in groups of four bytes, as a shift.
pub const TEXT_SHIFT: u32 = (TEXT_PER_WINDOW / 4).trailing_zeros();

impl Hot {
    /// Copies text into the recording; what does not fit is cut and counted.
    pub fn keep_text(&self, text: &[u8], into: &TextAt) {
        let Some(process) = self.store.process() else { return };
        let start = process.text_bytes.fetch_add((text.len() as u64).next_multiple_of(4));
        let mut kept = 0;
        for (place, chunk) in text.chunks(4).enumerate() {
            let Some(quad) = self.text.make(&self.store, start / 4 + place as u64) else { break };
            let mut bytes = [0u8; 4];
            bytes.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            quad.set(u32::from_le_bytes(bytes));
            kept += chunk.len();
        }
        if kept < text.len() {
            self.store.lose(Loss::TextDropped);
        }
        into.at.set(start as u32);
        into.bytes.set(kept as u32);
    }

    /// Copies text back out of the recording.
    pub fn text<const N: usize>(&self, from: &TextAt) -> Buffer<N> {
        let mut text = Buffer::new();
        self.text_bytes(from).for_each(|byte| text.push(&[byte]));
        text
    }

    /// The same, byte by byte.
    pub fn text_bytes(&self, from: &TextAt) -> impl Iterator<Item = u8> + '_ {
        let (start, length) = (from.at.get(), from.bytes.get());
        (0..length).map_while(move |place| {
            let at = start.wrapping_add(place);
            let quad = self.text.get(u64::from(at / 4))?;
            Some((quad.get() >> (at % 4 * 8)) as u8)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        let mut text = Buffer::<64>::new();
        text.push_number(0);
        text.push(b" ");
        text.push_number(u64::MAX);
        text.push(b" ");
        text.push_hex(0x1f0);
        assert_eq!(text.as_bytes(), b"0 18446744073709551615 0x1f0");
        text.clear();
        text.push_count(1, b"block");
        text.push_count(30_247, b"byte");
        text.push_count(1_000_005, b"");
        assert_eq!(text.as_bytes(), b"1 block30,247 bytes1,000,005 s");
    }

    #[test]
    fn what_does_not_fit_is_remembered() {
        let mut text = Buffer::<4>::new();
        text.push(b"abc");
        assert_eq!(text.as_c_str().map(|text| text.to_bytes()), Some(&b"abc"[..]));
        text.push(b"d");
        assert!(text.as_c_str().is_none());
    }
}
