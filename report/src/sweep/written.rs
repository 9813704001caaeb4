//! What a program wrote, in a form that two runs can be compared by.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::facts::Text;

/// What is shown of a text.
const TAIL_BYTES: usize = 4 << 10;
/// What is read of a text or file: enough to tell two apart.
const READ_BYTES: u64 = 64 << 20;
/// Lines that are compared one by one.
const LINES_MAX: usize = 1000;
/// Files that are looked at, and directories below each other.
const FILES_MAX: usize = 4096;
const DEPTH_MAX: usize = 16;

/// A text that was written to `file`. Where the directory's name stands in it, `TMPDIR` is read.
pub fn text(file: &File, directory: &Path) -> io::Result<Text> {
    let bytes = file.metadata()?.len();
    let mut read = vec![0; bytes.min(READ_BYTES) as usize];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut read, 0)?;
    let read = renamed(read, directory.as_os_str().as_bytes());
    let tail = read.get(read.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
    Ok(Text { bytes, hash: hash(&read), lines: lines(&read), tail: String::from_utf8_lossy(tail).into_owned() })
}

/// The hashes of each line; none of a text with more than are compared.
fn lines(text: &[u8]) -> Vec<(u32, u32)> {
    let all = || text.split(|&byte| byte == b'\n');
    if all().take(LINES_MAX + 1).count() > LINES_MAX {
        return Vec::new();
    }
    all().map(|line| (hash(line) as u32, hash(&mask(line)) as u32)).collect()
}

fn renamed(text: Vec<u8>, name: &[u8]) -> Vec<u8> {
    if name.is_empty() || !text.windows(name.len()).any(|window| window == name) {
        return text;
    }
    let mut rest = &text[..];
    let mut renamed = Vec::with_capacity(text.len());
    while let Some(at) = rest.windows(name.len()).position(|window| window == name) {
        renamed.extend_from_slice(&rest[..at]);
        renamed.extend_from_slice(b"TMPDIR");
        rest = &rest[at + name.len()..];
    }
    renamed.extend_from_slice(rest);
    renamed
}

/// Each number as `0`: a decimal one, or what follows `0x`.
pub fn mask(text: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if !byte.is_ascii_digit() {
            masked.push(byte);
            continue;
        }
        masked.push(b'0');
        let is_hex = byte == b'0' && text.get(at) == Some(&b'x');
        if is_hex {
            masked.push(b'x');
            at += 1;
        }
        while text.get(at).is_some_and(|digit| digit.is_ascii_digit() || is_hex && digit.is_ascii_hexdigit()) {
            at += 1;
        }
    }
    masked
}

/// The lines of a text, masked.
pub fn masked_lines(text: &str) -> Vec<String> {
    text.lines().map(|line| String::from_utf8_lossy(&mask(line.as_bytes())).into_owned()).collect()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The files below a directory, with a hash of what each holds.
pub fn files(directory: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    below(directory, directory, 0, &mut found);
    found
}

fn below(top: &Path, directory: &Path, depth: usize, found: &mut BTreeMap<String, u64>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if found.len() >= FILES_MAX {
            return;
        }
        let path = entry.path();
        let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                found.insert(format!("{name}/"), 0);
                if depth < DEPTH_MAX {
                    below(top, &path, depth + 1, found);
                }
            }
            Ok(kind) if kind.is_file() => _ = found.insert(name, content(&path)),
            _ => _ = found.insert(name, 0),
        }
    }
}

/// Hash of a file's content; 0 for what cannot be read.
pub fn content(path: &Path) -> u64 {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(READ_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => hash(&bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_masked_and_nothing_else() {
        assert_eq!(mask(b"pid 123, at 0x7f3aBz, v1.20"), b"pid 0, at 0xz, v0.0");
        assert_eq!(mask(b"abc def"), b"abc def");
        assert_eq!(masked_lines("a1\nb22"), ["a0", "b0"]);
    }

    #[test]
    fn the_directory_of_a_run_has_one_name() {
        assert_eq!(renamed(b"in /t/1/x and /t/1".to_vec(), b"/t/1"), b"in TMPDIR/x and TMPDIR");
        assert_eq!(renamed(b"nothing".to_vec(), b"/t/1"), b"nothing");
    }
}
