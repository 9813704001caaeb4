//! Rules in the style of well-known suppression files, against stacks as the profile has them.

use super::*;

/// `fun [symbol] [@module] [file:line] [inlined]`, innermost first, one to a line.
fn stack(text: &'static str) -> Vec<Frame<'static>> {
    let frame = |line: &'static str| {
        let mut frame = Frame { module: "/usr/bin/program", ..Frame::default() };
        for word in line.split(" ~ ").map(str::trim) {
            match word.split_at(1) {
                ("@", module) => frame.module = module,
                ("=", symbol) => frame.linkage = Some(symbol),
                ("<", place) => {
                    let (file, line) = place.rsplit_once(':').unwrap();
                    (frame.file, frame.line) = (Some(file), line.parse().ok());
                }
                ("%", _) => frame.inlined = true,
                _ => frame.function = Some(word),
            }
        }
        frame
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(frame).collect()
}

/// The name of the first rule of `text` that matches.
fn first(text: &str, kind: Kind, op: &str, frames: &[Frame]) -> Option<String> {
    let rules = Rules::from_text("text", text.as_bytes()).unwrap();
    let number = rules.matcher().first_match(kind, op, frames)?;
    rules.names().nth(number).map(|rule| rule.name.to_owned())
}

/// Whether a block with these lines matches.
fn block(lines: &str, op: &str, frames: &[Frame]) -> bool {
    let text = format!("{{\nname\nMemcheck:Leak\n{}\n}}\n", lines.replace(" / ", "\n"));
    first(&text, Kind::Definite, op, frames).is_some()
}

fn message(text: &[u8]) -> String {
    let error = Rules::from_text("x.supp", text).err().expect("an error");
    assert_eq!(error.code(), 2);
    error.to_string()
}

#[test]
fn a_template_is_looked_for_in_module_function_and_file_of_every_frame() {
    let frames = stack(
        "g_malloc ~ @/usr/lib/libglib-2.0.so.0
         FcConfigParse ~ @/usr/lib/libfontconfig.so.1 ~ <../src/fcxml.c:12
         main ~ <main.c:3",
    );
    let hides = |pattern: &str| first(&format!("leak:{pattern}\n"), Kind::Definite, "malloc", &frames).is_some();
    assert!(hides("libfontconfig.so") && hides("^FcConfig*Parse$") && hides("fcxml.c") && hides("^main$"));
    assert!(!hides("^fontconfig") && !hides("libfontconfig.so$") && !hides("FcPattern") && !hides("^ain.c$"));
    // The function that allocated is a frame in LeakSanitizer's stacks, and a module without a name has this one.
    assert!(hides("^malloc$") && !hides("calloc"));
    assert!(first("leak:<unknown module>", Kind::Definite, "malloc", &[Frame::default()]).is_some());
    assert!(first("leak:^operator new(", Kind::Definite, "operator new", &[]).is_some());
}

#[test]
fn a_file_of_leak_sanitizers_style_is_read_as_it_is() {
    let text = "\u{feff}# GTK and what stands below it\r\n\r\n  leak:libgtk-3.so  \r\n\tleak:^g_type_register*\r\n\
                leak:QQml*::create(QObject*)\r\n#leak:never\r\nleak:*pango_*$";
    let rules = Rules::from_text("gtk.supp", text.as_bytes()).unwrap();
    let names: Vec<_> = rules.names().map(|rule| (rule.name, rule.source, rule.line)).collect();
    let expected = [
        ("leak:libgtk-3.so", "gtk.supp", 3),
        ("leak:^g_type_register*", "gtk.supp", 4),
        ("leak:QQml*::create(QObject*)", "gtk.supp", 5),
        ("leak:*pango_*$", "gtk.supp", 7),
    ];
    assert_eq!(names, expected);
    let mut matcher = rules.matcher();
    let mut first = |frames: &str| {
        let frames = [Frame { function: Some(frames), ..Frame::default() }];
        matcher.first_match(Kind::Reachable, "malloc", &frames)
    };
    assert_eq!(first("g_type_register_static"), Some(1));
    assert_eq!(first("QQmlComponent::create(QObject*)"), Some(2));
    assert_eq!(first("pango_font_map_load"), Some(3));
    assert_eq!(first("never"), None);
}

#[test]
fn a_bad_line_is_named_with_what_was_expected() {
    assert_eq!(
        message(b"leak:a\nrace:b\n"),
        "cannot read suppressions `x.supp`: line 2: found `race:b`, expected `leak:PATTERN`"
    );
    for (text, expected) in [
        ("#\nrace:x", "line 2: found `race:x`, expected `leak:PATTERN`, or `{` for a file of valgrind's"),
        ("leak:", "line 1: found `leak:`, expected a pattern after `leak:`"),
        ("leak:a\n{", "line 2: found `{`, expected `leak:PATTERN`, as above: one file has one syntax"),
        ("{x", "line 1: found `{x`, expected `{` on a line of its own"),
        ("{\n}", "line 2: found `}`, expected a name for the rule"),
        ("{\nn\n\n# no more", "line 2: found the end of the file, expected `Memcheck:Leak`"),
        ("{\nn\nLeak\n", "line 3: found `Leak`, expected `TOOL:KIND`, such as `Memcheck:Leak`"),
        ("{\nn\nMemcheck:leak", "line 3: found `Memcheck:leak`, expected `Memcheck:Leak`, or another"),
        ("{\nn\nMemcheck:Leak\nfun:a\n{", "line 5: found `{`, expected `fun:NAME`, `obj:PATH`, `src:FILE[:LINE]`"),
        ("{\nn\nMemcheck:Leak\nfun:a\n", "line 4: found the end of the file, expected `}` at the end of the block"),
        ("{\nn\nMemcheck:Leak\n...\n}", "line 5: found `}`, expected a frame other than `...` before it"),
        ("{\nn\nMemcheck:Leak\nfunc:a\n}", "line 4: found `func:a`, expected `fun:NAME`"),
        ("{\nn\nMemcheck:Leak\nsrc:a.c:b\n}", "line 4: found `src:a.c:b`, expected `fun:NAME`"),
        (
            "{\nn\nMemcheck:Leak\nmatch-leak-kinds: lost\n}",
            "line 4: found `match-leak-kinds: lost`, expected `definite`",
        ),
        (
            "{\nn\nMemcheck:Leak\nfun:a\nmatch-leak-kinds: all\n}",
            "line 5: found `match-leak-kinds: all`, expected `fun",
        ),
        ("{\nn\nHelgrind:Race\nfun:a\n{\n", "line 5: found `{`, expected `}` at the end of the block"),
        ("{\nn\nMemcheck:Leak\nfun:a\n}\nleak:b", "line 6: found `leak:b`, expected `{`, as above: one file has one"),
    ] {
        let message = message(text.as_bytes());
        assert!(message.contains(expected), "{text:?}: {message}");
    }
    // What is shown of a line is short and harmless.
    let long = [b"\x1b[2J\xff".repeat(100), b"x".repeat(1 << 20)].concat();
    let message = message(&long);
    assert!(message.contains("line 1: found `\\u{1b}[2J\u{fffd}") && message.len() < 2000, "{message}");
}

#[test]
fn a_file_without_rules_hides_nothing() {
    for text in ["", "\n\r\n # only words", "\u{feff}"] {
        assert_eq!(first(text, Kind::Definite, "malloc", &stack("main")), None);
    }
}

#[test]
fn a_file_of_valgrinds_style_is_read_as_it_is() {
    let text = "\
# all tool names: Addrcheck,Memcheck,cachegrind,helgrind,massif
{
   ADDRESS_IN_RANGE/Invalid read of size 4
   Memcheck:Addr4
   fun:address_in_range
}
{
   Suppress leaking the GIL.  Happens once per process, see comment in ceval.c.
   Memcheck:Leak
   fun:malloc
   fun:PyThread_allocate_lock
   fun:PyEval_InitThreads
}
{
   a race
   Helgrind:Race
   fun:anything at all
   not even a frame
}
{
   writev
   Memcheck:Param
   writev(vector[...])
   ...
   fun:writev
}

# glib
{
\tg_type-quarks
\tMemcheck,Addrcheck:Leak
\tmatch-leak-kinds: possible, reachable
\t# comments may stand anywhere
\tfun:*alloc
\t...
\tfun:g_type_register_static
}
";
    let rules = Rules::from_text("python.supp", text.replace('\n', "\r\n").as_bytes()).unwrap();
    let lines: Vec<_> = rules.names().map(|rule| rule.line).collect();
    assert_eq!(lines, [8, 30]);
    let mut matcher = rules.matcher();
    let python = stack("PyThread_allocate_lock\nPyEval_InitThreads\nPy_Initialize\nmain");
    assert_eq!(matcher.first_match(Kind::Definite, "malloc", &python), Some(0));
    assert_eq!(matcher.first_match(Kind::Reachable, "malloc", &python), Some(0));
    assert_eq!(matcher.first_match(Kind::Definite, "calloc", &python), None);
    assert_eq!(matcher.first_match(Kind::Definite, "malloc", &python[1..]), None);
    let glib = stack("g_malloc0\ng_quark_init\ng_type_register_static\nmain");
    assert_eq!(matcher.first_match(Kind::Possible, "calloc", &glib), Some(1));
    assert_eq!(matcher.first_match(Kind::Reachable, "calloc", &glib), Some(1));
    assert_eq!(matcher.first_match(Kind::Definite, "calloc", &glib), None);
    assert_eq!(matcher.first_match(Kind::Possible, "operator new", &glib), None);
}

#[test]
fn a_block_begins_at_the_function_that_allocated_and_may_end_early() {
    let frames = stack("inner\nmiddle\nmain");
    assert!(block("fun:malloc", "malloc", &frames) && block("fun:malloc / fun:inner", "malloc", &frames));
    assert!(block("fun:malloc / fun:inner / fun:middle / fun:main", "malloc", &frames));
    assert!(!block("fun:malloc / fun:inner / fun:middle / fun:main / fun:_start", "malloc", &frames));
    assert!(!block("fun:inner", "malloc", &frames) && !block("fun:malloc / fun:middle", "malloc", &frames));
    assert!(block("... / fun:inner", "malloc", &frames) && block("fun:* / fun:inner", "malloc", &frames));
    assert!(block("obj:*/vgpreload_memcheck-*-linux.so / fun:inner", "malloc", &frames));
    assert!(block("src:vg_replace_malloc.c / fun:inner", "malloc", &frames));
}

#[test]
fn three_dots_are_any_frames_or_none() {
    let frames = stack("a\nb\na\nc\nmain");
    for lines in [
        "fun:malloc / ... / fun:a",
        "fun:malloc / ... / fun:c",
        "... / fun:main / ...",
        "... / ... / fun:malloc / ... / ... / fun:a / fun:c",
        "... / fun:a / ... / fun:a / ... / fun:main",
        "fun:malloc / fun:a / ... / fun:b / ...",
    ] {
        assert!(block(lines, "malloc", &frames), "{lines}");
    }
    for lines in ["... / fun:c / ... / fun:b", "fun:malloc / ... / fun:a / fun:main", "... / fun:main / fun:*"] {
        assert!(!block(lines, "malloc", &frames), "{lines}");
    }
}

#[test]
fn functions_match_by_symbol_or_demangled_name() {
    let frames = stack("ns::Box<int>::Box(int) ~ =_ZN2ns3BoxIiEC1Ei\nmain");
    for lines in [
        "fun:_Znam / fun:_ZN2ns3BoxIiEC1Ei / fun:main",
        "fun:_Zna* / fun:_ZN2ns3Box*",
        "fun:operator new[](unsigned long) / fun:ns::Box<int>::Box(int)",
        "fun:_ZnamRKSt9nothrow_t / fun:*Box?int?*",
        "fun:_Znam / fun:_ZN2ns3BoxIiEC1Ei@@VERSION",
    ] {
        assert!(block(lines, "operator new[]", &frames), "{lines}");
    }
    for lines in ["fun:_Znwm / fun:_ZN2ns3BoxIiEC1Ei", "fun:_Znam / fun:Box", "fun:_Znam / fun:ns::Box*::box*"] {
        assert!(!block(lines, "operator new[]", &frames), "{lines}");
    }
}

#[test]
fn the_compilers_suffixes_and_versions_do_not_matter() {
    assert!(block("fun:malloc / fun:grow.isra.0", "malloc", &stack("grow")));
    assert!(block("fun:malloc / fun:grow", "malloc", &stack("grow ~ =grow.part.1")));
    assert!(block(
        "fun:calloc / fun:_dl_allocate_tls / fun:pthread_create@@GLIBC_2.2.5",
        "calloc",
        &stack("_dl_allocate_tls\npthread_create")
    ));
    assert!(!block("fun:malloc / fun:*.isra.0", "malloc", &stack("grow")));
}

#[test]
fn inlined_functions_match_by_their_bare_names() {
    let frames = stack(
        "std::pair<int, long>* ns::tmpl<std::pair<int, long> >(std::pair<int, long>) ~ %
         std::vector<int, std::allocator<int> >::push_back(int&&) ~ %
         operator+<char>(char const*, std::string const&) ~ %
         map() ~ =_Z3mapv",
    );
    let lines = "fun:_Znwm / fun:tmpl<std::pair<int, long int> > / fun:push_back / fun:operator+<char, std::char_traits<char> >";
    assert!(block(&format!("{lines} / fun:_Z3mapv"), "operator new", &frames));
    // The name of a function that has code of its own is its symbol.
    assert!(!block(&format!("{lines} / fun:map"), "operator new", &frames));
}

#[test]
fn modules_and_files_match_by_path() {
    let frames = stack("x ~ @/opt/a@2/lib/libx.so.1 ~ <../src/sub/x.c:321\nmain ~ @");
    for lines in [
        "fun:malloc / obj:/opt/a@2/lib/libx.so.1",
        "fun:malloc / obj:*/libx.so*",
        "fun:malloc / src:x.c",
        "fun:malloc / src:x.c:321",
        "fun:malloc / src:?.c:0",
        "fun:malloc / src:*/sub/x.c:321",
        "fun:malloc / obj:* / obj:???",
    ] {
        assert!(block(lines, "malloc", &frames), "{lines}");
    }
    for lines in ["obj:libx.so.1", "obj:*/libx.so", "src:x.c:322", "src:x", "fun:* / src:main.c"] {
        assert!(!block(&format!("fun:malloc / {lines}"), "malloc", &frames), "{lines}");
    }
    // A frame without a name is `???`, and `*` takes it too.
    let unnamed = [Frame { module: "/lib/x.so", ..Frame::default() }];
    assert!(block("fun:malloc / fun:???", "malloc", &unnamed) && block("fun:malloc / fun:*", "malloc", &unnamed));
    assert!(!block("fun:malloc / src:*", "malloc", &unnamed));
}

#[test]
fn a_realloc_of_nothing_may_be_a_malloc_and_an_aligned_block_a_memalign() {
    let frames = stack("grow\nmain");
    for (op, tops) in [
        ("realloc", &["fun:realloc", "fun:malloc", "fun:malloc / fun:realloc"][..]),
        ("reallocarray", &["fun:malloc", "fun:realloc / fun:reallocarray"]),
        ("posix_memalign", &["fun:memalign / fun:posix_memalign", "fun:posix_memalign"]),
        ("aligned_alloc", &["fun:memalign", "fun:aligned_alloc"]),
        ("operator new", &["fun:_ZnwmSt11align_val_t", "fun:_Znw*"]),
    ] {
        for top in tops {
            assert!(block(&format!("{top} / fun:grow"), op, &frames), "{op}: {top}");
            assert!(!block(&format!("{top} / fun:main"), op, &frames), "{op}: {top}");
        }
    }
    assert!(!block("fun:realloc / fun:grow", "malloc", &frames));
}

#[test]
fn no_kinds_are_all_kinds_and_none_is_none() {
    let kinds = [Kind::Definite, Kind::Indirect, Kind::Possible, Kind::Reachable];
    let matched = |words: &str| {
        let text = format!("{{\nn\nMemcheck:Leak\n{words}\nfun:malloc\n}}");
        kinds.map(|kind| first(&text, kind, "malloc", &[]).is_some())
    };
    assert_eq!(matched(""), [true; 4]);
    assert_eq!(matched("match-leak-kinds:all"), [true; 4]);
    assert_eq!(matched("match-leak-kinds: none"), [false; 4]);
    assert_eq!(matched("match-leak-kinds: definite,possible"), [true, false, true, false]);
    assert_eq!(matched("match-leak-kinds: reachable,indirect"), [false, true, false, true]);
}

#[test]
fn the_first_rule_of_all_sources_is_the_one_that_counts() {
    let mut rules = Rules::default();
    rules.add_text("a.supp", b"leak:other\nleak:inner").unwrap();
    rules.add_text("b.supp", b"{\nwhole\nMemcheck:Leak\nfun:malloc\nfun:inner\n}\n").unwrap();
    rules.add_text("built in", b"leak:inner\nleak:main").unwrap();
    let first = |op, text| rules.matcher().first_match(Kind::Definite, op, &stack(text));
    assert_eq!(first("malloc", "inner\nmain"), Some(1));
    assert_eq!(first("malloc", "main"), Some(4));
    let mut turned = Rules::from_text("b.supp", b"{\nwhole\nMemcheck:Leak\nfun:malloc\nfun:inner\n}\n").unwrap();
    turned.add_text("a.supp", b"leak:inner").unwrap();
    assert_eq!(turned.matcher().first_match(Kind::Definite, "malloc", &stack("inner")), Some(0));
    assert_eq!(turned.matcher().first_match(Kind::Definite, "calloc", &stack("inner")), Some(1));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let read = |path: &Path| Rules::read(&[path.to_path_buf()]).err().map(|error| (error.code(), error.to_string()));
    assert_eq!(
        read(Path::new("no-such.supp")).unwrap(),
        (2, "cannot read `no-such.supp`: no such file or directory".into())
    );
    assert_eq!(read(Path::new(".")).unwrap(), (2, "cannot read `.`: is a directory".into()));
    let (code, message) = read(Path::new("/dev/zero")).unwrap();
    assert!(code == 2 && message.ends_with("found more than 16777216 bytes, expected no more"), "{message}");
}

#[test]
fn a_hundred_thousand_rules_are_not_tried_one_by_one() {
    let mut text = String::new();
    let mut templates = String::new();
    for number in 0..50_000 {
        text.push_str(&format!(
            "{{\nn\nMemcheck:Leak\nfun:*alloc\n...\nfun:a_{number}_*\n...\nobj:*/lib{number}.so\n}}\n"
        ));
        templates.push_str(&format!("leak:*_{number}_b*c$\n"));
    }
    let mut rules = Rules::from_text("a", text.as_bytes()).unwrap();
    rules.add_text("b", templates.as_bytes()).unwrap();
    let mut matcher = rules.matcher();
    for number in (0..100_000).step_by(100) {
        let names: Vec<_> = (0..20).map(|depth| format!("a_{}_{depth}", number + depth)).collect();
        let module = format!("/usr/lib/lib{}.so", number + 3);
        let frames: Vec<_> =
            names.iter().map(|name| Frame { function: Some(name), module: &module, ..Frame::default() }).collect();
        let expected = (number + 3 < 50_000).then_some(number + 3);
        assert_eq!(matcher.first_match(Kind::Definite, "malloc", &frames), expected, "{number}");
    }
}
