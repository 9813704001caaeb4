//! A file that somebody names: a recording, a profile or a sweep; a bundle is read as what it holds.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use crate::bundle::{self, Bundle};
use crate::elsewhere::ElsewhereArgs;
use crate::error::{Error, cannot_open};
use crate::json::{self, Head};
use crate::names::Places;
use crate::packed::Packing;
use crate::profile::{self, Options, Profile, Suppress};
use crate::progress;
use crate::recording::{self, Recording};
use crate::sweep;
use crate::sweep::model::Sweep;
use crate::text::Safe;

/// Enough to see what a file is.
const START_BYTES: u64 = 64;

/// What a file holds.
pub enum Input {
    /// A profile, or what was made of a recording.
    Profile(Box<Profile>),
    /// A sweep.
    Sweep(Box<Sweep>),
}

impl Input {
    /// Reads a file, whatever it is, with names from this system's files.
    pub fn read(path: &Path, suppress: Option<Rc<Suppress>>) -> Result<Input, Error> {
        Input::read_from(path, suppress, &ElsewhereArgs::default())
    }

    /// The same with names from elsewhere. In a profile `suppress` hides row by row: see `Profile::hide`.
    pub fn read_from(path: &Path, suppress: Option<Rc<Suppress>>, elsewhere: &ElsewhereArgs) -> Result<Input, Error> {
        let what = format!("reading `{}`", Safe(&path.display().to_string()));
        progress::during(&what, || Input::read_now(path, suppress, elsewhere))
    }

    fn read_now(path: &Path, suppress: Option<Rc<Suppress>>, elsewhere: &ElsewhereArgs) -> Result<Input, Error> {
        let cannot_open = |cause| cannot_open(path, cause);
        let (file, start) = open(path)?;
        if Packing::of(&start) == Packing::Plain {
            return Input::read_open(file, start, path, suppress, elsewhere.places(&[]));
        }
        // It is there as long as names are looked for in it.
        let bundle = Bundle::unpack(start, file, path)?;
        let (file, start) = open(&bundle.file()).map_err(|_| bundle::is_none(path))?;
        Input::read_open(file, start, path, suppress, elsewhere.places(&[bundle.root()])).map_err(|error| match error {
            Error::CannotOpen { cause, .. } => cannot_open(cause),
            error => error,
        })
    }

    fn read_open(
        file: File,
        start: Vec<u8>,
        path: &Path,
        suppress: Option<Rc<Suppress>>,
        places: Places,
    ) -> Result<Input, Error> {
        let name = path.display();
        if recording::is_recording(&start) {
            let recording = Recording::from_file(file, &format!("recording `{name}`"))?;
            let profile = Profile::build(&recording, &Options { suppress, places, ..Options::default() })?;
            return Ok(Input::Profile(Box::new(profile)));
        }
        if !json::is_json(&start) {
            return Err(Error::read(format!("`{name}`"), "neither a profile, a sweep nor a recording of memtrace"));
        }
        let bytes = json::rest(start, file, path)?;
        if bytes.starts_with(sweep::lines::START) {
            return Ok(Input::Sweep(Box::new(sweep::lines::read(&bytes, &format!("sweep `{name}`"))?)));
        }
        let what = format!("profile `{name}`");
        let head = Head::of(&bytes, &what, profile::FORMAT.noun)?;
        if head.format == sweep::model::FORMAT {
            let sweep = sweep::file::read_behind(&head, &bytes, &format!("sweep `{name}`"))?;
            return Ok(Input::Sweep(Box::new(sweep)));
        }
        let mut profile = Profile::read_behind(&head, &bytes, &what)?;
        if !places.is_here() {
            profile.rename(&places);
        }
        if let Some(suppress) = suppress {
            profile.hide(&suppress);
        }
        Ok(Input::Profile(Box::new(profile)))
    }
}

/// A file and its beginning.
pub fn open(path: &Path) -> Result<(File, Vec<u8>), Error> {
    let cannot_open = |cause| cannot_open(path, cause);
    let mut file = File::open(path).map_err(cannot_open)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(START_BYTES).read_to_end(&mut start).map_err(cannot_open)?;
    Ok((file, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_itself_what_it_is() {
        let path = std::env::temp_dir().join(format!("memtrace-input-{}.json", std::process::id()));
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let input = Input::read(&path, None);
            std::fs::remove_file(&path).unwrap();
            input
        };
        let mut json = Vec::new();
        sweep::file::write(&sweep::sample::sweep(), &mut json).unwrap();
        assert!(matches!(read(&json), Ok(Input::Sweep(sweep)) if sweep.runs.len() == 5));
        let mut lines = Vec::new();
        sweep::lines::write(&sweep::sample::sweep(), &mut lines).unwrap();
        assert!(matches!(read(&lines), Ok(Input::Sweep(sweep)) if sweep.runs.len() == 5));
        let profile = br#" {"format":"memtrace-profile","version":1,"tool":{"name":"memtrace","version":"0"},
            "processes_lost":0,"processes":[]}"#;
        assert!(matches!(read(profile), Ok(Input::Profile(_))));
        let message = |bytes: &[u8]| read(bytes).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message(b"x").contains("neither a profile, a sweep nor a recording of memtrace"));
        assert!(message(b"{}").contains("expected format `memtrace-profile`"));
        assert!(message(b"").contains("it is empty, expected a profile"));
        assert!(
            message(br#"{"format":"memtrace-sweep","version":2}"#).contains("version 2, this memtrace reads up to 1")
        );
    }
}
