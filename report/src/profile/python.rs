//! CPython in a process, as `schema/profile-1.schema.json` describes it.

use memtrace_wire::layout::python_flags;
use serde::{Deserialize, Serialize};

use crate::recording;

/// What is known of it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Python {
    /// Its version; nothing: older than 3.11.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its functions stand in stacks.
    pub frames: bool,
    /// Why they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    /// Its small objects lie in larger blocks, and are none themselves.
    pub arenas: bool,
}

/// Why functions are not in stacks.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Unread {
    /// A version whose frames are not known.
    Version,
    /// No lock says whose frames may be read.
    FreeThreaded,
    /// It says of itself that it is laid out otherwise than its version is.
    DescribedOtherwise,
}

impl Unread {
    fn of(flags: u32) -> Option<Unread> {
        let has = |flag| flags & flag != 0;
        has(python_flags::UNREAD).then_some(match () {
            () if has(python_flags::FREE_THREADED) => Unread::FreeThreaded,
            () if has(python_flags::DESCRIBED_OTHERWISE) => Unread::DescribedOtherwise,
            () => Unread::Version,
        })
    }

    fn told(self) -> &'static str {
        match self {
            Unread::Version => "this version is not known, those of 3.11 to 3.14 are",
            Unread::FreeThreaded => "a free-threaded build, where no lock says whose may be read",
            Unread::DescribedOtherwise => "it says of itself that it is laid out otherwise than its version is",
        }
    }
}

impl Python {
    /// That of a process, once it has begun there.
    pub fn of(process: &recording::Process) -> Option<Python> {
        let word = process.header.python.get();
        if word == 0 {
            return None;
        }
        let (version, flags) = (word as u32, (word >> 32) as u32);
        let unread = Unread::of(flags);
        Some(Python {
            version: version_of(version),
            frames: unread.is_none(),
            unread,
            arenas: flags & python_flags::ARENAS != 0,
        })
    }

    /// What a reader of its stacks and sums should know, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let name =
            self.version.as_ref().map_or("CPython before 3.11".to_owned(), |version| format!("CPython {version}"));
        let mut notes = Vec::new();
        if !self.frames {
            // A profile of an earlier memtrace, which knew fewer versions, does not say why.
            let why = self.unread.map_or(String::new(), |unread| format!(": {}", unread.told()));
            notes.push(format!("{name}: Python functions are not in stacks{why}"));
        }
        if self.arenas && self.unread == Some(Unread::FreeThreaded) {
            notes.push(format!("{name}: its objects come from the mimalloc in it, and are not seen"));
        } else if self.arenas {
            notes.push(format!(
                "{name}: objects of up to 512 bytes lie in its arenas, and are not seen; PYTHONMALLOC=malloc shows them"
            ));
        }
        notes
    }
}

/// `3.14.0rc2`, as CPython puts it into one word.
fn version_of(word: u32) -> Option<String> {
    let [major, minor, micro, release] = word.to_be_bytes();
    let stage = match release >> 4 {
        0xa => "a",
        0xb => "b",
        0xc => "rc",
        _ => "",
    };
    let serial = if stage.is_empty() { String::new() } else { (release & 15).to_string() };
    (word != 0).then(|| format!("{major}.{minor}.{micro}{stage}{serial}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_said() {
        let python = Python { version: Some("3.11.2".into()), frames: true, unread: None, arenas: false };
        assert_eq!(python.notes(), [""; 0]);
        let old = Python { version: None, frames: false, unread: None, arenas: true }.notes();
        assert_eq!(old.len(), 2);
        assert!(old.iter().all(|note| note.starts_with("CPython before 3.11: ")), "{old:?}");
        let unread = Some(Unread::FreeThreaded);
        let free = Python { version: Some("3.13.5".into()), frames: false, unread, arenas: true }.notes();
        assert!(free.len() == 2 && !free.iter().any(|note| note.contains("PYTHONMALLOC")), "{free:?}");
    }

    #[test]
    fn why_functions_are_not_in_stacks_is_said() {
        let flags = |flags: u32| Unread::of(flags).map(Unread::told);
        assert_eq!(flags(python_flags::ARENAS | python_flags::FREE_THREADED), None);
        for (more, part) in [
            (0, "this version is not known"),
            (python_flags::FREE_THREADED, "a free-threaded build"),
            (python_flags::DESCRIBED_OTHERWISE, "laid out otherwise"),
        ] {
            assert!(flags(python_flags::UNREAD | more).is_some_and(|told| told.contains(part)), "{part}");
        }
    }

    #[test]
    fn a_version_is_written_as_python_writes_it() {
        let words = [0x030e_0af0, 0x030f_00a7, 0x030f_00b1, 0x030f_00c2, 0];
        let texts = words.map(|word| version_of(word).unwrap_or_default());
        assert_eq!(texts, ["3.14.10", "3.15.0a7", "3.15.0b1", "3.15.0rc2", ""]);
    }
}
