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
    /// Its small objects lie in larger blocks, and are none themselves.
    pub arenas: bool,
}

impl Python {
    /// That of a process, once it has begun there.
    pub fn of(process: &recording::Process) -> Option<Python> {
        let word = process.header.python.get();
        if word == 0 {
            return None;
        }
        let (version, flags) = (word as u32, (word >> 32) as u32);
        let [major, minor, micro, _] = version.to_be_bytes();
        Some(Python {
            version: (version != 0).then(|| format!("{major}.{minor}.{micro}")),
            frames: flags & python_flags::UNREAD == 0,
            arenas: flags & python_flags::ARENAS != 0,
        })
    }

    /// What a reader of its stacks and sums should know, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let name =
            self.version.as_ref().map_or("CPython before 3.11".to_owned(), |version| format!("CPython {version}"));
        let mut notes = Vec::new();
        if !self.frames {
            notes.push(format!("{name}: Python functions are not in stacks, as they are in those of 3.11 to 3.13"));
        }
        if self.arenas {
            notes.push(format!(
                "{name}: objects of up to 512 bytes lie in its arenas, and are not seen; PYTHONMALLOC=malloc shows them"
            ));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_said() {
        let python = Python { version: Some("3.11.2".into()), frames: true, arenas: false };
        assert_eq!(python.notes(), [""; 0]);
        let old = Python { version: None, frames: false, arenas: true }.notes();
        assert_eq!(old.len(), 2);
        assert!(old.iter().all(|note| note.starts_with("CPython before 3.11: ")), "{old:?}");
    }
}
