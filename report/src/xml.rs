//! A process's leaks as valgrind writes them: XML, protocol version 4, tool memcheck, for the front ends that read it.
//!
//! Invariant: what the target chose (paths, arguments, names) is escaped, and what XML cannot hold is replaced.

use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write};

use memtrace_wire::leaks::Kinds;

use crate::profile::leaks::{Check, Kind};
use crate::profile::{Frame, Process, Profile};
use crate::text;
use crate::views::Choice;
use crate::views::leaks::{LeakRow, kinds, last_word, rows};

/// Writes the leaks of the profile's last process; false: nothing was classified there.
pub fn write(profile: &Profile, show: Option<Kinds>, choice: &Choice, to: &mut dyn Write) -> io::Result<bool> {
    let Some((process, check)) = profile.processes.last().and_then(|process| Some((process, last_word(process)?)))
    else {
        return Ok(false);
    };
    head(profile, process, to)?;
    errors(process, check, kinds(process, show), choice, to)?;
    writeln!(to, "<errorcounts>\n</errorcounts>\n")?;
    let used = profile.suppressions.iter().filter(|suppression| suppression.blocks > 0);
    writeln!(to, "<suppcounts>")?;
    for suppression in used {
        let name = Escaped(&suppression.name);
        writeln!(to, "  <pair>\n    <count>{}</count>\n    <name>{name}</name>\n  </pair>", suppression.blocks)?;
    }
    writeln!(to, "</suppcounts>\n\n</valgrindoutput>")?;
    Ok(true)
}

fn head(profile: &Profile, process: &Process, to: &mut dyn Write) -> io::Result<()> {
    let (version, exe) = (Escaped(&profile.tool.version), Escaped(&process.exe));
    writeln!(to, "<?xml version=\"1.0\"?>\n\n<valgrindoutput>\n")?;
    writeln!(to, "<protocolversion>4</protocolversion>\n<protocoltool>memcheck</protocoltool>\n")?;
    writeln!(to, "<preamble>\n  <line>memtrace {version}, in the form of Memcheck</line>\n</preamble>\n")?;
    writeln!(to, "<pid>{}</pid>\n<ppid>{}</ppid>\n<tool>memcheck</tool>\n", process.pid, process.ppid)?;
    writeln!(to, "<args>\n  <vargv>\n    <exe>memtrace</exe>\n  </vargv>\n  <argv>\n    <exe>{exe}</exe>")?;
    for argument in process.arguments.iter().skip(1) {
        writeln!(to, "    <arg>{}</arg>", Escaped(argument))?;
    }
    writeln!(to, "  </argv>\n</args>\n")?;
    for state in ["RUNNING", "FINISHED"] {
        writeln!(to, "<status>\n  <state>{state}</state>\n  <time>00:00:00:00.000 </time>\n</status>\n")?;
    }
    Ok(())
}

fn errors(process: &Process, check: &Check, kinds: Kinds, choice: &Choice, to: &mut dyn Write) -> io::Result<()> {
    for (number, row) in rows(process, check, kinds, choice).rows.iter().enumerate() {
        let Some(kind) = kind(row) else { continue };
        writeln!(to, "<error>\n  <unique>{number:#x}</unique>\n  <tid>1</tid>\n  <kind>{kind}</kind>\n  <xwhat>")?;
        writeln!(to, "    <text>{}</text>", text::head(row))?;
        writeln!(to, "    <leakedbytes>{}</leakedbytes>", row.all_bytes())?;
        writeln!(to, "    <leakedblocks>{}</leakedblocks>\n  </xwhat>\n  <stack>", row.direct.blocks)?;
        let places = process.stacks.get(row.stack as usize).into_iter().flatten();
        let frames = places.filter_map(|&place| process.frames.get(place as usize));
        for frame in frames.filter(|frame| !matches!(frame.kind.as_str(), "cut" | "tag")) {
            write_frame(process, frame, to)?;
        }
        writeln!(to, "  </stack>\n</error>\n")?;
    }
    Ok(())
}

fn kind(row: &LeakRow) -> Option<&'static str> {
    Some(match row.kind {
        Kind::Definite => "Leak_DefinitelyLost",
        Kind::Possible => "Leak_PossiblyLost",
        Kind::Indirect => "Leak_IndirectlyLost",
        Kind::Reachable => "Leak_StillReachable",
        Kind::Suppressed => return None,
    })
}

fn write_frame(process: &Process, frame: &Frame, to: &mut dyn Write) -> io::Result<()> {
    let module = frame.module.and_then(|module| process.modules.get(module as usize));
    let address = frame.offset.wrapping_add(module.map_or(0, |module| module.bias));
    writeln!(to, "    <frame>\n      <ip>0x{address:X}</ip>")?;
    let mut element = |name: &str, text: &str| writeln!(to, "      <{name}>{}</{name}>", Escaped(text));
    if let Some(module) = module {
        element("obj", &module.path)?;
    }
    if let Some(function) = &frame.function {
        element("fn", function)?;
    }
    if let Some(file) = &frame.file {
        match file.rsplit_once('/') {
            Some((folder, name)) => {
                element("dir", folder)?;
                element("file", name)?;
            }
            None => element("file", file)?,
        }
        if let Some(line) = frame.line {
            element("line", &line.to_string())?;
        }
    }
    writeln!(to, "    </frame>")
}

