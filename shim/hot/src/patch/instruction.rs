//! How long an x86-64 instruction is, and whether it depends on where it stands.
//!
//! Source: Intel's Software Developer's Manual, volume 2, appendix A. What compilers never make (EVEX, 3DNow!, far
//! calls, addresses of 32 bits relative to the instruction) is not known here, so that its function is left alone.

/// What moving an instruction has to look after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing.
    Plain,
    /// Four bytes at this place in it are a distance from its end to an operand.
    Relative(usize),
    /// A jump if a condition holds, its number; the distance from its end.
    Branch(u8, i64),
    /// A jump in any case.
    Jump(i64),
    /// A call.
    Call(i64),
    /// A call through a register or memory.
    IndirectCall,
    /// A jump that has a short form only (loop, jrcxz).
    Short(i64),
    /// What follows is reached by a jump only: a return, a jump through a register or memory, ud2.
    End,
}

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Bytes.
    pub length: usize,
    /// See `Kind`.
    pub kind: Kind,
}

/// Bytes of the longest instruction.
const LENGTH_MAX: usize = 15;

/// What stands behind the operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Immediate {
    None,
    /// So many bytes.
    Bytes(usize),
    /// Two bytes with a prefix of operand size, else four.
    Operand,
}

/// The instruction that the code begins with. `None`: it is not known here, or cut.
pub fn decode(code: &[u8]) -> Option<Instruction> {
    use Immediate::{Bytes, None as Nothing, Operand};
    let byte = |at: usize| code.get(at).copied();
    let mut at = 0;
    let (mut is_half, mut is_short_address) = (false, false);
    while let Some(prefix @ (0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)) = byte(at) {
        is_half |= prefix == 0x66;
        is_short_address |= prefix == 0x67;
        at += 1;
    }
    let mut is_wide = false;
    if let Some(rex @ 0x40..=0x4f) = byte(at) {
        is_wide = rex & 8 != 0;
        at += 1;
    }
    let operation = byte(at)?;
    at += 1;
    // Whether a ModRM byte follows, and then what.
    let (has_modrm, immediate) = match operation {
        0x0f => {
            let second = byte(at)?;
            at += 1;
            match second {
                0x38 => {
                    at += 1;
                    (true, Nothing)
                }
                0x3a => {
                    at += 1;
                    (true, Bytes(1))
                }
                // ud2.
                0x0b => return whole(at, Kind::End),
                0x80..=0x8f if !is_half => {
                    let distance = i32::from_le_bytes(*code.get(at..)?.first_chunk()?);
                    return whole(at + 4, Kind::Branch(second & 15, distance.into()));
                }
                0x05 | 0x06 | 0x08 | 0x09 | 0x30..=0x33 | 0x77 | 0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf => {
                    (false, Nothing)
                }
                0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => (true, Bytes(1)),
                0x0d | 0x10..=0x23 | 0x28..=0x2f | 0x40..=0x6f | 0x74..=0x76 | 0x78..=0x7f | 0x90..=0x9f => {
                    (true, Nothing)
                }
                0xa3 | 0xa5 | 0xab | 0xad..=0xb9 | 0xbb..=0xc1 | 0xc3 | 0xc7 | 0xd0..=0xff => (true, Nothing),
                _ => return None,
            }
        }
        // VEX, in two or three bytes.
        0xc4 | 0xc5 => {
            let map = if operation == 0xc5 { 1 } else { byte(at)? & 31 };
            at += if operation == 0xc5 { 1 } else { 2 };
            let operation = byte(at)?;
            at += 1;
            match (map, operation) {
                (1, 0x77) => (false, Nothing),
                (1, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6) | (3, _) => (true, Bytes(1)),
                (1 | 2, _) => (true, Nothing),
                _ => return None,
            }
        }
        0x00..=0x3f if operation & 7 < 4 => (true, Nothing),
        0x00..=0x3f if operation & 7 == 4 => (false, Bytes(1)),
        0x00..=0x3f if operation & 7 == 5 => (false, Operand),
        0x50..=0x5f | 0x90..=0x99 | 0x9b..=0x9f | 0xa4..=0xa7 | 0xaa..=0xaf | 0xc9 | 0xcc | 0xf8..=0xfd => {
            (false, Nothing)
        }
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf => (true, Nothing),
        0x68 | 0xa9 => (false, Operand),
        0x69 | 0x81 | 0xc7 => (true, Operand),
        0x6a | 0xa8 | 0xb0..=0xb7 => (false, Bytes(1)),
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => (true, Bytes(1)),
        0xa0..=0xa3 => (false, Bytes(if is_short_address { 4 } else { 8 })),
        0xb8..=0xbf => (false, if is_wide { Bytes(8) } else { Operand }),
        0xc2 => return whole(at + 2, Kind::End),
        0xc3 | 0xf4 => return whole(at, Kind::End),
        0x70..=0x7f => return whole(at + 1, Kind::Branch(operation & 15, i64::from(byte(at)? as i8))),
        0xe0..=0xe3 => return whole(at + 1, Kind::Short(i64::from(byte(at)? as i8))),
        0xeb => return whole(at + 1, Kind::Jump(i64::from(byte(at)? as i8))),
        0xe8 | 0xe9 if !is_half => {
            let distance = i64::from(i32::from_le_bytes(*code.get(at..)?.first_chunk()?));
            let kind = if operation == 0xe8 { Kind::Call(distance) } else { Kind::Jump(distance) };
            return whole(at + 4, kind);
        }
        0xf6 | 0xf7 => {
            // Only two of its forms (test) have a number behind them.
            let has_number = byte(at)? >> 3 & 7 < 2;
            let number = if operation == 0xf6 { Bytes(1) } else { Operand };
            (true, if has_number { number } else { Nothing })
        }
        0xfe | 0xff => (true, Nothing),
        _ => return None,
    };
    let mut kind = Kind::Plain;
    if has_modrm {
        let modrm = byte(at)?;
        at += 1;
        let (form, register) = (modrm >> 6, modrm & 7);
        let mut displacement = [0, 1, 4, 0].get(usize::from(form)).copied()?;
        if form != 3 && register == 4 {
            let base = byte(at)? & 7;
            at += 1;
            if form == 0 && base == 5 {
                displacement = 4;
            }
        } else if form == 0 && register == 5 {
            if is_short_address {
                return None;
            }
            displacement = 4;
            kind = Kind::Relative(at);
        }
        at += displacement;
        if operation == 0xff {
            match modrm >> 3 & 7 {
                // A jump through its operand.
                4 if matches!(kind, Kind::Plain | Kind::Relative(_)) => return whole(at, Kind::End),
                3 | 5 | 7 => return None,
                2 => return whole(at, Kind::IndirectCall),
                _ => {}
            }
        }
    }
    at += match immediate {
        Nothing => 0,
        Bytes(bytes) => bytes,
        Operand => [4, 2].get(usize::from(is_half && !is_wide)).copied()?,
    };
    (at <= LENGTH_MAX && at <= code.len()).then_some(Instruction { length: at, kind })
}

