//! The content of a section, read from its file and unpacked, as far as it is wanted.
//!
//! ```text
//!   file ──pread──▶ plain ──────────────▶ bytes: as long as the whole section,
//!            └────▶ zlib, zstd: a stream ─▶      zero where nothing was asked for
//! ```
//!
//! Memory that nobody writes to costs nothing, so every offset in the section holds, whatever of it was read.
//!
//! Invariant: no more memory is asked for than the stored bytes can unpack to.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use flate2::read::ZlibDecoder;

use crate::packed::Frames;

/// A section may unpack to this much; the largest debug sections known (a browser's) have 3 GiB.
const SECTION_BYTES_MAX: u64 = 4 << 30;
/// zlib makes 1,032 bytes of one at most, zstd more only from zeros.
const INFLATION_MAX: u64 = 1 << 11;
/// Read from the file at once.
const BUFFER_BYTES: usize = 128 << 10;

/// How a section's content is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// As it is.
    Plain,
    /// RFC 1950.
    Zlib,
    /// RFC 8878, one or more frames.
    Zstd,
}

/// Where a section's content is stored.
#[derive(Clone, Copy)]
pub struct Stored<'f> {
    /// In which file.
    pub file: &'f File,
    /// From which byte on.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// In which form.
    pub packing: Packing,
    /// How many bytes it says to unpack to.
    pub unpacked_bytes: u64,
}

/// A section's content, of which parts are read.
pub struct Content<'f> {
    stored: Stored<'f>,
    bytes: Vec<u8>,
    /// What unpacks; `None`: plain.
    stream: Option<Box<dyn Read + 'f>>,
    /// Up to here the stream has been unpacked.
    at: usize,
    /// Takes what is unpacked and not kept.
    passed: Vec<u8>,
}

impl<'f> Content<'f> {
    /// Nothing of it is read yet. `None`: it claims more than it can hold, or there is no memory for it.
    pub fn new(stored: Stored<'f>) -> Option<Content<'f>> {
        let is_plain = stored.packing == Packing::Plain;
        if !is_plain && !may_unpack(stored.bytes, stored.unpacked_bytes) || stored.bytes > SECTION_BYTES_MAX {
            return None;
        }
        let bytes = zeroed(usize::try_from(stored.unpacked_bytes).ok()?)?;
        let buffer_bytes = stored.bytes.clamp(1, BUFFER_BYTES as u64) as usize;
        let part = Part { stored, at: 0 };
        let stream: Option<Box<dyn Read + 'f>> = match stored.packing {
            Packing::Plain => None,
            Packing::Zlib => Some(Box::new(ZlibDecoder::new_with_buf(part, vec![0; buffer_bytes]))),
            Packing::Zstd => {
                let source = BufReader::with_capacity(buffer_bytes, part);
                Some(Box::new(Frames::new(source)))
            }
        };
        Some(Content { stored, bytes, stream, at: 0, passed: Vec::new() })
    }

    /// The length of the whole section, unpacked.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reads a part. Of a packed section the parts come in ascending order; what lies between them is not kept.
    pub fn read(&mut self, range: Range<usize>) -> Option<&[u8]> {
        let (start, part) = (range.start, self.bytes.get_mut(range)?);
        match &mut self.stream {
            None => self.stored.file.read_exact_at(part, self.stored.offset + start as u64).ok()?,
            Some(stream) => {
                let mut between = start.checked_sub(self.at)?;
                while between > 0 {
                    self.passed.resize(BUFFER_BYTES, 0);
                    let next = between.min(BUFFER_BYTES);
                    stream.read_exact(self.passed.get_mut(..next)?).ok()?;
                    between -= next;
                }
                stream.read_exact(part).ok()?;
                self.at = start + part.len();
            }
        }
        Some(part)
    }

    /// What was read so far, and places for what was not.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// For writing where nothing was read.
    pub fn gap(&mut self, range: Range<usize>) -> Option<&mut [u8]> {
        self.bytes.get_mut(range)
    }

    /// The section up to `end`.
    pub fn into_bytes(mut self, end: usize) -> Vec<u8> {
        self.bytes.truncate(end);
        self.bytes
    }
}

