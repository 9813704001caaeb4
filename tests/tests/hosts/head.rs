//! The head of a host: what it plants, how it ends, what it is built with.

use std::path::Path;

/// The head of a host.
#[derive(Default)]
pub struct Head {
    pub planted: String,
    pub status: String,
    pub says: Option<String>,
    pub is_held: bool,
    pub is_possible: bool,
    pub flags: Vec<String>,
    pub libraries: Vec<Vec<String>>,
    pub variables: Vec<(String, String)>,
    pub program: Option<String>,
}

impl Head {
    /// Reads the lines before the program.
    pub fn read(file: &Path) -> Head {
        let text = std::fs::read_to_string(file).expect("a host is text");
        let mut head = Head::default();
        let words = |value: &str| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for line in text.lines().map_while(|line| line.strip_prefix("// ").or(line.strip_prefix("# "))) {
            match line.split_once(": ") {
                Some(("planted", value)) => head.planted = value.to_owned(),
                Some(("status", value)) => head.status = value.to_owned(),
                Some(("held", _)) => head.is_held = true,
                Some(("possible", _)) => head.is_possible = true,
                Some(("says", value)) => head.says = Some(value.to_owned()),
                Some(("flags", value)) => head.flags = words(value),
                Some(("library", value)) => head.libraries.push(words(value)),
                Some(("program", value)) => head.program = Some(value.to_owned()),
                Some(("env", value)) => {
                    let (name, value) = value.split_once('=').expect("a variable has a value");
                    head.variables.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        head
    }
}
