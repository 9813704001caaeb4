//! A place with the leaky program, and checks that are made there.

use memtrace_tests::{Ended, How, Json, Place, pair, read_json, workspace};

/// The place.
pub struct Work {
    /// Where it is; the leaky program is `app`.
    pub place: Place,
}

impl Work {
    /// With the program.
    pub fn new() -> Work {
        let place = Place::new();
        place.compile(&workspace().join("tests/tests/check/leaky.c"), "app", &[]);
        Work { place }
    }

    /// `memtrace` with these words.
    pub fn memtrace(&self, words: &[&str]) -> Ended {
        self.place.job(How::Native, &pair().command).args(words.iter().copied()).run()
    }

    /// A check of a command, with its result as JSON.
    pub fn check(&self, options: &[&str], command: &[&str]) -> (Ended, Json) {
        let words = [&["check", "--out", "json:check.json"], options, &["--"], command].concat();
        let _ = std::fs::remove_file(self.place.join("check.json"));
        let ended = self.memtrace(&words);
        let path = self.place.join("check.json");
        let json = if path.exists() { read_json(&path) } else { Json::Null };
        (ended, json)
    }

    /// The status of a check of a command, and its text.
    pub fn status(&self, options: &[&str], command: &[&str]) -> (Option<i32>, String) {
        let ended = self.memtrace(&[&["check"], options, &["--"], command].concat());
        (ended.code(), ended.stderr)
    }
}

/// A number of an object, by a path of keys.
pub fn number(json: &Json, path: &str) -> u64 {
    json.pointer(path).and_then(Json::as_u64).unwrap_or_else(|| panic!("no number {path} in {json:#}"))
}
