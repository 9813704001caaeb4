//! The few words of an ELF file that tell whether a library can be preloaded into it.
//!
//! Only the file header and the program headers are looked at, in the place and size that the header gives.
//! Everything is read through `read(offset, length)`, so that the tests are arrays.

use crate::error::Refusal;

const MACHINE_X86_64: u16 = 62;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const TYPE_EXECUTABLE: u16 = 2;
const TYPE_DYNAMIC: u16 = 3;
const PT_INTERP: u32 = 3;
const HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
/// PATH_MAX: the kernel refuses longer loader paths.
const LOADER_BYTES_MAX: u64 = 4096;

/// First bytes of every ELF file.
pub const MAGIC: [u8; 4] = *b"\x7fELF";

/// The loader that the program asks for; `None`: it asks for none, which means static, or the loader itself.
pub fn loader(read: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Result<Option<String>, Refusal> {
    let ident = read(0, 20).ok_or(Refusal::Damaged)?;
    let (class, order) = (ident[4], ident[5]);
    if order != LITTLE_ENDIAN {
        return Err(Refusal::Machine { number: u16::from_be_bytes([ident[18], ident[19]]) });
    }
    let number = u16::from_le_bytes([ident[18], ident[19]]);
    if number != MACHINE_X86_64 && class == CLASS_64 {
        return Err(Refusal::Machine { number });
    }
    if class != CLASS_64 {
        return Err(Refusal::Class { bits: 32 });
    }
    let header = read(0, HEADER_BYTES).ok_or(Refusal::Damaged)?;
    if !matches!(u16_at(&header, 16), TYPE_EXECUTABLE | TYPE_DYNAMIC) {
        return Err(Refusal::NotAProgram);
    }
    let (table, entry_bytes, count) = (u64_at(&header, 32), u16_at(&header, 54), u16_at(&header, 56));
    if u64::from(entry_bytes) != PROGRAM_HEADER_BYTES {
        return Err(Refusal::Damaged);
    }
    for index in 0..u64::from(count) {
        let at = table.checked_add(index * PROGRAM_HEADER_BYTES).ok_or(Refusal::Damaged)?;
        let entry = read(at, PROGRAM_HEADER_BYTES).ok_or(Refusal::Damaged)?;
        if u64_at(&entry, 0) as u32 == PT_INTERP {
            let bytes = u64_at(&entry, 32).min(LOADER_BYTES_MAX);
            let name = read(u64_at(&entry, 8), bytes).ok_or(Refusal::Damaged)?;
            let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
            return Ok(Some(String::from_utf8_lossy(name).into_owned()));
        }
    }
    Ok(None)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A file of two program headers, the second PT_INTERP if there is a loader, and the loader's name.
    pub fn program(loader: Option<&str>) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 2 * 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16..20].copy_from_slice(&[3, 0, 62, 0]);
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 2;
        bytes[64] = 1;
        if let Some(loader) = loader {
            let entry = 64 + 56;
            bytes[entry] = PT_INTERP as u8;
            bytes[entry + 8..entry + 16].copy_from_slice(&(64 + 2 * 56u64).to_le_bytes());
            bytes[entry + 32..entry + 40].copy_from_slice(&(loader.len() as u64 + 1).to_le_bytes());
            bytes.extend_from_slice(loader.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    fn looked_at(bytes: &[u8]) -> Result<Option<String>, Refusal> {
        loader(|offset, length| {
            let start = usize::try_from(offset).ok()?;
            Some(bytes.get(start..start.checked_add(length as usize)?)?.to_vec())
        })
    }

    fn changed(at: usize, to: u8) -> Result<Option<String>, Refusal> {
        let mut bytes = program(Some("/lib64/ld-linux-x86-64.so.2"));
        bytes[at] = to;
        looked_at(&bytes)
    }

    #[test]
    fn a_dynamic_program_names_its_loader_and_a_static_one_none() {
        assert_eq!(looked_at(&program(Some("/lib64/ld.so"))), Ok(Some("/lib64/ld.so".into())));
        assert_eq!(looked_at(&program(None)), Ok(None));
    }

    #[test]
    fn another_class_or_machine_or_byte_order_is_refused() {
        assert_eq!(changed(4, 1), Err(Refusal::Class { bits: 32 }));
        assert_eq!(changed(18, 183), Err(Refusal::Machine { number: 183 }));
        let mut bytes = program(None);
        bytes[5] = 2;
        bytes[18..20].copy_from_slice(&[0, 22]);
        assert_eq!(looked_at(&bytes), Err(Refusal::Machine { number: 22 }));
    }

    #[test]
    fn an_object_file_is_no_program() {
        assert_eq!(changed(16, 1), Err(Refusal::NotAProgram));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_damaged_and_never_a_crash() {
        let whole = program(Some("/lib64/ld-linux-x86-64.so.2"));
        for length in 0..whole.len() {
            assert_eq!(looked_at(&whole[..length]), Err(Refusal::Damaged), "cut at {length}");
        }
        for at in 32..40 {
            assert_eq!(changed(at, 0xff), Err(Refusal::Damaged), "table offset byte {at}");
        }
    }
}