fn whole(length: usize, kind: Kind) -> Option<Instruction> {
    (length <= LENGTH_MAX).then_some(Instruction { length, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn forms_are_known_by_their_bytes() {
        for (code, length, kind) in [
            (&[0x41, 0x57][..], 2, Kind::Plain),
            (&[0xf3, 0x0f, 0x1e, 0xfa], 4, Kind::Plain),
            (&[0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0], 9, Kind::Plain),
            (&[0x48, 0x8b, 0x05, 1, 2, 3, 4], 7, Kind::Relative(3)),
            (&[0x80, 0x3d, 1, 2, 3, 4, 0], 7, Kind::Relative(2)),
            (&[0x48, 0x81, 0xff, 0, 0x10, 0, 0], 7, Kind::Plain),
            (&[0x74, 0xfe], 2, Kind::Branch(4, -2)),
            (&[0x0f, 0x87, 0xff, 0xff, 0xff, 0xff], 6, Kind::Branch(7, -1)),
            (&[0xe9, 4, 0, 0, 0], 5, Kind::Jump(4)),
            (&[0x67, 0xe8, 4, 0, 0, 0], 6, Kind::Call(4)),
            (&[0xff, 0x25, 4, 0, 0, 0], 6, Kind::End),
            (&[0xff, 0x15, 4, 0, 0, 0], 6, Kind::IndirectCall),
            (&[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], 10, Kind::Plain),
            (&[0x66, 0xb8, 1, 2], 4, Kind::Plain),
            (&[0xf7, 0xc7, 1, 0, 0, 0], 6, Kind::Plain),
            (&[0xf7, 0xdf], 2, Kind::Plain),
            (&[0xc5, 0xf9, 0xef, 0xc0], 4, Kind::Plain),
            (&[0xc3], 1, Kind::End),
        ] {
            assert_eq!(decode(code), Some(Instruction { length, kind }), "{code:x?}");
            for cut in 0..length {
                let found = decode(&code[..cut]);
                assert!(found.is_none_or(|found| found.length <= cut || found.kind != Kind::Plain), "{code:x?} {cut}");
            }
        }
        for unknown in [&[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x07][..], &[0x9a, 0, 0], &[0x66, 0xe9, 0, 0, 0, 0], &[]] {
            assert_eq!(decode(unknown), None, "{unknown:x?}");
        }
    }

    /// An independent witness: binutils' disassembler, over the C library and this program itself.
    #[test]
    fn lengths_are_those_that_objdump_has() {
        let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
        let libc = libc.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libc.so"));
        let Ok(output) = Command::new("objdump").args(["-d", "-w", libc.unwrap_or("/proc/self/exe")]).output() else {
            std::eprintln!("objdump is not installed: lengths are not compared");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let (mut known, mut unknown) = (0u64, 0u64);
        for line in text.lines() {
            let mut parts = line.split('\t');
            let (Some(_), Some(bytes), Some(words)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let code: Vec<u8> = bytes.split_whitespace().map_while(|byte| u8::from_str_radix(byte, 16).ok()).collect();
            if code.is_empty() || words.contains("(bad)") {
                continue;
            }
            // Whatever follows must not be taken for a part of it.
            let mut longer = code.clone();
            longer.extend([0x90; LENGTH_MAX]);
            match decode(&longer) {
                Some(found) => {
                    known += 1;
                    // A prefix that stands alone is a line of its own there.
                    let is_prefix =
                        matches!(words.trim(), "lock" | "rep" | "data16" | "xacquire" | "xrelease" | "repz");
                    assert!(found.length == code.len() || is_prefix, "{line}: {found:?}");
                }
                None => unknown += 1,
            }
        }
        // glibc has functions in AVX-512, whose instructions are not known.
        assert!(known > 100_000 && unknown < known / 5, "{known} {unknown}");
    }
}
