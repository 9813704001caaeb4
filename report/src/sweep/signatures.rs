//! What programs and runtimes say and do when they end themselves: the table by which an abort is told from a crash.

use memtrace_wire::settings;

use super::facts::Facts;
use super::model::End;
use super::outcome::Outcome;

/// One way in which programs end themselves.
#[derive(Clone, Debug)]
pub struct Signature {
    /// What it means.
    pub outcome: Outcome,
    /// A part of stderr: `*` and `?` match.
    pub stderr: String,
    /// The status it comes with; nothing: any end.
    pub status: Option<u8>,
}

/// All that are known.
pub struct Signatures {
    rows: Vec<Signature>,
}

/// Outcome, who says so, part of stderr.
const BUILT_IN: &[(Outcome, &str, &str)] = &[
    (Outcome::HeapCorruption, "glibc", "double free or corruption"),
    (Outcome::HeapCorruption, "glibc", "free(): "),
    (Outcome::HeapCorruption, "glibc", "malloc(): "),
    (Outcome::HeapCorruption, "glibc", "realloc(): "),
    (Outcome::HeapCorruption, "glibc", "calloc(): "),
    (Outcome::HeapCorruption, "glibc", "malloc_consolidate(): "),
    (Outcome::HeapCorruption, "glibc", "munmap_chunk(): "),
    (Outcome::HeapCorruption, "glibc", "corrupted size vs. prev_size"),
    (Outcome::HeapCorruption, "glibc", "corrupted double-linked list"),
    (Outcome::HeapCorruption, "glibc", "sysmalloc: Assertion"),
    (Outcome::HeapCorruption, "glibc", "*** stack smashing detected ***"),
    (Outcome::HeapCorruption, "glibc", "*** buffer overflow detected ***"),
    (Outcome::DesignedAbort, "C++", "what():  std::bad_alloc"),
    (Outcome::DesignedAbort, "C++", "terminate called after throwing an instance of 'std::bad_alloc'"),
    (Outcome::DesignedAbort, "C++", "std::bad_array_new_length"),
    (Outcome::DesignedAbort, "C++ without memory for its exception", "terminate called without an active exception"),
    (Outcome::DesignedAbort, "Rust", "memory allocation of * bytes failed"),
    (Outcome::DesignedAbort, "GLib", "failed to allocate * bytes"),
    (Outcome::DesignedAbort, "CPython", "Fatal Python error: "),
    (Outcome::DesignedAbort, "CPython", "MemoryError"),
    (Outcome::DesignedAbort, "AWS C libraries", "malloc failed to allocate memory"),
    (Outcome::DesignedAbort, "gnulib", "memory exhausted"),
    (Outcome::DesignedAbort, "jq", "jq: error: cannot allocate memory"),
    (Outcome::DesignedAbort, "Tcl", "unable to alloc * bytes"),
    (Outcome::DesignedAbort, "Tcl", "unable to realloc * bytes"),
    (Outcome::DesignedAbort, "perl", "Out of memory!"),
    (Outcome::DesignedAbort, "perl", "Out of memory in perl"),
    (Outcome::DesignedAbort, "git", "fatal: Out of memory"),
    (Outcome::DesignedAbort, "gcc", "out of memory allocating * bytes"),
    (Outcome::DesignedAbort, "bash", "xmalloc: cannot allocate"),
    (Outcome::DesignedAbort, "redis", "Out Of Memory"),
    (Outcome::DesignedAbort, "libc", "Cannot allocate memory"),
    (Outcome::UncaughtException, "C++", "terminate called"),
    (Outcome::Assertion, "assert", "Assertion `*' failed"),
    (Outcome::Assertion, "GLib", "assertion failed: ("),
];

impl Signatures {
    /// Those that are built in, and more.
    pub fn with(more: Vec<Signature>) -> Signatures {
        let built_in =
            BUILT_IN.iter().map(|&(outcome, _, stderr)| Signature { outcome, stderr: stderr.to_owned(), status: None });
        Signatures { rows: more.into_iter().chain(built_in).collect() }
    }

    /// Whether a run shows one of this outcome.
    pub fn matches(&self, outcome: Outcome, run: &Facts) -> bool {
        let is_status = |status: Option<u8>| status.is_none_or(|status| run.end == End::Exited(status));
        let rows = self.rows.iter().filter(|row| row.outcome == outcome && is_status(row.status));
        // A status alone is a signature of the policy; the built-in ones are asked for after a signal only.
        let rows =
            rows.filter(|row| row.status.is_some() || matches!(run.end, End::Killed(_)) || !run.crashes.is_empty());
        rows.into_iter().any(|row| holds(&run.errors.tail, &row.stderr))
    }
}

/// Whether what a pattern (`*` and `?` match) stands for is a part of a text.
fn holds(text: &str, pattern: &str) -> bool {
    settings::glob(format!("*{pattern}*").as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_pattern_stand_in_order() {
        assert!(holds("x memory allocation of 12 bytes failed", "memory allocation of * bytes failed"));
        assert!(!holds("bytes failed memory allocation of", "memory allocation of * bytes failed"));
        assert!(holds("anything", "*") && holds("anything", ""));
    }
}
