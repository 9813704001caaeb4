//! What the launcher tells the keeper, as bytes on a socket that ends when the launcher does.
//!
//! Fields end with a NUL, which no path holds. A note that is cut off by the launcher's death is no note.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::profiles::Written;
use crate::profile::EndStatus;
use crate::sys::Pid;

/// One thing that the launcher says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// The target runs.
    Started(Pid),
    /// The target has ended.
    Ended(EndStatus),
    /// A profile was written.
    Wrote(Written),
    /// All is said and done: nobody needs the recording any more.
    Leave,
}

impl Note {
    /// The note as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (text, path) = match self {
            Note::Started(pid) => (format!("started {pid}"), None),
            Note::Ended(EndStatus::Exited(status)) => (format!("exited {status}"), None),
            Note::Ended(EndStatus::Killed(signal)) => (format!("killed {signal}"), None),
            Note::Wrote(file) => {
                let text = format!("wrote {} {} {} {}", file.pid, file.device, file.inode, file.modified_ns);
                (text, Some(file.path.as_os_str().as_bytes()))
            }
            Note::Leave => ("leave".to_owned(), None),
        };
        let mut bytes = text.into_bytes();
        bytes.push(0);
        if let Some(path) = path {
            bytes.extend_from_slice(path);
            bytes.push(0);
        }
        bytes
    }

    /// All whole notes in `bytes`.
    pub fn decode(bytes: &[u8]) -> Vec<Note> {
        let mut fields: Vec<&[u8]> = bytes.split(|&byte| byte == 0).collect();
        // What follows the last NUL: nothing, or a field that was cut off.
        fields.pop();
        let mut fields = fields.into_iter();
        let mut notes = Vec::new();
        while let Some(note) = next(&mut fields) {
            notes.push(note);
        }
        notes
    }
}

fn next<'a>(fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<Note> {
    let text = std::str::from_utf8(fields.next()?).ok()?;
    let mut words = text.split(' ');
    let kind = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    Some(match kind {
        "started" => Note::Started(number()? as Pid),
        "exited" => Note::Ended(EndStatus::Exited(number()? as i32)),
        "killed" => Note::Ended(EndStatus::Killed(number()? as i32)),
        "wrote" => Note::Wrote(Written {
            pid: number()? as u32,
            device: number()?,
            inode: number()?,
            modified_ns: number()?,
            path: PathBuf::from(OsStr::from_bytes(fields.next()?)),
        }),
        "leave" => Note::Leave,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Vec<Note> {
        let path = PathBuf::from(OsStr::from_bytes(b"a b\n\xff.json"));
        vec![
            Note::Started(77),
            Note::Ended(EndStatus::Exited(255)),
            Note::Ended(EndStatus::Killed(9)),
            Note::Wrote(Written { pid: 77, device: u64::MAX, inode: 1, modified_ns: 2, path }),
            Note::Leave,
        ]
    }

    #[test]
    fn notes_come_out_as_they_went_in() {
        let bytes: Vec<u8> = notes().iter().flat_map(Note::encode).collect();
        assert_eq!(Note::decode(&bytes), notes());
    }

    #[test]
    fn a_note_that_is_cut_off_is_none() {
        let bytes: Vec<u8> = notes().iter().flat_map(Note::encode).collect();
        for length in 0..bytes.len() {
            let got = Note::decode(&bytes[..length]);
            assert_eq!(got, notes()[..got.len()], "cut at {length}");
            assert!(got.len() < notes().len());
        }
    }
}
