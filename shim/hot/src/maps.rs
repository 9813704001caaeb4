//! The kernel's list of mappings: what lies at an address.
//!
//! The loader knows a module by the path that it was opened with, which may be relative to a directory that the
//! process has left. `/proc/thread-self` is used, because `/proc/self` is the main thread, which may be gone.

use core::ffi::CStr;
use memtrace_wire::sys;

use crate::text::Buffer;

/// A path.
pub type Path = Buffer<4096>;

/// The list of the calling thread's process.
pub const OWN: &CStr = c"/proc/thread-self/maps";

/// A mapping: a line of proc(5)'s maps.
pub struct Row<'a> {
    /// First address.
    pub start: u64,
    /// Last address + 1.
    pub end: u64,
    /// It can be read.
    pub is_readable: bool,
    /// It can be written.
    pub is_writable: bool,
    /// It can be run.
    pub is_executable: bool,
    /// Others see what is written.
    pub is_shared: bool,
    /// A path, a name in brackets, or nothing.
    pub name: &'a [u8],
}

/// Gives every mapping to `each`, until it says that it has seen enough. False: the list cannot be read.
pub fn rows(list: &CStr, mut each: impl FnMut(&Row<'_>) -> bool) -> bool {
    let mut any = false;
    lines(list, |line| match row(line) {
        Some(row) => {
            any = true;
            each(&row)
        }
        None => true,
    });
    any
}

/// Gives every line of a file to `each`, until it says that it has seen enough.
pub fn lines(path: &CStr, mut each: impl FnMut(&[u8]) -> bool) {
    let Ok(fd) = i32::try_from(sys::open(path, libc::O_RDONLY, 0)) else { return };
    if fd < 0 {
        return;
    }
    let mut lines = Lines { fd, buffer: [0; 1024], length: 0, at: 0 };
    let mut line = Path::new();
    while lines.next(&mut line) && each(line.as_bytes()) {}
    sys::close(fd);
}

/// A line of the list.
pub fn row(line: &[u8]) -> Option<Row<'_>> {
    let dash = line.iter().position(|&byte| byte == b'-')?;
    let space = line.iter().position(|&byte| byte == b' ')?;
    let [readable, writable, executable, sharing] = line.get(space + 1..)?.first_chunk::<4>()?;
    // offset, device and inode follow; the name is the sixth column, and may hold spaces.
    let mut rest = line.get(space + 1..)?;
    for _ in 0..4 {
        let column = rest.iter().position(|&byte| byte == b' ')?;
        rest = rest.get(column + 1..)?;
    }
    let name = rest.iter().position(|&byte| byte != b' ').and_then(|first| rest.get(first..)).unwrap_or(&[]);
    Some(Row {
        start: hexadecimal(line.get(..dash)?),
        end: hexadecimal(line.get(dash + 1..space)?),
        is_readable: *readable == b'r',
        is_writable: *writable == b'w',
        is_executable: *executable == b'x',
        is_shared: *sharing == b's',
        name,
    })
}

/// The path of the file that is mapped at an address. False: none, or the list cannot be read.
pub fn path_at(address: u64, path: &mut Path) -> bool {
    if sys::is_sealed() {
        return false;
    }
    let mut found = false;
    rows(OWN, |row| {
        if (row.start..row.end).contains(&address) && row.name.starts_with(b"/") {
            path.clear();
            path.push(row.name);
            found = true;
        }
        !found
    });
    found
}

/// The number at the start of a text.
pub fn hexadecimal(text: &[u8]) -> u64 {
    text.iter().map_while(|&byte| char::from(byte).to_digit(16)).fold(0, |sum, digit| sum << 4 | u64::from(digit))
}

/// The lines of an open file.
struct Lines {
    fd: i32,
    buffer: [u8; 1024],
    length: usize,
    at: usize,
}

impl Lines {
    fn next(&mut self, line: &mut Path) -> bool {
        line.clear();
        loop {
            if self.at == self.length {
                let read = sys::read(self.fd, &mut self.buffer);
                let Ok(length @ 1..) = usize::try_from(read) else { return !line.as_bytes().is_empty() };
                (self.length, self.at) = (length, 0);
            }
            let rest = self.buffer.get(self.at..self.length).unwrap_or(&[]);
            let end = rest.iter().position(|&byte| byte == b'\n');
            line.push(rest.get(..end.unwrap_or(rest.len())).unwrap_or(&[]));
            self.at += end.map_or(rest.len(), |end| end + 1);
            if end.is_some() {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_lies_in_its_own_file() {
        let mut path = Path::new();
        assert!(path_at(a_function_lies_in_its_own_file as *const () as u64, &mut path));
        assert_eq!(path.as_bytes(), std::env::current_exe().unwrap().as_os_str().as_encoded_bytes());
        assert!(!path_at(8, &mut path));
    }

    #[test]
    fn a_line_is_read_column_by_column() {
        let line = b"7f00-8000 rw-s 0001 08:01 42                 /a b (deleted)";
        let row = row(line).unwrap();
        assert_eq!((row.start, row.end, row.name), (0x7f00, 0x8000, &b"/a b (deleted)"[..]));
        assert!(row.is_readable && row.is_writable && !row.is_executable && row.is_shared);
        assert_eq!(super::row(b"1000-2000 ---p 0 00:00 0 ").unwrap().name, b"");
        assert!(super::row(b"").is_none() && super::row(b"1000-2000 r").is_none());
    }
}
