//! Python: its version, and which of its memory is seen as blocks.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Finding, machine};

/// An interpreter takes 20 ms; one that is found by scripts a few times that.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
/// What an interpreter prints of itself is short.
const ANSWER_BYTES_MAX: u64 = 4096;
/// Version, whether small objects come from pools, whether it runs without the global lock.
const QUESTION: &str = "import sys, sysconfig\n\
    v = sysconfig.get_config_var\n\
    print(sys.version.split()[0], int(v('WITH_PYMALLOC') or 0), int(v('Py_GIL_DISABLED') or 0))";

/// The interpreter in PATH.
pub fn of_path() -> Finding {
    match machine::on_path("python3") {
        Some(file) => of(&file),
        None => Finding::absent("python", "no python3 in PATH"),
    }
}

/// An interpreter's file.
pub fn of(interpreter: &Path) -> Finding {
    let setting = std::env::var("PYTHONMALLOC").unwrap_or_default();
    match ask(interpreter) {
        Some(answer) => told(&answer, &setting),
        None => Finding::absent("python", format!("{} does not say what it is", interpreter.display())),
    }
}

/// What it prints; `None`: nothing in time, or it fails.
fn ask(interpreter: &Path) -> Option<String> {
    let mut command = Command::new(interpreter);
    command.args(["-I", "-S", "-c", QUESTION]).env_remove("LD_PRELOAD");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(PAUSE),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let mut answer = String::new();
    child.stdout.take()?.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).ok()?;
    status?.success().then_some(answer)
}

/// `setting`: PYTHONMALLOC.
fn told(answer: &str, setting: &str) -> Finding {
    const NAME: &str = "python";
    let words: Vec<&str> = answer.split_whitespace().collect();
    let &[version, pools, free_threaded] = words.as_slice() else {
        return Finding::absent(NAME, "python3 does not say what it is");
    };
    match (pools, free_threaded, setting) {
        (_, "1", _) => Finding::limited(
            NAME,
            format!(
                "{version}, free-threaded: objects come from its own mimalloc, of which only large pieces are seen"
            ),
            "an interpreter with the global lock and PYTHONMALLOC=malloc shows each object",
        ),
        (_, _, "malloc" | "malloc_debug") | ("0", ..) => {
            Finding::works(NAME, format!("{version}: each object is a block of malloc's"))
        }
        _ => Finding::limited(
            NAME,
            format!(
                "{version}: objects up to 512 bytes come from its own pools (pymalloc), of which the chunks are seen"
            ),
            "PYTHONMALLOC=malloc shows each object",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn pools_are_named_unless_they_are_off() {
        assert_eq!(told("3.11.2 1 0\n", "").state, State::Limited);
        assert_eq!(told("3.11.2 1 0\n", "malloc").state, State::Works);
        assert_eq!(told("3.11.2 0 0\n", "").state, State::Works);
        assert!(told("3.14.0 1 1\n", "").text.starts_with("3.14.0, free-threaded"));
        assert_eq!(told("", "").state, State::Absent);
        assert_eq!(told("a b c d", "").state, State::Absent);
    }

    #[test]
    fn what_is_no_python_does_not_say_what_it_is() {
        assert_eq!(of(Path::new("/bin/false")).state, State::Absent);
        assert_eq!(of(Path::new("/nowhere/python3")).state, State::Absent);
    }
}
