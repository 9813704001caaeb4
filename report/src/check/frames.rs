//! Whose code a frame is: the project's, a library's that serves it, or what every program has.
//!
//! ```text
//!   my_parser              Own       what is left tells leaks apart
//!   std::vector<…>         Library   compiled into the program, or of the system, or an interpreter
//!   xmalloc                Wrapper   hands a request on: nobody's leak
//!   libc.so.6, below main  Runtime
//! ```

use crate::profile::{Frame, Module, Process};
use crate::site::{Part, Wrappers};
use crate::suppress::is_below_main;
use crate::views::base_name;

/// Whose code it is: the more telling first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Whose {
    /// The project's, as far as can be told.
    Own,
    /// A library of the system's or of a language, or an interpreter.
    Library,
    /// A function that allocates for its caller.
    Wrapper,
    /// What every process has below and around its own code.
    Runtime,
}

/// Directories that the system's packages fill.
const SYSTEM: [&str; 7] = ["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/usr/bin/", "/bin/"];
/// Beginnings of the names of files that every program has.
const RUNTIMES: [&str; 15] = [
    "libc.so",
    "libc-2.",
    "ld-linux",
    "libpthread",
    "libdl.so",
    "libdl-2.",
    "librt.so",
    "libm.so",
    "libstdc++",
    "libc++",
    "libgcc_s",
    "libasan",
    "liblsan",
    "libtsan",
    "libmemtrace",
];
/// Beginnings of the names of interpreters and their libraries.
const INTERPRETERS: [&str; 14] = [
    "python2",
    "python3",
    "libpython",
    "perl",
    "libperl",
    "ruby",
    "libruby",
    "node",
    "libnode",
    "lua",
    "libjvm",
    "php",
    "libphp",
    "tclsh",
];
/// Shells, whose names are too short for a beginning.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "busybox", "python"];
/// Programs that build and start others, wherever they are installed.
const TOOLS: [&str; 14] = [
    "cargo",
    "cargo-nextest",
    "ccache",
    "cmake",
    "ctest",
    "go",
    "gmake",
    "make",
    "meson",
    "ninja",
    "rustc",
    "rustdoc",
    "rustup",
    "sccache",
];
/// Parts of the paths of what a package manager for Python installs, in the system's directories, too.
const PACKAGES: [&str; 2] = ["/site-packages/", "/dist-packages/"];
/// Parts of the paths of toolchains and of interpreters' own modules.
const TOOLCHAINS: [&str; 3] = ["/.rustup/", "/.cargo/bin/", "/lib-dynload/"];
/// Beginnings of the paths of headers and sources that a project takes from elsewhere, and parts of such paths.
const HEADERS: [&str; 5] = ["/usr/include/", "/usr/local/include/", "/usr/lib/", "/usr/share/", "/rustc/"];
const SOURCES: [&str; 4] = ["/rustlib/src/", "/.cargo/registry/", "/.cargo/git/", "/.rustup/"];
/// Beginnings of the names of functions that are a language's own, wherever they were compiled into.
const LANGUAGES: [&str; 8] = ["std::", "core::", "alloc::", "hashbrown::", "test::", "__gnu_cxx::", "__cxx", "__cxa_"];
/// The same for Rust's allocator.
const RUST: [&str; 3] = ["__rust_", "__rdl_", "__rustc::"];
/// What calls the tests of a Rust program; its callers are the same for all.
const HARNESS: &str = "test::test_main";
/// Whether a function of this name hands requests for memory on.
pub fn is_wrapper(function: &str) -> bool {
    matches!(Wrappers::default().part(Some(function), ""), Part::Wrapper | Part::Macro)
}

/// Whose code a frame is; `module`: the path of its module.
pub fn whose(function: Option<&str>, module: Option<&str>) -> Whose {
    let file = base_name(module.unwrap_or_default());
    let begins = |list: &[&str]| list.iter().any(|start| file.starts_with(start));
    let Some(function) = function else {
        return match module {
            None => Whose::Runtime,
            Some(_) if begins(&RUNTIMES) => Whose::Runtime,
            Some(path) if is_system(path) || begins(&INTERPRETERS) || is_program(file) => Whose::Library,
            Some(_) => Whose::Own,
        };
    };
    if begins(&RUNTIMES) || is_below_main(function) || module.is_none() {
        Whose::Runtime
    } else if is_wrapper(function) {
        Whose::Wrapper
    } else if is_language(function) || begins(&INTERPRETERS) || is_program(file) || module.is_some_and(is_system) {
        Whose::Library
    } else {
        Whose::Own
    }
}

