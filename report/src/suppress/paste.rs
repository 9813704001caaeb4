//! Rules to paste into a suppression file: each matches the stack that it was made from.
//!
//! Names come from the target and its files. What could end a line, be taken for an anchor or turn the direction of
//! writing becomes `*`.

use super::allocator;
use super::name;
use super::pattern::Style;
use super::{Frame, Kind};
use crate::site::{Part, Wrappers};

/// Older versions of valgrind refuse blocks with more frames.
const FRAMES_MAX: usize = 24;
/// Characters of a name. What follows in longer ones is `*`.
const CHARS_MAX: usize = 300;

/// How much of a program a rule for one function hides: the least first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Breadth {
    /// What this function of the program's own allocates.
    Own,
    /// What it allocates for others, or a language's library in it.
    ForOthers,
    /// What everybody has from a function of a system's library.
    Runtime,
    /// All that the program allocates.
    Everything,
    /// All that any program allocates by the macros of memtrace.h.
    Macros,
}

/// One line for LeakSanitizer, about the function that tells most: the innermost of those that hide least. `None` where
/// no frame has a name, or a module.
pub fn paste_ready_leak_sanitizer(frames: &[Frame], wrappers: &Wrappers) -> Option<String> {
    let named = frames.iter().filter_map(|frame| {
        let function = frame.function.or(frame.linkage)?;
        Some((breadth(function, wrappers.part(Some(function), frame.module)), template(function)?))
    });
    let module = || frames.iter().find_map(|frame| template(frame.module));
    // The first of equals.
    let telling = named.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, pattern)| pattern);
    telling.or_else(module).map(|pattern| format!("leak:{pattern}"))
}

fn breadth(function: &str, part: Part) -> Breadth {
    match part {
        Part::Macro => Breadth::Macros,
        _ if function == "main" || name::is_below_main(function) || allocator::is_allocator(function) => {
            Breadth::Everything
        }
        Part::Runtime => Breadth::Runtime,
        Part::Interpreter | Part::Language | Part::Wrapper => Breadth::ForOthers,
        Part::Own => Breadth::Own,
    }
}

/// A block for valgrind: the function that allocated, then its callers, in leaks of this kind.
pub fn paste_ready_valgrind(name: &str, kind: Kind, op: &str, frames: &[Frame]) -> String {
    let kind = match kind {
        Kind::Definite => "definite",
        Kind::Indirect => "indirect",
        Kind::Possible => "possible",
        Kind::Reachable => "reachable",
    };
    let own = allocator::lines(op);
    let mut block = format!("{{\n   {}\n   Memcheck:Leak\n   match-leak-kinds: {kind}\n", title(name));
    for line in own {
        block.push_str(&format!("   {line}\n"));
    }
    // valgrind's stacks end with main.
    let main = frames.iter().position(|frame| frame.function == Some("main")).map_or(frames.len(), |at| at + 1);
    let native = frames.iter().take(main).filter(|frame| !frame.python);
    for frame in native.take(FRAMES_MAX - own.len()) {
        block.push_str(&format!("   {}\n", location(frame)));
    }
    block.push_str("}\n");
    block
}

/// A template that matches this name and no longer one. Its parts are separated by letters that stand in none of them,
/// so each is found first where it stands.
fn template(name: &str) -> Option<String> {
    let (text, is_whole) = harmless(name, |letter| letter == '$')?;
    // LeakSanitizer shows the type that a function template returns, in front of its name.
    let start = if name::has_arguments(name) && !text.starts_with('^') { "" } else { "^" };
    Some(format!("{start}{text}{}", if is_whole { "$" } else { "" }))
}

fn location(frame: &Frame<'_>) -> String {
    let function = match (frame.linkage, frame.function) {
        (_, Some(function)) if frame.inlined => inlined(function),
        (Some(symbol), _) => glob(&name::glob(symbol)),
        (None, Some(function)) => symbol_of(function),
        (None, None) => None,
    };
    match function {
        Some(pattern) => format!("fun:{pattern}"),
        None => format!("obj:{}", glob(frame.module).unwrap_or_else(|| "*".to_owned())),
    }
}

/// Debug information has template arguments behind the bare name of a function template.
fn inlined(function: &str) -> Option<String> {
    let bare = name::plain(name::bare(function));
    glob(&format!("{bare}{}", if name::has_arguments(function) { "*" } else { "" }))
}

