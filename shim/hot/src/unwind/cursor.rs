//! Reading DWARF in a module's memory, forwards and never past the module's end.

use super::object::Object;

/// DWARF operations in a module's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expression {
    /// Address of the first.
    pub at: u64,
    /// Bytes.
    pub bytes: u32,
}

/// A place in a module's memory, moving forward, never past its end.
#[derive(Clone, Copy)]
pub struct Cursor {
    /// Address of the next byte.
    pub at: u64,
    pub(super) end: u64,
}

impl Cursor {
    /// From an address to the end of the module, which must be mapped between.
    pub(super) fn new(object: &Object, at: u64) -> Option<Self> {
        (object.start..object.bound).contains(&at).then_some(Self { at, end: object.bound })
    }

    /// Over an expression.
    pub fn over(expression: Expression) -> Self {
        Self { at: expression.at, end: expression.at + u64::from(expression.bytes) }
    }

    pub(super) fn until(self, bytes: u64) -> Option<Self> {
        let end = self.at.checked_add(bytes)?;
        (end <= self.end).then_some(Self { at: self.at, end })
    }

    pub(super) fn skip(&mut self, bytes: u64) -> Option<()> {
        let at = self.at.checked_add(bytes)?;
        if at > self.end {
            return None;
        }
        self.at = at;
        Some(())
    }

    /// Whether anything is left.
    pub fn more(&self) -> bool {
        self.at < self.end
    }

    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let at = self.at;
        self.skip(N as u64)?;
        // SAFETY: between the module's start and end, in a section that its program headers name as loaded.
        Some(unsafe { (at as *const [u8; N]).read_unaligned() })
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// Two bytes.
    pub fn half(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// An unsigned LEB128 number.
    pub fn unsigned(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// A signed LEB128 number.
    pub fn signed(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0i64, 0);
        loop {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                if shift < 64 && byte & 0x40 != 0 {
                    value |= -1i64 << shift;
                }
                return Some(value);
            }
        }
    }

    /// A pointer in one of the DW_EH_PE encodings; indirect ones are not followed, because only personality
    /// routines use them, and those are skipped.
    pub(super) fn pointer(&mut self, encoding: u8) -> Option<u64> {
        let here = self.at;
        let value = match encoding & 0x0f {
            0x00 | 0x04 | 0x0c => self.long()?,
            0x01 => self.unsigned()?,
            0x02 => u64::from(self.half()?),
            0x03 => u64::from(self.word()?),
            0x09 => self.signed()? as u64,
            0x0a => self.half()? as i16 as u64,
            0x0b => self.word()? as i32 as u64,
            _ => return None,
        };
        match encoding & 0x70 {
            0x00 => Some(value),
            0x10 => Some(here.wrapping_add(value)),
            _ => None,
        }
    }
}
