//! The file of `--resume`: every run as it is made, one line of JSON each, so that a sweep can go on where it ended.
//!
//! It keeps facts, JSON lines (`live`) keep what was made of them, and neither form can stand for the other: the sweep that
//! goes on judges all runs anew, by its own runs without a failure and its own policy, for which it needs the hashes of each line
//! of output, the files, the lost blocks and the bare stacks. Readers of JSON lines need outcomes and names, in a format
//! that others can rely on, without a thousand hashes a run.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::course::{Course, Task};
use super::facts::Facts;
use super::one::shown;
use crate::error::Error;
use crate::json;

/// The file, open for more runs.
pub struct Journal {
    path: PathBuf,
    file: File,
}

#[derive(Serialize, Deserialize)]
enum Line {
    /// The first line: what was swept.
    Sweep { command: Vec<String>, baseline_points: Vec<u64> },
    /// A run.
    Run { task: Task, facts: Box<Facts> },
}

impl Journal {
    /// Takes over what stands in the file, and opens it for more.
    pub fn open(path: &Path, command: &[OsString], course: &mut Course) -> Result<Journal, Error> {
        let cannot_open = |cause| Error::CannotOpen { path: path.to_path_buf(), cause };
        let what = || format!("`{}`", path.display());
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(cannot_open)?;
        let command: Vec<String> = command.iter().map(shown).collect();
        let mut is_begun = false;
        let mut done = HashSet::new();
        let mut reader = BufReader::new(&file);
        let mut text = Vec::new();
        let mut is_cut = false;
        loop {
            text.clear();
            let bytes = reader.read_until(b'\n', &mut text).map_err(cannot_open)?;
            if bytes == 0 {
                break;
            }
            is_cut = text.last() != Some(&b'\n');
            match json::line(&text) {
                Some(Line::Sweep { command: of, .. }) if !is_begun => {
                    if of != command {
                        let found =
                            format!("the runs of `{}`, expected those of `{}`", of.join(" "), command.join(" "));
                        return Err(Error::read(what(), found));
                    }
                    is_begun = true;
                }
                Some(Line::Run { task, facts }) if is_begun => {
                    done.insert(task.clone());
                    course.take(task, *facts);
                }
                // A sweep that was killed leaves half a line.
                None if is_cut => {}
                _ => {
                    return Err(Error::read(what(), "a line that is no run of a sweep, expected a file of `--resume`"));
                }
            }
        }
        course.leave_out(&done);
        let mut journal = Journal { path: path.to_path_buf(), file };
        if is_cut {
            let ended = journal.file.write_all(b"\n");
            ended.map_err(cannot_open)?;
        }
        if !is_begun {
            let baseline_points = course.points.iter().map(|point| point.id).collect();
            journal.line(&Line::Sweep { command, baseline_points })?;
        }
        Ok(journal)
    }

    /// Adds a run.
    pub fn add(&mut self, task: &Task, facts: &Facts) -> Result<(), Error> {
        self.line(&Line::Run { task: task.clone(), facts: Box::new(facts.clone()) })
    }

    fn line(&mut self, line: &Line) -> Result<(), Error> {
        json::write(line, &mut self.file).map_err(|cause| Error::CannotWrite { path: self.path.clone(), cause })
    }
}