/// A glob for a function whose symbol is not known: it matches the demangled name, and most often the symbol, which has
/// the same parts in the same order.
fn symbol_of(function: &str) -> Option<String> {
    let is_word =
        |text: &&str| !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let components = name::components(function);
    if let [one] = components.as_slice()
        && *one == function
    {
        return glob(&name::glob(function));
    }
    let parts = components.iter().map(|part| name::without_arguments(part));
    // `std` is an abbreviation in symbols.
    let mut parts: Vec<&str> = parts.filter(is_word).filter(|part| *part != "std").collect();
    // A constructor's symbol has the class's name once.
    parts.dedup();
    glob(&format!("*{}*", parts.join("*"))).filter(|glob| Style::Glob.matches(glob, function))
}

fn glob(name: &str) -> Option<String> {
    let (text, is_whole) = harmless(name, |_| false)?;
    let trimmed = text.trim_matches(' ');
    // Space at the end of a line is no part of it.
    Some(match is_whole && trimmed.len() == text.len() {
        true => text,
        false => format!("*{trimmed}*"),
    })
}

/// The name of a block, as one line that is none of the syntax.
fn title(name: &str) -> String {
    let title = harmless(name.trim_start_matches(|letter| !char::is_alphanumeric(letter)), |_| false);
    title.map_or_else(|| "leak".to_owned(), |(title, _)| title)
}

