//! Which frame of a stack names the site of an allocation: the function that wanted the memory, not the one that hands
//! requests on.
//!
//! ```text
//!   malloc ◀─ xmalloc ◀─ std::… ◀─ load_page ◀─ main
//!             Wrapper    Language  Own: the site
//! ```
//!
//! Groups, findings and suppressions ask here; stacks are shown whole all the same.

mod list;

use memtrace_wire::settings::glob;

use crate::profile::Process;
use crate::suppress::{bare, is_below_main, plain};

/// What a frame is to the allocations that are made through it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// It asks for memory for itself.
    Own,
    /// Of an interpreter, which runs functions that are on the stack themselves.
    Interpreter,
    /// It hands requests on: `xmalloc`, `g_strdup`, `operator new`.
    Wrapper,
    /// Of a language's library, compiled into the program.
    Language,
    /// Of a library that serves all programs, or what calls main.
    Runtime,
    /// Of memtrace.h.
    Macro,
}

/// The functions that hand requests on.
#[derive(Clone, Debug)]
pub struct Wrappers {
    has_list: bool,
    own: Vec<String>,
}

impl Default for Wrappers {
    fn default() -> Self {
        Wrappers::of(None)
    }
}

impl Wrappers {
    /// The list, and the names of a MEMTRACE_WRAPPERS; with `none` among them, those names alone.
    pub fn of(setting: Option<&str>) -> Wrappers {
        let names = setting.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        let (none, own): (Vec<&str>, Vec<&str>) = names.partition(|name| *name == list::NONE);
        Wrappers { has_list: none.is_empty(), own: own.into_iter().map(str::to_owned).collect() }
    }

    /// What a frame of this function (demangled) in the module with this path is.
    pub fn part(&self, function: Option<&str>, module: &str) -> Part {
        let file = module.rsplit('/').next().unwrap_or_default();
        let Some(function) = function else {
            return if list::is_runtime(file) { Part::Runtime } else { Part::Own };
        };
        if function.starts_with("memtrace_") {
            return Part::Macro;
        }
        let name = without_parameters(function);
        let last = bare(name);
        let is_own = |pattern: &String| {
            let matches = |name: &str| glob(pattern.as_bytes(), name.as_bytes());
            matches(function) || matches(name) || matches(last)
        };
        if self.own.iter().any(is_own) {
            Part::Wrapper
        } else if list::is_runtime(file) || is_below_main(function) {
            Part::Runtime
        } else if list::is_language(function) {
            Part::Language
        } else if self.has_list && (list::is_wrapper(name) || list::is_wrapper(last)) {
            Part::Wrapper
        } else {
            Part::Own
        }
    }
}

/// The place of the frame that names the site among those, innermost first. Where none asks for itself, it is the
/// innermost that hands on, else the innermost of all.
pub fn place(parts: impl Iterator<Item = Part>) -> Option<usize> {
    let (mut innermost, mut wrapper, mut interpreter) = (None, None, None);
    for (place, part) in parts.enumerate() {
        match part {
            Part::Own => return Some(place),
            Part::Interpreter => interpreter = interpreter.or(Some(place)),
            Part::Wrapper | Part::Language => wrapper = wrapper.or(Some(place)),
            Part::Runtime | Part::Macro => innermost = innermost.or(Some(place)),
        }
    }
    interpreter.or(wrapper).or(innermost)
}

/// The frame that names the site of one stack; nothing: it has no calls.
pub fn frame(process: &Process, stack: u32) -> Option<&crate::profile::Frame> {
    let places = process.stacks.get(stack as usize).into_iter().flatten();
    let frames = places.filter_map(|&place| process.frames.get(place as usize));
    let wrappers = process.wrappers();
    let calls: Vec<_> = frames.filter_map(|frame| Some((frame, part(process, &wrappers, frame)?))).collect();
    calls.get(place(calls.iter().map(|call| call.1))?).map(|call| call.0)
}

/// What a frame of a process is; nothing: it is no call.
fn part(process: &Process, wrappers: &Wrappers, frame: &crate::profile::Frame) -> Option<Part> {
    let module = frame.module.and_then(|module| process.modules.get(module as usize));
    let path = module.map_or("", |module| module.path.as_str());
    let is_interpreters = process.python.as_ref().is_some_and(|python| python.frames) && list::is_python(path);
    match frame.kind.as_str() {
        "cut" | "tag" => None,
        "python" => Some(Part::Own),
        _ => match wrappers.part(frame.function.as_deref(), path) {
            Part::Own if is_interpreters => Some(Part::Interpreter),
            part => Some(part),
        },
    }
}

/// The frames of a process, each looked at once.
pub struct Sites<'p> {
    process: &'p Process,
    /// By frame; nothing: it is no call.
    parts: Vec<Option<Part>>,
}

