//! Data that rows work on, made by fixed rules: two runs have the same.

use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::error::Error;
use crate::find;
use crate::place::Place;

/// What can be made.
pub const NAMES: &[&str] = &[
    "history",
    "objects.py",
    "queries.sql",
    "table.json",
    "templates.clang.ii",
    "templates.ii",
    "words.awk",
    "words.pl",
];

const TEMPLATES: &str = include_str!("../workloads/templates.cpp");

/// Makes one of them, as large as the amount says.
pub fn make(place: &Place, name: &str, amount: u64, to: &Path) -> Result<(), Error> {
    let text = match name {
        "objects.py" => include_str!("../workloads/objects.py").to_owned(),
        "queries.sql" => include_str!("../workloads/queries.sql").replace(":rows", &amount.to_string()),
        "table.json" => table(amount),
        "words.awk" => include_str!("../workloads/words.awk").to_owned(),
        "words.pl" => include_str!("../workloads/words.pl").to_owned(),
        "templates.ii" => preprocessed(place, "g++")?,
        "templates.clang.ii" => preprocessed(place, "clang++")?,
        "history" => return history(place, amount, to),
        _ => return Err(Error::failed(format!("`{name}` is no data of the benchmark"))),
    };
    fs::write(to, text).map_err(|cause| Error::file("write", to, &cause))
}

/// Objects with lists and objects in them.
fn table(rows: u64) -> String {
    let mut text = String::from("[");
    for i in 0..rows {
        let comma = if i == 0 { "" } else { ",\n" };
        let (half, group) = (i as f64 * 1.5, i * 7919 % 1009);
        let _ = write!(text, r#"{comma}{{"id":{i},"name":"n{i}","group":"g{group}","tags":["a","b","{i}"],"#);
        let _ = write!(text, r#""value":{half},"sub":{{"x":[{i},{},null,true]}}}}"#, i + 1);
    }
    text + "]\n"
}

fn preprocessed(place: &Place, compiler: &str) -> Result<String, Error> {
    let Some(path) = find::program(compiler) else {
        return Err(Error::failed(format!("`{compiler}` is not installed")));
    };
    let source = place.write("templates.cpp", TEMPLATES)?;
    let mut command = place.command(&path);
    command.args(["-std=c++17", "-E", "-P"]).arg(source);
    Ok(String::from_utf8_lossy(&place.done(command)?).into_owned())
}

/// A repository of as many commits as the amount, each of which changes lines of a few of its 100 files.
fn history(place: &Place, commits: u64, to: &Path) -> Result<(), Error> {
    const FILES: u64 = 100;
    const LINES: u64 = 80;
    let git = |words: &[&str]| -> Result<std::process::Command, Error> {
        let path = find::program("git").ok_or_else(|| Error::failed("`git` is not installed"))?;
        let mut command = place.command(&path);
        command.env("GIT_CONFIG_NOSYSTEM", "1").args(words);
        Ok(command)
    };
    let folder = to.display().to_string();
    place.done(git(&["init", "--quiet", "--initial-branch=main", &folder])?)?;
    let mut stream = String::new();
    for commit in 0..commits {
        let message = format!("Change number {commit}\n");
        let _ = writeln!(stream, "commit refs/heads/main\nmark :{}", commit + 1);
        let _ = writeln!(stream, "committer Someone <someone@example.org> {} +0000", 1_700_000_000 + commit * 60);
        let _ = writeln!(stream, "data {}\n{message}", message.len());
        for changed in 0..4 {
            let file = (commit * 31 + changed * 17) % FILES;
            let mut text = String::new();
            for line in 0..LINES {
                // A line is new about every twentieth commit.
                let version = (commit + line * 7) / 20;
                let _ = writeln!(text, "    value_{file}_{line} = compute({}, {line});", version * 7919 % 10_007);
            }
            let _ = writeln!(stream, "M 100644 inline folder-{}/file-{file}.c", file % 7);
            let _ = writeln!(stream, "data {}\n{text}", text.len());
        }
    }
    let mut command = git(&["-C", &folder, "fast-import", "--quiet"])?;
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut import = spawned.map_err(|cause| Error::failed(format!("cannot start `{command:?}`: {cause}")))?;
    // Dropped at once: the end of the pipe is the end of the stream.
    let written = import.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(stream.as_bytes()));
    let status = import.wait();
    match (written, status) {
        (Ok(()), Ok(status)) if status.success() => Ok(()),
        other => Err(Error::failed(format!("`git fast-import` failed: {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_json() {
        assert_eq!(table(0), "[]\n");
        let read = crate::json::read(&table(3)).unwrap();
        assert_eq!(read[2]["sub"]["x"][1], 3);
        assert_eq!(read[1]["value"], 1.5);
    }
}