/// `text` with `*` for all that is hostile, and whether it is there to its end. `None` if no letter is left.
fn harmless(text: &str, is_hostile: impl Fn(char) -> bool) -> Option<(String, bool)> {
    let mut harmless = String::new();
    let mut letters = text.chars();
    for letter in letters.by_ref().take(CHARS_MAX) {
        let is_kept = letter.is_alphanumeric() || letter.is_ascii_graphic() || letter == ' ';
        match is_kept && !is_hostile(letter) && letter != '*' {
            true => harmless.push(letter),
            false if harmless.ends_with('*') => {}
            false => harmless.push('*'),
        }
    }
    harmless.contains(char::is_alphanumeric).then_some((harmless, letters.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::super::{Rules, paste_ready_leak_sanitizer, paste_ready_valgrind};
    use super::*;

    fn is_hidden(rules: &str, kind: Kind, op: &str, frames: &[Frame]) -> bool {
        let rules = Rules::from_text("pasted", rules.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{rules}"));
        rules.matcher().first_match(kind, op, frames) == Some(0)
    }

    fn named<'a>(function: &'a str, module: &'a str) -> Frame<'a> {
        Frame { function: Some(function), module, ..Frame::default() }
    }

    #[test]
    fn a_line_for_leak_sanitizer_names_the_innermost_function_of_the_programs_own() {
        let program = "/opt/x/program";
        let pasted = |frames: &[Frame]| paste_ready_leak_sanitizer(frames, &Wrappers::default());
        let frames = [
            named("strdup", "/lib/libc.so.6"),
            named("xmalloc", program),
            named("std::vector<int>::push_back(int const&)", program),
            named("ns::fill(int*)", program),
            named("main", program),
        ];
        assert_eq!(pasted(&frames).as_deref(), Some("leak:^ns::fill(int*)$"));
        let loader = [named("calloc", "/lib/ld-linux.so"), named("allocate_dtv", "/lib/ld-linux.so")];
        assert_eq!(pasted(&loader).as_deref(), Some("leak:^allocate_dtv$"));
        let template = named("ns::fill<int>(int*)", program);
        assert_eq!(pasted(&[template]).as_deref(), Some("leak:ns::fill<int>(int*)$"));
        assert_eq!(pasted(&[frames[0], frames[1], frames[4]]).as_deref(), Some("leak:^xmalloc$"));
        assert_eq!(pasted(&[frames[0], frames[4]]).as_deref(), Some("leak:^strdup$"));
        assert_eq!(pasted(&frames[4..]).as_deref(), Some("leak:^main$"));
        let by_macro = [named("memtrace_block_", program), named("memtrace_malloc_at_", program), frames[4]];
        assert_eq!(pasted(&by_macro).as_deref(), Some("leak:^main$"));
        assert_eq!(pasted(&frames[..1]).as_deref(), Some("leak:^strdup$"));
        let unnamed = [Frame::default(), Frame { module: "/opt/lib$x.so", ..Frame::default() }];
        assert_eq!(pasted(&unnamed).as_deref(), Some("leak:^/opt/lib*x.so$"));
        assert_eq!(pasted(&unnamed[..1]), None);
    }

    #[test]
    fn a_block_for_valgrind_has_the_allocators_frame_and_symbols() {
        let frames = [
            Frame { linkage: Some("_ZN2ns4fillEPi.cold"), ..named("ns::fill(int*)", "/opt/x") },
            Frame { inlined: true, ..named("ns::Box<int>::grow(int)", "/opt/x") },
            named("ns::Box<int>::Box(int)", "/opt/x"),
            Frame { module: "/opt/lib/libx.so", ..Frame::default() },
            Frame::default(),
            named("main", "/opt/x"),
            named("__libc_start_main", "/lib/libc.so.6"),
        ];
        let expected = "{\n   ns::fill(int*)\n   Memcheck:Leak\n   match-leak-kinds: possible\n   fun:_Znwm*\n   \
                        fun:_ZN2ns4fillEPi*\n   fun:grow\n   fun:*ns*Box*\n   obj:/opt/lib/libx.so\n   obj:*\n   \
                        fun:main\n}\n";
        assert_eq!(paste_ready_valgrind("ns::fill(int*)", Kind::Possible, "operator new", &frames), expected);
        let deep = vec![named("again", "/opt/x"); 100];
        let inner = Frame { inlined: true, ..named("ns::make<int>(int)", "/opt/x") };
        let block = paste_ready_valgrind("make", Kind::Definite, "realloc", &[inner, named("__GI___strdup", "/lib/c")]);
        assert!(block.contains("   fun:*alloc\n   ...\n   fun:make*\n   fun:*strdup\n}"), "{block}");
        assert_eq!(paste_ready_valgrind("}\n", Kind::Definite, "malloc", &deep).lines().count(), FRAMES_MAX + 5);
    }

    #[test]
    fn what_is_pasted_matches_the_stack_that_it_was_made_from() {
        const PARTS: [&str; 47] = [
            "foo", "Bar", "main", "std", "malloc", "operator", "_Z3foov", "a", "aa", "é", "::", "::", "<", ">", "(",
            ")", "[", "]", "{", "}", "*", "?", "^", "$", "@", "@@", "#", " ", "  ", "\n", "\r", "\t", "\u{fffd}",
            "\u{202e}", "\0", "->", "~", ",", ".cold", ".isra.0", " [clone ", "...", ":", "/", "__", "__GI_", "clone3",
        ];
        const OPS: [&str; 12] = [
            "malloc",
            "calloc",
            "realloc",
            "reallocarray",
            "memalign",
            "posix_memalign",
            "aligned_alloc",
            "valloc",
            "pvalloc",
            "operator new",
            "operator new[]",
            "unknown",
        ];
        const KINDS: [Kind; 4] = [Kind::Definite, Kind::Indirect, Kind::Possible, Kind::Reachable];
        for seed in 0..1_000_u64 {
            let mut state = seed;
            let mut random = move |below: usize| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as usize % below
            };
            let mut texts: Vec<String> = Vec::new();
            for _ in 0..5 * 4 {
                let times = if random(50) == 0 { 200 } else { 1 };
                let length = random(9);
                texts.push((0..length).map(|_| PARTS[random(PARTS.len())]).collect::<String>().repeat(times));
            }
            let frames: Vec<Frame> = texts
                .chunks_exact(4)
                .map(|texts| Frame {
                    function: (random(4) > 0).then_some(&texts[0]),
                    linkage: (random(2) > 0).then_some(&texts[1]),
                    module: &texts[2],
                    file: (random(2) > 0).then_some(&texts[3]),
                    line: None,
                    inlined: random(3) == 0,
                    python: false,
                })
                .collect();
            let frames = &frames[..random(6)];
            let (kind, op) = (KINDS[random(4)], OPS[random(OPS.len())]);
            let block = paste_ready_valgrind(&texts[3], kind, op, frames);
            assert!(is_hidden(&block, kind, op, frames), "seed {seed}: {frames:?}\n{block}");
            assert!(KINDS.iter().all(|&other| other == kind || !is_hidden(&block, other, op, frames)));
            if let Some(line) = paste_ready_leak_sanitizer(frames, &Wrappers::default()) {
                assert!(is_hidden(&line, kind, op, frames), "seed {seed}: {frames:?}\n{line}");
            }
        }
    }
}
