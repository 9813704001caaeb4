//! The data of a page: JSON, compressed, in letters. There is nothing in them that could end the element they stand in.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::digest::base64;
use crate::json;

/// The letters of a value.
pub fn letters(value: &impl Serialize) -> io::Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    json::write(value, &mut encoder)?;
    Ok(base64(&encoder.finish()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    /// What the page makes of them.
    pub fn unpacked(letters: &str) -> String {
        let value = |letter: u8| {
            Some(match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            })
        };
        let bits: Vec<u8> =
            letters.bytes().filter_map(value).flat_map(|six| (0..6).rev().map(move |at| six >> at & 1)).collect();
        let bytes: Vec<u8> =
            bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
        let mut text = String::new();
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn data_come_back_as_they_were_and_nothing_in_them_is_markup() {
        let hostile = ["</script><script>alert(1)</script>", "\u{2028}]]>", "<!--", "é\u{0}"];
        let letters = letters(&hostile).unwrap();
        assert!(letters.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"+/=".contains(&letter)));
        let back: Vec<String> = json::line(unpacked(&letters).as_bytes()).unwrap();
        assert_eq!(back, hostile);
    }
}