impl<'p> Sites<'p> {
    /// As the process's own MEMTRACE_WRAPPERS has it.
    pub fn of(process: &'p Process) -> Sites<'p> {
        let wrappers = process.wrappers();
        Sites { process, parts: process.frames.iter().map(|frame| part(process, &wrappers, frame)).collect() }
    }

    /// The frame that names the site of this stack; nothing: it has no calls.
    pub fn frame(&self, stack: u32) -> Option<&'p crate::profile::Frame> {
        self.process.frames.get(self.frame_place(stack)? as usize)
    }

    /// The same as a place in the process's `frames`.
    pub fn frame_place(&self, stack: u32) -> Option<u32> {
        let places = self.process.stacks.get(stack as usize).into_iter().flatten();
        let part = |&frame: &u32| Some((frame, (*self.parts.get(frame as usize)?)?));
        let calls: Vec<(u32, Part)> = places.filter_map(part).collect();
        calls.get(place(calls.iter().map(|call| call.1))?).map(|call| call.0)
    }
}

impl Process {
    /// By the setting that it began with.
    pub fn wrappers(&self) -> Wrappers {
        Wrappers::of(self.settings.get("MEMTRACE_WRAPPERS").map(String::as_str))
    }
}

/// A function's name without its parameters and what compilers put behind names.
fn without_parameters(function: &str) -> &str {
    let name = plain(function);
    match name.find('(') {
        // `operator()` and `(anonymous namespace)::f` have brackets of their own.
        Some(at) if at > 0 && !name.contains("operator()") && !name.contains("(anonymous") => &name[..at],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site<'f>(setting: Option<&str>, functions: &[&'f str]) -> &'f str {
        let wrappers = Wrappers::of(setting);
        let parts = functions.iter().map(|function| wrappers.part(Some(function), "/opt/app"));
        functions[place(parts).expect("there is a frame")]
    }

    #[test]
    fn wrappers_of_every_family_are_skipped() {
        for wrapper in [
            "xmalloc",
            "xstrdup",
            "x2nrealloc",
            "do_xmalloc",
            "g_malloc0_n",
            "g_strdup_printf",
            "g_slice_alloc0",
            "aws_mem_acquire",
            "aws_mem_calloc",
            "s_default_malloc",
            "CRYPTO_zalloc",
            "CRYPTO_strdup",
            "curl_dbg_strdup",
            "PyMem_RawMalloc",
            "_PyObject_GC_New",
            "_PyMem_DebugRawAlloc",
            "PyType_GenericAlloc",
            "sqlite3_malloc64",
            "sqlite3DbMallocRawNN",
            "sqlite3MemMalloc",
            "dbMallocRawFinish",
            "strndup",
            "__vasprintf_internal",
            "getline",
            "SafeMalloc",
            "safe_calloc.constprop.0",
            "operator new[](unsigned long)",
            "std::__new_allocator<int>::allocate(unsigned long, void const*)",
            "std::allocator_traits<std::allocator<char> >::allocate(std::allocator<char>&, unsigned long)",
            "ns::Pool::malloc(unsigned long)",
            "debug_malloc",
            "memtrace_malloc_at_",
            "zmalloc_usable",
            "palloc0",
            "av_mallocz",
            "__rust_alloc",
        ] {
            assert_eq!(site(None, &[wrapper, "load_page", "main"]), "load_page", "{wrapper}");
        }
        for own in
            ["session_alloc", "load", "PyObject_Call", "g_hash_table_new", "aws_cbor_encoder_new", "sqlite3_step"]
        {
            assert_eq!(site(None, &["xmalloc", own, "main"]), own);
        }
    }

    #[test]
    fn the_setting_adds_names_and_can_stand_alone() {
        let stack = ["my_alloc", "Arena::take(int)", "xmalloc", "load", "main"];
        assert_eq!(site(None, &stack), "my_alloc");
        assert_eq!(site(Some("my_*"), &stack), "Arena::take(int)");
        assert_eq!(site(Some("my_*, Arena::take"), &stack), "load");
        assert_eq!(site(Some("none,my_*,take"), &stack), "xmalloc");
        assert_eq!(site(Some("*"), &stack), "my_alloc", "the innermost of those that hand on");
    }

    #[test]
    fn libraries_that_serve_all_are_skipped_and_an_unnamed_frame_is_not() {
        let wrappers = Wrappers::default();
        assert_eq!(wrappers.part(Some("fopen"), "/lib/libc.so.6"), Part::Runtime);
        assert_eq!(wrappers.part(None, "/lib/libc.so.6"), Part::Runtime);
        assert_eq!(wrappers.part(None, "/opt/app"), Part::Own);
        let parts = [Part::Wrapper, Part::Interpreter, Part::Interpreter, Part::Own, Part::Interpreter];
        assert_eq!(place(parts.into_iter()), Some(3), "a Python function is more than what runs it");
        assert_eq!(place(parts.into_iter().take(3)), Some(1));
        assert_eq!(place([Part::Macro, Part::Runtime].into_iter()), Some(0));
        assert_eq!(place(std::iter::empty()), None);
    }
}
