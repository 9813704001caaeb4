//! What is swept, by whom ever.

use std::path::PathBuf;

use memtrace_tests::Place;

/// A command with all that it needs.
#[derive(Debug)]
pub struct Target<'p> {
    pub place: &'p Place,
    pub program: PathBuf,
    pub arguments: Vec<PathBuf>,
    /// Name and value.
    pub variables: Vec<(String, String)>,
    /// Its stdin.
    pub input: String,
}

impl<'p> Target<'p> {
    /// A program without arguments.
    pub fn new(place: &'p Place, program: PathBuf) -> Target<'p> {
        Target { place, program, arguments: Vec::new(), variables: Vec::new(), input: String::new() }
    }
}