/// Whether a file is one of the system's, or of a toolchain.
pub fn is_system(path: &str) -> bool {
    let has = |parts: &[&str]| parts.iter().any(|part| path.contains(part));
    SYSTEM.iter().any(|directory| path.starts_with(directory)) && !has(&PACKAGES) || has(&TOOLCHAINS)
}

/// Whether a program of this name is a shell or a tool.
fn is_program(file: &str) -> bool {
    SHELLS.contains(&file) || TOOLS.contains(&file)
}

/// Whether a function is of a language's library. In Rust `<T as Trait>::f` is if both are: somebody's trait for `u8` is
/// theirs, and so is `Drop` of their type.
fn is_language(function: &str) -> bool {
    let Some(inner) = function.strip_prefix('<') else {
        return LANGUAGES.iter().chain(&RUST).any(|start| function.starts_with(start));
    };
    match inner.split_once(" as ") {
        Some((of, rest)) => is_language_type(of) && is_language(rest.trim_start_matches("dyn ")),
        None => is_language_type(inner),
    }
}

fn is_language_type(name: &str) -> bool {
    let mut name = name;
    loop {
        let rest =
            ["&", "*const ", "*mut ", "mut ", "dyn ", "<", "[", "("].iter().find_map(|start| name.strip_prefix(start));
        match rest {
            Some(rest) => name = rest,
            None => break,
        }
    }
    // A name without a path is a primitive, a parameter, or of C++, which has no such brackets.
    let is_bare = name.split(['<', '>', ' ', ',', ')', ']', ';', '(']).next().is_none_or(|word| !word.contains("::"));
    is_bare || LANGUAGES.iter().any(|start| name.starts_with(start))
}

/// Whether a module is the project's, as far as can be told.
pub fn is_own_module(module: &Module) -> bool {
    let is_named = module.path.starts_with('/')
        && module.flags.iter().all(|flag| flag == "executable" || flag.starts_with("allocator:"));
    is_named && whose(None, Some(&module.path)) == Whose::Own
}

/// Whether a program is the project's.
pub fn is_own_program(exe: &str) -> bool {
    exe.starts_with('/') && whose(None, Some(exe)) == Whose::Own
}

/// The frames of a stack, leaf first, each with whose it is. What is outside a harness of tests is the same for all of
/// them.
pub fn told_frames(process: &Process, stack: u32) -> impl Iterator<Item = (Whose, &Frame)> {
    told_frames_by(process, stack, |_, frame| whose_frame(process, frame)).map(|(whose, _, frame)| (whose, frame))
}

/// The same with the place of each frame, by somebody who knows whose a frame is.
pub fn told_frames_by<'p>(
    process: &'p Process,
    stack: u32,
    whose: impl Fn(usize, &'p Frame) -> Whose,
) -> impl Iterator<Item = (Whose, usize, &'p Frame)> {
    let mut is_outside = false;
    let places = process.stacks.get(stack as usize).into_iter().flatten();
    let frames = places.filter_map(|&place| Some((place as usize, process.frames.get(place as usize)?)));
    frames.map(move |(place, frame)| {
        is_outside |= frame.function.as_deref().is_some_and(|name| name.starts_with(HARNESS));
        (if is_outside { Whose::Runtime } else { whose(place, frame) }, place, frame)
    })
}

/// The same for a frame of a process. What a source site says of itself is the project's; what stands in a header of the
/// system's or a library's source is not, whatever it was compiled into.
pub fn whose_frame(process: &Process, frame: &Frame) -> Whose {
    match frame.kind.as_str() {
        "cut" | "tag" => Whose::Runtime,
        "source" => Whose::Own,
        // An extension's leak is one, whoever has called it; and the interpreter's own are nobody's.
        "python" => Whose::Runtime,
        _ => match whose(frame.function.as_deref(), module_of(process, frame)) {
            Whose::Own if frame.file.as_deref().is_some_and(is_taken) => Whose::Library,
            whose => whose,
        },
    }
}

