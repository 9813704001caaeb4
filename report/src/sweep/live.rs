//! JSON lines of a sweep under way: each run is written when it is made, so that who reads sees it, and a file that was
//! cut has it.
//!
//! ```text
//!   begin ─▶ the head, and what the runs without failures showed
//!   more ──▶ runs that were made, and before them the frames, stacks and points that they have opened
//!   end ───▶ the last of these, findings, notes, coverage
//! ```
//!
//! Invariant: what was written is what `lines::write` makes of the whole sweep, in another order.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::course::Course;
use super::findings::Alone;
use super::lines::{self, Rows};
use super::model::{Point, Run, Sweep};
use super::result::{point_of, run_of};
use crate::error::Error;
use crate::formats::Out;

/// Names for new stacks take at most one part in so many of the time: until then their runs wait.
const NAMING_PART: u32 = 10;

/// The files, and how far they are.
pub struct Live {
    sinks: Vec<Sink>,
    frames: usize,
    stacks: usize,
    points: usize,
    runs: usize,
    alone: Alone,
    /// When names may be looked up again.
    naming: Instant,
}

/// A place for the lines.
struct Sink {
    path: PathBuf,
    /// Nothing: whoever read it has seen enough.
    to: Option<Box<dyn Write>>,
}

impl Live {
    /// Opens those places, and writes the head.
    pub fn begin<'o>(outs: impl Iterator<Item = &'o Out>, head: &Sweep) -> Result<Live, Error> {
        let open = |out: &Out| -> Result<Sink, Error> {
            let path = out.path.clone();
            let to: Box<dyn Write> = match out.is_stdout() {
                true => Box::new(io::stdout()),
                false => Box::new(File::create(&path).map_err(|cause| cannot_write(&path, cause))?),
            };
            Ok(Sink { path, to: Some(to) })
        };
        let sinks = outs.map(open).collect::<Result<_, _>>()?;
        let alone = Alone::default();
        let mut live = Live { sinks, frames: 0, stacks: 0, points: 0, runs: 0, alone, naming: Instant::now() };
        live.write(|to| lines::head(head, to))?;
        Ok(live)
    }

    /// Whether stdout is one of the places.
    pub fn has_stdout(&self) -> bool {
        self.sinks.iter().any(|sink| sink.path == Path::new("-"))
    }

    /// Writes what came since the last time.
    pub fn more(&mut self, course: &mut Course) -> Result<(), Error> {
        if self.sinks.is_empty() || self.runs == course.runs.len() && self.runs > 0 {
            return Ok(());
        }
        if !course.stacks.are_resolved() {
            if Instant::now() < self.naming {
                return Ok(());
            }
            let begin = Instant::now();
            course.stacks.resolve();
            let pause: Duration = begin.elapsed() * NAMING_PART;
            self.naming = Instant::now() + pause;
        }
        let new = course.points.get(self.points..).unwrap_or_default();
        let points: Vec<Point> = new.iter().map(|point| point_of(course, point)).collect();
        let new = course.runs.get(self.runs..).unwrap_or_default();
        let runs: Vec<Run> = new.iter().map(|run| run_of(course, run, &mut self.alone)).collect();
        let (frames, stacks) = course.stacks.named();
        let frames = frames.get(self.frames..).unwrap_or_default();
        let stacks = stacks.get(self.stacks..).unwrap_or_default();
        self.rows(Rows { frames, stacks, points: &points, runs: &runs })
    }

    /// Writes the rest.
    pub fn end(&mut self, sweep: &Sweep) -> Result<(), Error> {
        let frames = sweep.frames.get(self.frames..).unwrap_or_default();
        let stacks = sweep.stacks.get(self.stacks..).unwrap_or_default();
        let points = sweep.points.get(self.points..).unwrap_or_default();
        let runs = sweep.runs.get(self.runs..).unwrap_or_default();
        self.rows(Rows { frames, stacks, points, runs })?;
        self.write(|to| lines::tail(sweep, to))
    }

    fn rows(&mut self, rows: Rows) -> Result<(), Error> {
        self.frames += rows.frames.len();
        self.stacks += rows.stacks.len();
        self.points += rows.points.len();
        self.runs += rows.runs.len();
        self.write(|to| lines::rows(rows, to))
    }

    /// Writes whole lines, at once.
    fn write(&mut self, text: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        if !self.sinks.is_empty() {
            text(&mut bytes).map_err(|cause| cannot_write(Path::new("JSON lines"), cause))?;
        }
        for Sink { path, to } in &mut self.sinks {
            let Some(open) = to else { continue };
            match open.write_all(&bytes).and_then(|()| open.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *to = None,
                written => written.map_err(|cause| cannot_write(path, cause))?,
            }
        }
        Ok(())
    }
}

fn cannot_write(path: &Path, cause: io::Error) -> Error {
    Error::CannotWrite { path: path.to_path_buf(), cause }
}
