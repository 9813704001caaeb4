//! The kernel's list of mappings: which file lies at an address.
//!
//! The loader knows a module by the path that it was opened with, which may be relative to a directory that the
//! process has left. `/proc/thread-self` is used, because `/proc/self` is the main thread, which may be gone.

use memtrace_wire::sys;

use crate::text::Buffer;

/// A path.
pub type Path = Buffer<4096>;

/// The path of the file that is mapped at an address. False: none, or the list cannot be read.
pub fn path_at(address: u64, path: &mut Path) -> bool {
    if sys::is_sealed() {
        return false;
    }
    let Ok(fd) = i32::try_from(sys::open(c"/proc/thread-self/maps", libc::O_RDONLY, 0)) else { return false };
    if fd < 0 {
        return false;
    }
    let mut lines = Lines { fd, buffer: [0; 1024], length: 0, at: 0 };
    let mut found = false;
    let mut line = Path::new();
    while lines.next(&mut line) {
        let text = line.as_bytes();
        let dash = text.iter().position(|&byte| byte == b'-').unwrap_or(0);
        let low = hexadecimal(text.get(..dash).unwrap_or(&[]));
        let high = hexadecimal(text.get(dash + 1..).unwrap_or(&[]));
        if (low..high).contains(&address)
            && let Some(start) = text.iter().position(|&byte| byte == b'/')
        {
            path.clear();
            path.push(text.get(start..).unwrap_or(&[]));
            found = true;
            break;
        }
    }
    sys::close(fd);
    found
}

/// The number at the start of a text.
fn hexadecimal(text: &[u8]) -> u64 {
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
}
