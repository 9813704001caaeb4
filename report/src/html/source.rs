//! Frames and stacks on their way from a process, a trail or a sweep into the one tree of a page.

use std::collections::HashMap;

use super::paths::{Frame, Kind, Paths};
use super::texts::Texts;
use crate::check::frames::{Whose, whose, whose_frame};
use crate::profile::{self, Process};
use crate::views::{function, module};

/// The tree, and what of the process at hand stands in it.
#[derive(Default)]
pub struct Source {
    /// The tree.
    pub paths: Paths,
    /// By place in the process's `frames`.
    known: HashMap<u32, u32>,
}

impl Source {
    /// What follows is of another process.
    pub fn next_process(&mut self) {
        self.known.clear();
    }

    /// The frame at a place in the process's `frames`.
    pub fn frame(&mut self, process: &Process, place: u32, texts: &mut Texts) -> Option<u32> {
        if let Some(&known) = self.known.get(&place) {
            return Some(known);
        }
        let frame = process.frames.get(place as usize)?;
        let found = self.paths.frame(Frame {
            name: texts.place(&name(process, frame)),
            file: frame.file.as_deref().map_or(0, |file| texts.place(file)),
            line: frame.line.unwrap_or(0),
            module: module(process, frame).map_or(0, |path| texts.place(path)),
            whose: rank(whose_frame(process, frame)),
            kind: match frame.kind.as_str() {
                "tag" => Kind::Region,
                "cut" => Kind::Cut,
                "source" => Kind::Source,
                _ if frame.inlined => Kind::Inlined,
                _ => Kind::Call,
            },
        });
        self.known.insert(place, found);
        Some(found)
    }

    /// The node of one of the process's stacks.
    pub fn node(&mut self, process: &Process, stack: u32, texts: &mut Texts) -> u32 {
        let places = process.stacks.get(stack as usize).map_or(&[][..], Vec::as_slice);
        let frames: Vec<u32> = places.iter().rev().filter_map(|&place| self.frame(process, place, texts)).collect();
        self.paths.node(frames)
    }

    /// The node of a trail, whose steps come innermost first: `parse (app)`.
    pub fn trail(&mut self, trail: &[String], texts: &mut Texts) -> u32 {
        let mut frames = Vec::new();
        for step in trail.iter().rev() {
            let (name, module) = step.rsplit_once(" (").unwrap_or((step, ""));
            let (name, module) = (texts.place(name), texts.place(module.trim_end_matches(')')));
            let frame = Frame { name, file: 0, line: 0, module, whose: 0, kind: Kind::Call };
            frames.push(self.paths.frame(frame));
        }
        self.paths.node(frames)
    }

    /// The node of a stack of a sweep, whose frames come innermost first.
    pub fn swept(&mut self, frames: &[&crate::sweep::model::Frame], texts: &mut Texts) -> u32 {
        let mut places = Vec::new();
        for frame in frames.iter().rev() {
            let (function, module) = (frame.function.as_deref(), frame.module.as_deref());
            places.push(self.paths.frame(Frame {
                name: texts.place(&crate::sweep::stacks::label(frame)),
                file: frame.file.as_deref().map_or(0, |file| texts.place(file)),
                line: frame.line.unwrap_or(0),
                module: module.map_or(0, |path| texts.place(path)),
                whose: rank(whose(function, module)),
                kind: match (frame.type_name.is_some(), frame.inlined) {
                    (true, _) => Kind::Source,
                    (false, true) => Kind::Inlined,
                    (false, false) => Kind::Call,
                },
            }));
        }
        self.paths.node(places)
    }
}

fn rank(whose: Whose) -> u8 {
    match whose {
        Whose::Own => 0,
        Whose::Library => 1,
        Whose::Wrapper => 2,
        Whose::Runtime => 3,
    }
}

/// A frame's function, or for a cut the reason, or where it is.
fn name(process: &Process, frame: &profile::Frame) -> String {
    match (frame.kind.as_str(), &frame.function) {
        ("cut", reason) => reason.clone().unwrap_or_else(|| "unknown reason".into()),
        _ => function(process, frame),
    }
}