/// Text between two tags, or between double quotes if it has neither tabs nor ends of lines.
pub struct Escaped<'t>(pub &'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // What XML 1.0 has no way to write, and what its readers may change.
                '\t' | '\n' => f.write_char(letter)?,
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                letter if letter.is_control() => f.write_char('\u{fffd}')?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::leaks::{Sum, Suppression};
    use crate::profile::sample::{leak, process};
    use roxmltree::{Document, Node};

    fn profile() -> Profile {
        let process = process(|maker| {
            let (plant, water) = (maker.stack(&["plant<int>(a&)", "main"]), maker.stack(&["\u{1}water]]>", "main"]));
            let leaks = vec![
                leak(plant, Kind::Definite, 1, 1600, Sum { blocks: 2, bytes: 32 }),
                leak(water, Kind::Possible, 2, 20, Sum::default()),
                leak(plant, Kind::Indirect, 2, 32, Sum::default()),
            ];
            let check = Check { cause: "end".into(), rung: "alone".into(), leaks, ..Check::default() };
            let process = maker.process();
            process.arguments = vec!["app".into(), "<a & b>\u{0}".into()];
            process.checks.push(check);
        });
        let suppression = |name: &str, blocks| Suppression { name: name.into(), blocks, bytes: 0 };
        Profile {
            processes: vec![process],
            suppressions: vec![suppression("a<b", 3), suppression("unused", 0)],
            ..Profile::without_processes()
        }
    }

    fn written(profile: &Profile, show: Option<Kinds>) -> String {
        let mut text = Vec::new();
        assert!(write(profile, show, &Choice::default(), &mut text).unwrap());
        String::from_utf8(text).unwrap()
    }

    fn text_of<'d>(node: &Node<'d, 'd>, path: &[&str]) -> Option<&'d str> {
        let child = |node: Node<'d, 'd>, name: &&str| node.children().find(|child| child.has_tag_name(*name));
        path.iter().try_fold(*node, child)?.text()
    }

    #[test]
    fn the_document_is_valgrinds() {
        let text = written(&profile(), None);
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "valgrindoutput");
        let names: Vec<&str> = root.children().filter(Node::is_element).map(|node| node.tag_name().name()).collect();
        let expected = "protocolversion protocoltool preamble pid ppid tool args status status error error errorcounts \
                        suppcounts";
        assert_eq!(names.join(" "), expected);
        assert_eq!(text_of(&root, &["protocolversion"]), Some("4"));
        assert_eq!(text_of(&root, &["pid"]), Some("1234"));
        assert_eq!(text_of(&root, &["args", "argv", "arg"]), Some("<a & b>\u{fffd}"));
        assert_eq!(text_of(&root, &["suppcounts", "pair", "name"]), Some("a<b"));
        let states = root.children().filter(|node| node.has_tag_name("status"));
        assert_eq!(states.filter_map(|node| text_of(&node, &["state"])).collect::<Vec<_>>(), ["RUNNING", "FINISHED"]);
    }

    #[test]
    fn each_row_is_an_error_with_its_stack() {
        let text = written(&profile(), Some(Kinds::ALL));
        let document = Document::parse(&text).unwrap();
        let errors: Vec<_> = document.descendants().filter(|node| node.has_tag_name("error")).collect();
        let kinds: Vec<_> = errors.iter().filter_map(|error| text_of(error, &["kind"])).collect();
        assert_eq!(kinds, ["Leak_DefinitelyLost", "Leak_PossiblyLost", "Leak_IndirectlyLost"]);
        let error = &errors[0];
        let what = "1,632 (1,600 direct, 32 indirect) bytes in 1 blocks are definitely lost";
        assert_eq!(text_of(error, &["xwhat", "text"]), Some(what));
        assert_eq!(text_of(error, &["xwhat", "leakedbytes"]), Some("1632"));
        assert_eq!(text_of(error, &["xwhat", "leakedblocks"]), Some("1"));
        let frames: Vec<_> = error.descendants().filter(|node| node.has_tag_name("frame")).collect();
        let of_frame = |place: usize, name: &str| text_of(&frames[place], &[name]);
        assert_eq!((of_frame(0, "ip"), of_frame(0, "fn")), (Some("0x1249"), Some("plant<int>(a&)")));
        assert_eq!((of_frame(0, "obj"), of_frame(0, "dir")), (Some("/lib/libgarden.so"), Some("/src")));
        assert_eq!((of_frame(0, "file"), of_frame(0, "line")), (Some("plant<int>(a&).c"), Some("7")));
        assert_eq!((of_frame(1, "fn"), of_frame(1, "file")), (Some("main"), None));
        assert_eq!(text_of(&errors[1], &["stack", "frame", "fn"]), Some("\u{fffd}water]]>"));
    }

    #[test]
    fn a_process_that_was_not_classified_is_not_written() {
        let mut profile = profile();
        profile.processes[0].checks.clear();
        assert!(!write(&profile, None, &Choice::default(), &mut io::sink()).unwrap());
    }
}