/// All of a section.
pub fn whole(stored: Stored<'_>) -> Option<Vec<u8>> {
    let mut content = Content::new(stored)?;
    let end = content.len();
    content.read(0..end)?;
    Some(content.into_bytes(end))
}

/// Whether a section that claims to unpack to so many bytes is given the memory for them.
fn may_unpack(packed_bytes: u64, bytes: u64) -> bool {
    bytes <= packed_bytes.saturating_mul(INFLATION_MAX).min(SECTION_BYTES_MAX)
}

fn zeroed(bytes: usize) -> Option<Vec<u8>> {
    // `vec!` ends the process where there is no memory, so it is tried first; neither of the two touches it.
    Vec::<u8>::new().try_reserve_exact(bytes).ok()?;
    Some(vec![0; bytes])
}

/// The stored bytes, one after the other.
struct Part<'f> {
    stored: Stored<'f>,
    at: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let wanted = (self.stored.bytes - self.at).min(to.len() as u64) as usize;
        let length = self.stored.file.read_at(&mut to[..wanted], self.stored.offset + self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::builder::file_of;
    use flate2::Compression;
    use flate2::read::ZlibEncoder;

    fn stored(file: &File, packing: Packing, unpacked_bytes: usize) -> Stored<'_> {
        let bytes = file.metadata().unwrap().len() - 3;
        Stored { file, offset: 3, bytes, packing, unpacked_bytes: unpacked_bytes as u64 }
    }

    fn numbers() -> Vec<u8> {
        (0..100_000u32).flat_map(u32::to_le_bytes).collect()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        ZlibEncoder::new(plain, Compression::fast()).read_to_end(&mut packed).unwrap();
        packed
    }

    /// Frames with one raw block each: a header, a length, the bytes.
    fn zstd(plain: &[u8]) -> Vec<u8> {
        let frame = |piece: &[u8]| {
            let length = piece.len() as u8;
            let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, length];
            frame.extend(&((u32::from(length) << 3 | 1).to_le_bytes()[..3]));
            frame.extend(piece);
            frame
        };
        plain.chunks(200).flat_map(frame).collect()
    }

    #[test]
    fn parts_are_what_the_whole_has_there() {
        let plain = numbers();
        for (packing, packed) in
            [(Packing::Plain, plain.clone()), (Packing::Zlib, zlib(&plain)), (Packing::Zstd, zstd(&plain))]
        {
            let file = file_of(&[b"abc", &packed[..]].concat());
            let stored = stored(&file, packing, plain.len());
            assert_eq!(whole(stored).as_ref(), Some(&plain), "{packing:?}");
            let mut content = Content::new(stored).unwrap();
            for range in [0..10, 10..11, 5000..5003, 100_000..300_000] {
                assert_eq!(content.read(range.clone()), Some(&plain[range]), "{packing:?}");
            }
            assert_eq!(content.bytes()[11..5000], [0; 4989]);
            assert_eq!(content.read(plain.len() - 1..plain.len() + 1), None);
        }
    }

    #[test]
    fn what_is_cut_short_has_no_content() {
        let plain = numbers();
        for (packing, packed) in
            [(Packing::Plain, plain.clone()), (Packing::Zlib, zlib(&plain)), (Packing::Zstd, zstd(&plain))]
        {
            let file = file_of(&[b"abc", &packed[..]].concat());
            let stored = stored(&file, packing, plain.len());
            let mut content = Content::new(stored).unwrap();
            file.set_len(3 + packed.len() as u64 / 2).unwrap();
            assert_eq!(content.read(0..100), Some(&plain[..100]), "{packing:?}");
            assert_eq!(content.read(100..plain.len()), None, "{packing:?}");
            assert_eq!(whole(stored), None, "{packing:?}");
        }
    }

    #[test]
    fn a_section_gets_no_memory_for_more_than_it_can_hold() {
        assert!(may_unpack(100, 100 * INFLATION_MAX) && !may_unpack(100, 100 * INFLATION_MAX + 1));
        assert!(may_unpack(u64::MAX, SECTION_BYTES_MAX) && !may_unpack(u64::MAX, SECTION_BYTES_MAX + 1));
    }
}
