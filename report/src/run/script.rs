//! The first line of a script, read as the kernel reads it, and the program that `env` would start from it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// BINPRM_BUF_SIZE: the kernel looks at no more.
pub const LINE_BYTES: usize = 256;

/// What stands behind `#!`.
#[derive(Debug, PartialEq, Eq)]
pub struct Shebang {
    /// The interpreter, relative to the working directory.
    pub interpreter: PathBuf,
    /// The rest of the line: at most one argument, spaces inside included.
    pub argument: Option<OsString>,
}

/// The `#!` line at the start of a file; `None`: there is none that the kernel would take.
pub fn shebang(start: &[u8]) -> Option<Shebang> {
    let start = start.get(..LINE_BYTES).unwrap_or(start);
    let line = start.strip_prefix(b"#!")?;
    let (line, whole) = match line.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&line[..end], true),
        None => (line, start.len() < LINE_BYTES),
    };
    let line = trimmed(line);
    let end = line.iter().position(|&byte| is_blank(byte) || byte == 0);
    let name = &line[..end.unwrap_or(line.len())];
    // A path that may go on beyond what the kernel looks at is not taken; an argument is.
    if name.is_empty() || (end.is_none() && !whole) {
        return None;
    }
    let rest = trimmed(&line[name.len()..]);
    let rest = rest.split(|&byte| byte == 0).next().unwrap_or_default();
    let argument = (!rest.is_empty()).then(|| OsStr::from_bytes(rest).to_owned());
    Some(Shebang { interpreter: PathBuf::from(OsStr::from_bytes(name)), argument })
}

/// The program that `env` starts, if the interpreter is `env` and its argument is plain enough to tell.
///
/// Quotes, escapes and variables of `env -S` are left to `env`.
pub fn program_of_env(shebang: &Shebang) -> Option<OsString> {
    if shebang.interpreter.file_name() != Some(OsStr::new("env")) {
        return None;
    }
    let argument = shebang.argument.as_deref()?.as_bytes();
    let Some(split) = split_string(argument) else {
        let plain = !argument.starts_with(b"-") && !argument.contains(&b'=');
        return plain.then(|| OsStr::from_bytes(argument).to_owned());
    };
    if split.iter().any(|byte| b"\"'\\$#".contains(byte)) {
        return None;
    }
    let mut words = split.split(|&byte| is_blank(byte)).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        match word {
            b"-u" | b"-C" | b"--unset" | b"--chdir" => {
                words.next();
            }
            _ if word.starts_with(b"-") || word.contains(&b'=') => {}
            _ => return Some(OsStr::from_bytes(word).to_owned()),
        }
    }
    None
}

/// What follows `-S`, `-vS` or `--split-string=`.
fn split_string(argument: &[u8]) -> Option<&[u8]> {
    [&b"-S"[..], b"-vS", b"-iS", b"--split-string=", b"--split-string "]
        .into_iter()
        .find_map(|option| argument.strip_prefix(option))
}

/// Whether the path is one that `PATH` does not apply to.
pub fn is_path(name: &OsStr) -> bool {
    name.as_bytes().contains(&b'/')
}

/// The name without its directories; for a path that has none, all of it.
pub fn base_name(command: &OsStr) -> OsString {
    Path::new(command).file_name().unwrap_or(command).to_owned()
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trimmed(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| !is_blank(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|&byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(start: &str) -> Option<(String, Option<String>)> {
        shebang(start.as_bytes()).map(|line| {
            let text = |path: &OsStr| path.to_str().unwrap().to_owned();
            (text(line.interpreter.as_os_str()), line.argument.as_deref().map(text))
        })
    }

    fn env(argument: &str) -> Option<OsString> {
        program_of_env(&shebang(format!("#!/usr/bin/env {argument}\n").as_bytes())?)
    }

    #[test]
    fn the_rest_of_the_line_is_one_argument() {
        assert_eq!(read("#!/bin/sh\necho"), Some(("/bin/sh".into(), None)));
        assert_eq!(read("#! \t/bin/sh \t-e -x \t\n"), Some(("/bin/sh".into(), Some("-e -x".into()))));
        assert_eq!(read("#!/bin/sh"), Some(("/bin/sh".into(), None)));
        assert_eq!(read("#!perl -w\n"), Some(("perl".into(), Some("-w".into()))));
    }

    #[test]
    fn no_line_or_an_empty_one_is_left_to_the_shell() {
        for start in ["", "#", "#!", "#!\n", "#! \t \nx", "echo hi\n", " #!/bin/sh\n"] {
            assert_eq!(read(start), None, "{start:?}");
        }
    }

    #[test]
    fn a_path_is_taken_up_to_256_bytes_of_line_and_an_argument_is_cut_there() {
        let path = |length| format!("#!/{}\n", "a".repeat(length));
        assert!(read(&path(LINE_BYTES - 4)).is_some());
        assert_eq!(read(&path(LINE_BYTES - 3)), None);
        let (name, argument) = read(&format!("#!/bin/sh {}\n", "x".repeat(400))).unwrap();
        assert_eq!((name.as_str(), argument.unwrap().len()), ("/bin/sh", LINE_BYTES - 10));
    }

    #[test]
    fn the_program_behind_env_is_found_where_it_is_plain() {
        assert_eq!(env("python3"), Some("python3".into()));
        assert_eq!(env("-S python3 -u"), Some("python3".into()));
        assert_eq!(env("-S -i -u HOME A=b /opt/x y"), Some("/opt/x".into()));
        assert_eq!(env("-vS awk -f"), Some("awk".into()));
        for unclear in ["", "-i", "A=b", "-S 'a b'", "-S ${HOME}/x", "-S -i"] {
            assert_eq!(env(unclear), None, "{unclear}");
        }
        assert_eq!(program_of_env(&shebang(b"#!/bin/sh x\n").unwrap()), None);
    }
}
