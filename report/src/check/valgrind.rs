//! The leaks of a check as valgrind writes those of one process: an error for each place, summed over all processes.
//!
//! Readers of such files know neither baselines nor policies: what is accepted is left out.

use std::io::{self, Write};

use super::model::{Finding, Outcome, Rule, Step};
use super::text::is_open;
use crate::text::thousands;
use crate::xml::Escaped;

/// Writes the document.
pub fn write(outcome: &Outcome, to: &mut dyn Write) -> io::Result<()> {
    let pid = std::process::id();
    writeln!(to, "<?xml version=\"1.0\"?>\n\n<valgrindoutput>\n")?;
    writeln!(to, "<protocolversion>4</protocolversion>\n<protocoltool>memcheck</protocoltool>\n")?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(to, "<preamble>\n  <line>memtrace {version}, in the form of Memcheck</line>\n</preamble>\n")?;
    writeln!(to, "<pid>{pid}</pid>\n<ppid>0</ppid>\n<tool>memcheck</tool>\n")?;
    writeln!(to, "<args>\n  <vargv>\n    <exe>memtrace</exe>\n  </vargv>\n  <argv>")?;
    let mut words = if outcome.command.is_empty() { &outcome.profiles } else { &outcome.command }.iter();
    writeln!(to, "    <exe>{}</exe>", Escaped(words.next().map_or("", String::as_str)))?;
    words.try_for_each(|word| writeln!(to, "    <arg>{}</arg>", Escaped(word)))?;
    writeln!(to, "  </argv>\n</args>\n")?;
    for state in ["RUNNING", "FINISHED"] {
        writeln!(to, "<status>\n  <state>{state}</state>\n  <time>00:00:00:00.000 </time>\n</status>\n")?;
    }
    let open = outcome.findings.iter().filter(|finding| is_open(finding) && finding.rule.is_leak());
    open.enumerate().try_for_each(|(number, finding)| error(number, finding, to))?;
    writeln!(to, "<errorcounts>\n</errorcounts>\n\n<suppcounts>\n</suppcounts>\n\n</valgrindoutput>")
}

fn error(number: usize, finding: &Finding, to: &mut dyn Write) -> io::Result<()> {
    let (kind, words) = match finding.rule {
        Rule::DefinitelyLost => ("Leak_DefinitelyLost", "definitely lost"),
        Rule::PossiblyLost => ("Leak_PossiblyLost", "possibly lost"),
        Rule::IndirectlyLost => ("Leak_IndirectlyLost", "indirectly lost"),
        _ => ("Leak_StillReachable", "still reachable"),
    };
    let (all, direct, indirect) = (finding.all_bytes(), finding.bytes, finding.indirect_bytes);
    let bytes = match indirect {
        0 => thousands(direct),
        _ => format!("{} ({} direct, {} indirect)", thousands(all), thousands(direct), thousands(indirect)),
    };
    writeln!(to, "<error>\n  <unique>{number:#x}</unique>\n  <tid>1</tid>\n  <kind>{kind}</kind>\n  <xwhat>")?;
    writeln!(to, "    <text>{bytes} bytes in {} blocks are {words}</text>", thousands(finding.blocks))?;
    writeln!(to, "    <leakedbytes>{all}</leakedbytes>")?;
    writeln!(to, "    <leakedblocks>{}</leakedblocks>\n  </xwhat>\n  <stack>", finding.blocks)?;
    finding.stack.iter().filter(|step| !step.is_mark()).try_for_each(|step| frame(step, to))?;
    writeln!(to, "  </stack>\n</error>\n")
}

fn frame(step: &Step, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "    <frame>\n      <ip>0x{:X}</ip>", step.offset)?;
    let mut element = |name: &str, text: &str| writeln!(to, "      <{name}>{}</{name}>", Escaped(text));
    if let Some(module) = &step.module {
        element("obj", module)?;
    }
    if let Some(function) = &step.function {
        element("fn", function)?;
    }
    if let Some(file) = &step.file {
        match file.rsplit_once('/') {
            Some((folder, name)) => {
                element("dir", folder)?;
                element("file", name)?;
            }
            None => element("file", file)?,
        }
        if let Some(line) = step.line {
            element("line", &line.to_string())?;
        }
    }
    writeln!(to, "    </frame>")
}