fn is_taken(file: &str) -> bool {
    HEADERS.iter().any(|start| file.starts_with(start)) || SOURCES.iter().any(|part| file.contains(part))
}

/// The path of a frame's module.
pub fn module_of<'p>(process: &'p Process, frame: &Frame) -> Option<&'p str> {
    let module = process.modules.get(frame.module? as usize)?;
    (!module.flags.iter().any(|flag| flag == "vdso")).then_some(module.path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_code_is_told_from_what_serves_it() {
        for (function, module, expected) in [
            (Some("parse"), Some("/src/build/app"), Whose::Own),
            (Some("parse"), Some("/usr/local/bin/app"), Whose::Own),
            (None, Some("/src/build/app"), Whose::Own),
            (Some("xmalloc"), Some("/src/build/app"), Whose::Wrapper),
            (Some("operator new(unsigned long)"), Some("/src/build/app"), Whose::Wrapper),
            (Some("std::vector<int>::push_back(int&&)"), Some("/src/build/app"), Whose::Library),
            (Some("<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem"), Some("/b/app"), Whose::Library),
            (
                Some("<fn() -> core::result::Result<(), X> as core::ops::FnOnce<()>>::call_once"),
                Some("/b/a"),
                Whose::Library,
            ),
            (
                Some("<&dyn core::ops::function::Fn() as core::ops::FnOnce<()>>::call_once"),
                Some("/b/a"),
                Whose::Library,
            ),
            (Some("<hashbrown::raw::RawTableInner>::fallible_with_capacity"), Some("/b/app"), Whose::Library),
            (Some("<app::Pool as core::ops::drop::Drop>::drop"), Some("/b/app"), Whose::Own),
            (Some("<u8 as app::Read>::read"), Some("/b/app"), Whose::Own),
            (Some("<app::Pool>::grow"), Some("/b/app"), Whose::Own),
            (Some("cargo::main"), Some("/u/.rustup/toolchains/x/bin/cargo"), Whose::Library),
            (Some("main"), Some("/opt/cmake/bin/ctest"), Whose::Library),
            (Some("curl_easy_init"), Some("/usr/lib/x86_64-linux-gnu/libcurl.so.4"), Whose::Library),
            (Some("_PyEval_EvalFrameDefault"), Some("/opt/python/bin/python3.11"), Whose::Library),
            (Some("call"), Some("/opt/python/lib/python3.11/lib-dynload/_ctypes.so"), Whose::Library),
            (Some("run"), Some("/venv/lib/python3.11/site-packages/x.so"), Whose::Own),
            (Some("run"), Some("/usr/lib/python3/dist-packages/x.cpython-311.so"), Whose::Own),
            (Some("fopen"), Some("/lib/x86_64-linux-gnu/libc.so.6"), Whose::Runtime),
            (Some("_start"), Some("/src/build/app"), Whose::Runtime),
            (Some("generated"), None, Whose::Runtime),
            (None, None, Whose::Runtime),
        ] {
            assert_eq!(whose(function, module), expected, "{function:?} in {module:?}");
        }
    }

    #[test]
    fn what_stands_in_a_header_of_the_systems_is_not_the_projects() {
        for file in [
            "/usr/include/c++/12/bits/invoke.h",
            "/rustc/5980/library/core/src/ops.rs",
            "/u/.cargo/registry/src/x/a.rs",
        ] {
            assert!(is_taken(file), "{file}");
        }
        for file in ["/src/include/a.h", "src/a.rs", "/usr/src/app/a.c"] {
            assert!(!is_taken(file), "{file}");
        }
    }

    #[test]
    fn wrappers_are_known_by_name_and_nothing_else_is_one() {
        for name in ["xmalloc", "xstrdup", "g_malloc0_n", "x2nrealloc", "CRYPTO_zalloc", "aws_mem_acquire"] {
            assert!(is_wrapper(name), "{name}");
        }
        for name in ["allocate_session", "pool_alloc", "load", "mallinfo", "parse_alloc", ""] {
            assert!(!is_wrapper(name), "{name}");
        }
    }
}
