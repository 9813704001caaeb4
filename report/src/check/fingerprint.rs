//! What a leak is known again by, after a rebuild, on another machine, when lines have moved.
//!
//! ```text
//!   stack ──whose code──▶ the project's frames ──names, no addresses, each once──▶ trail ──hash──▶ fingerprint
//! ```
//!
//! The trail has the frames that tell most: the project's own; where there is none, those of libraries; else what there
//! is. A function that calls itself stands in it once, however deep it went.

use std::cell::OnceCell;

use memtrace_wire::point::{frame_key, module_key};

use super::frames::{Whose, module_of, told_frames, told_frames_by, whose_frame};
use super::name;
use crate::profile::{Frame, Process};

/// A frame without a name.
const UNNAMED: &str = "?";
/// The shorter of two trails that are taken for one has at least one in so many frames of the longer.
const FRAMES_LOST_MAX: usize = 2;

/// The normalised frames of a stack, innermost first: `parse (app)`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Trail(pub Vec<String>);

impl Trail {
    /// The trail of a stack.
    pub fn of(process: &Process, stack: u32) -> Trail {
        Trail::made_of(
            || told_frames(process, stack).map(|(whose, frame)| (whose, frame, frame)),
            |frame| step(process, frame),
        )
    }

    /// Of frames, each with what its step is made of.
    fn made_of<'p, I: Iterator<Item = (Whose, &'p Frame, P)>, P>(
        frames: impl Fn() -> I,
        step: impl Fn(P) -> String,
    ) -> Trail {
        // The best that the stack has: a wrapper alone tells nothing that its library's caller does not.
        let best = frames().map(|(whose, ..)| whose).min().unwrap_or(Whose::Runtime);
        let mut trail: Vec<String> = Vec::new();
        for (_, _, place) in frames().filter(|(whose, frame, _)| *whose == best && is_call(frame)) {
            let step = step(place);
            if !trail.contains(&step) {
                trail.push(step);
            }
        }
        Trail(trail)
    }

    /// 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let hash = self.0.iter().fold(0, |hash, step| frame_key(hash, module_key(step.as_bytes(), b"")));
        format!("{hash:016x}")
    }

    /// Whether one has a function's name.
    pub fn is_named(&self) -> bool {
        self.0.iter().any(|step| !step.starts_with(UNNAMED))
    }

    /// Whether the two may be one place, built in two ways: a call in the last line of a function leaves no frame where
    /// compilers optimise, nor does one that was inlined where there is no debug information; and only symbol tables have
    /// the namespaces of functions that no other file can call.
    pub fn is_close(&self, other: &Trail) -> bool {
        let (short, long) = if self.0.len() <= other.0.len() { (&self.0, &other.0) } else { (&other.0, &self.0) };
        let mut rest = long.iter();
        let is_part = short.iter().all(|step| rest.any(|other| bare(other) == bare(step)));
        is_part && short.len() >= 2 && short.len() * FRAMES_LOST_MAX >= long.len()
    }
}

/// A step without what stands around its function.
fn bare(step: &str) -> &str {
    step.rsplit("::").next().unwrap_or(step)
}

fn step(process: &Process, frame: &Frame) -> String {
    let module = name::module(module_of(process, frame).unwrap_or_default());
    match &frame.function {
        Some(function) => format!("{} ({module})", name::function(function)),
        None => format!("{UNNAMED} ({module})"),
    }
}

fn is_call(frame: &Frame) -> bool {
    !matches!(frame.kind.as_str(), "cut" | "tag")
}

/// What is told of a process's stacks, where many are asked for: each frame is looked at once.
pub struct Told<'p> {
    process: &'p Process,
    frames: Vec<OnceCell<(Whose, String)>>,
}

impl<'p> Told<'p> {
    /// Of a process.
    pub fn of(process: &'p Process) -> Told<'p> {
        Told { process, frames: process.frames.iter().map(|_| OnceCell::new()).collect() }
    }

    /// The same as `Trail::of`.
    pub fn trail(&self, stack: u32) -> Trail {
        let frames = || self.frames(stack).map(|(whose, place, frame)| (whose, frame, place));
        Trail::made_of(frames, |place| self.known(place).map_or_else(String::new, |known| known.1.clone()))
    }

    /// The same as `site`.
    pub fn site(&self, stack: u32) -> String {
        site_of(self.process, || self.frames(stack).map(|(whose, _, frame)| (whose, frame)))
    }

    fn frames(&self, stack: u32) -> impl Iterator<Item = (Whose, usize, &'p Frame)> {
        told_frames_by(self.process, stack, |place, _| self.known(place).map_or(Whose::Runtime, |known| known.0))
    }

    fn known(&self, place: usize) -> Option<&(Whose, String)> {
        let frame = self.process.frames.get(place)?;
        Some(self.frames.get(place)?.get_or_init(|| (whose_frame(self.process, frame), step(self.process, frame))))
    }
}

/// The function that a leak is told by: the first of the project's own, else of a library, else any.
pub fn site(process: &Process, stack: u32) -> String {
    site_of(process, || told_frames(process, stack))
}

fn site_of<'p, I: Iterator<Item = (Whose, &'p Frame)>>(process: &Process, frames: impl Fn() -> I) -> String {
    let first = [Whose::Own, Whose::Library, Whose::Wrapper, Whose::Runtime]
        .into_iter()
        .find_map(|wanted| frames().find(|(whose, frame)| *whose == wanted && is_call(frame)));
    first.map_or_else(|| "an unknown place".to_owned(), |(_, frame)| label(process, frame))
}

