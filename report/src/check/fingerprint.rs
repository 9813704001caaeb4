//! What a leak is known again by, after a rebuild, on another machine, when lines have moved.
//!
//! ```text
//!   stack ──whose code──▶ the project's frames ──names, no addresses, each once──▶ trail ──hash──▶ fingerprint
//! ```
//!
//! The trail has the frames that tell most: the project's own; where there is none, those of libraries; else what there
//! is. A function that calls itself stands in it once, however deep it went.

use memtrace_wire::point::{frame_key, module_key};

use super::frames::{Whose, module_of, told_frames};
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
        let frames = || told_frames(process, stack);
        // The best that the stack has: a wrapper alone tells nothing that its library's caller does not.
        let best = frames().map(|(whose, _)| whose).min().unwrap_or(Whose::Runtime);
        let mut trail: Vec<String> = Vec::new();
        for (_, frame) in frames().filter(|(whose, frame)| *whose == best && is_call(frame)) {
            let step = step(process, frame);
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

/// The function that a leak is told by: the first of the project's own, else of a library, else any.
pub fn site(process: &Process, stack: u32) -> String {
    let frames = || told_frames(process, stack).filter(|(_, frame)| is_call(frame));
    let first = [Whose::Own, Whose::Library, Whose::Wrapper, Whose::Runtime]
        .into_iter()
        .find_map(|wanted| frames().find(|(whose, _)| *whose == wanted));
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
        Trail::of(&process, stack)
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
        assert_eq!(site(&process, stack), "plant(int)");
        assert_eq!(site(&process, 99), "an unknown place");
    }
}
