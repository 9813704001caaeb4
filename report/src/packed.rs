//! Files that are packed, with gzip or zstd, told apart by how they begin.
//!
//! Invariant: what unpacks is a stream; how much of it is kept is for the reader to bound.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How gzip begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// How a frame of zstd begins (RFC 8878).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What one frame is made of: larger ones pack a little better, and stay in memory as long as they are made.
const FRAME_BYTES: usize = 4 << 20;

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

impl Packing {
    /// Of a file that begins like this.
    pub fn of(start: &[u8]) -> Packing {
        match start {
            _ if start.starts_with(GZIP) => Packing::Gzip,
            _ if start.starts_with(ZSTD) => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// The content of a file of which the start was read already.
pub fn unpacked<'r>(start: Vec<u8>, rest: impl Read + 'r) -> Box<dyn BufRead + 'r> {
    let packing = Packing::of(&start);
    let whole: BufReader<Chain<Cursor<Vec<u8>>, _>> = BufReader::new(Cursor::new(start).chain(rest));
    match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(whole))),
        Packing::Zstd => Box::new(BufReader::new(Frames::new(whole))),
    }
}

/// Packs all of it with gzip.
pub fn gzip(bytes: &[u8], to: &mut dyn Write) -> io::Result<()> {
    packing(Packing::Gzip, to, &mut |to| to.write_all(bytes))
}

/// Packs what is written.
pub fn packing(
    packing: Packing,
    to: &mut dyn Write,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match packing {
        Packing::Plain => write(to),
        Packing::Gzip => {
            let mut packed = GzEncoder::new(to, Compression::default());
            write(&mut packed)?;
            packed.finish().map(|_| ())
        }
        Packing::Zstd => {
            let mut packed = Packer { to, piece: Vec::new() };
            write(&mut packed)?;
            packed.end_frame()
        }
    }
}

/// Makes frames of zstd, each of a piece: the encoder ends the process where a write fails, so it gets memory alone.
struct Packer<'w> {
    to: &'w mut dyn Write,
    piece: Vec<u8>,
}

impl Packer<'_> {
    fn end_frame(&mut self) -> io::Result<()> {
        let frame = compress_to_vec(self.piece.as_slice(), CompressionLevel::Fastest);
        self.piece.clear();
        self.to.write_all(&frame)
    }
}

impl Write for Packer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(FRAME_BYTES - self.piece.len());
        self.piece.extend(&bytes[..taken]);
        if self.piece.len() == FRAME_BYTES {
            self.end_frame()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Frames of zstd, one behind the other.
pub struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
}

impl<R: BufRead> Frames<R> {
    /// All up to the end of the source.
    pub fn new(source: R) -> Frames<R> {
        Frames { source, decoder: FrameDecoder::new() }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.decoder.read(to)?;
            if length > 0 || to.is_empty() {
                return Ok(length);
            }
            // A decoder that has not begun is finished too.
            if self.decoder.is_finished() {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.decoder.reset(&mut self.source).map_err(io::Error::other)?;
            }
            let one = BlockDecodingStrategy::UptoBlocks(1);
            self.decoder.decode_blocks(&mut self.source, one).map_err(io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_again() {
        let numbers: Vec<u8> = (0..3_000_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for plain in [&numbers[..], b"", b"x", &numbers[..FRAME_BYTES]] {
            for way in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
                let mut packed = Vec::new();
                packing(way, &mut packed, &mut |to| to.write_all(plain)).unwrap();
                assert!(plain.is_empty() || Packing::of(&packed) == way);
                let start: Vec<u8> = packed.iter().take(7).copied().collect();
                let mut again = Vec::new();
                unpacked(start, &packed[packed.len().min(7)..]).read_to_end(&mut again).unwrap();
                assert!(again == plain, "{way:?}, {} bytes", plain.len());
            }
        }
    }

    #[test]
    fn what_is_cut_is_an_error() {
        let plain = vec![7; 100_000];
        for way in [Packing::Gzip, Packing::Zstd] {
            let mut packed = Vec::new();
            packing(way, &mut packed, &mut |to| to.write_all(&plain)).unwrap();
            let cut = &packed[..packed.len() - 9];
            assert!(unpacked(cut.to_vec(), io::empty()).read_to_end(&mut Vec::new()).is_err(), "{way:?}");
        }
    }
}