fn label(process: &Process, frame: &Frame) -> String {
    match (&frame.function, module_of(process, frame)) {
        (Some(function), _) => function.clone(),
        (None, Some(module)) => format!("{}+{:#x}", crate::views::base_name(module), frame.offset),
        (None, None) => format!("{:#x}", frame.offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample;

    /// With its code outside the system's directories.
    fn own(mut process: Process) -> Process {
        process.modules[0].path = "/src/libgarden.so".into();
        process
    }

    fn trail(functions: &[&str]) -> Trail {
        let mut stack = 0;
        let process = own(sample::process(|maker| stack = maker.stack(functions)));
        let one = Trail::of(&process, stack);
        assert_eq!(one, Told::of(&process).trail(stack));
        one
    }

    #[test]
    fn a_trail_has_the_projects_frames_each_once_and_no_line() {
        let found = trail(&["xmalloc", "std::allocate<int>(int)", "list(int)", "value", "list(int)", "main", "_start"]);
        assert_eq!(found.0, ["list (libgarden.so)", "value (libgarden.so)", "main (libgarden.so)"]);
        assert_eq!(found, trail(&["operator new(unsigned long)", "list(long)", "value", "main", "_start"]));
        assert_ne!(found.fingerprint(), trail(&["value", "list", "main"]).fingerprint());
        assert_eq!(found.fingerprint().len(), 16);
        // Written into files: it does not change.
        assert_eq!(trail(&["load_page", "main"]).fingerprint(), "c0483b739b04f46f");
    }

    #[test]
    fn callers_of_a_harness_of_tests_are_no_part_of_a_trail() {
        let frames = ["std::boxed::new", "app::tests::leaks", "test::run_test", "test::test_main_static", "app::main"];
        assert_eq!(trail(&frames).0, ["app::tests::leaks (libgarden.so)"]);
        let own = trail(&["std::mpmc::init", "test::run_tests", "test::test_main_static", "app::main", "main"]);
        assert_eq!(own.0, ["std::mpmc::init (libgarden.so)", "test::run_tests (libgarden.so)"]);
    }

    #[test]
    fn where_nothing_is_the_projects_the_rest_tells() {
        assert_eq!(trail(&["std::grow(int)", "_start"]).0, ["std::grow (libgarden.so)"]);
        assert_eq!(trail(&["_start"]).0, ["_start (libgarden.so)"]);
        assert_eq!(trail(&[]), Trail::default());
    }

    #[test]
    fn a_frame_without_a_name_has_its_module_alone() {
        let mut stack = 0;
        let mut process = own(sample::process(|maker| stack = maker.stack(&["a", "b", "c"])));
        for frame in &mut process.frames {
            (frame.function, frame.offset) = (None, frame.offset + 1);
        }
        let trail = Trail::of(&process, stack);
        assert_eq!((trail.0.as_slice(), trail.is_named()), (&["? (libgarden.so)".to_owned()][..], false));
        assert_eq!(site(&process, stack), "libgarden.so+0x24a");
    }

    #[test]
    fn trails_are_close_if_one_lacks_frames_of_the_other() {
        let trail = |text: &str| Trail(text.split(' ').map(str::to_owned).collect());
        assert!(trail("load fill main").is_close(&trail("load fill main")));
        assert!(trail("load fill main").is_close(&trail("load main")));
        assert!(trail("fill main").is_close(&trail("load fill main")));
        assert!(trail("ns::load ns::Box::fill main").is_close(&trail("load fill main")));
        assert!(!trail("load fill main").is_close(&trail("main")));
        assert!(!trail("load main").is_close(&trail("save main")));
        assert!(!trail("a main").is_close(&trail("a b c d main")));
        assert!(!trail("main load").is_close(&trail("load fill main")));
    }

    #[test]
    fn a_leak_is_told_by_the_first_function_of_the_project() {
        let mut stack = 0;
        let process = own(sample::process(|maker| stack = maker.stack(&["xmalloc", "std::x", "plant(int)", "main"])));
        assert_eq!((site(&process, stack), Told::of(&process).site(stack)), ("plant(int)".into(), "plant(int)".into()));
        assert_eq!(site(&process, 99), "an unknown place");
    }
}
