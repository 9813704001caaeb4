//! The man page, made of the command's definition and the table of settings. clap_mangen is named here only.

use std::io::{self, Write};

use clap_mangen::Man;
use memtrace_wire::settings::ROWS;

use crate::cli;

/// Writes memtrace(1) as roff.
pub fn write(mut to: impl Write) -> io::Result<()> {
    let command = cli::definition().after_help(None::<&str>);
    let page = Man::new(command.clone()).manual("memtrace");
    page.render_title(&mut to)?;
    page.render_name_section(&mut to)?;
    page.render_synopsis_section(&mut to)?;
    page.render_description_section(&mut to)?;
    for task in command.get_subcommands().filter(|task| !task.is_hide_set()) {
        section(task, "MEMTRACE", &mut to)?;
    }
    settings(&mut to)?;
    to.write_all(EXIT_STATUS.as_bytes())
}

/// The section of a command, and those of the commands below it.
fn section(task: &cli::Command, above: &str, to: &mut dyn Write) -> io::Result<()> {
    let name = format!("{above} {}", task.get_name().to_uppercase());
    writeln!(to, ".SH \"{name}\"")?;
    writeln!(to, "{}", escaped(&task.get_about().map(|text| text.to_string()).unwrap_or_default()))?;
    if task.has_subcommands() {
        return task.get_subcommands().try_for_each(|below| section(below, &name, to));
    }
    let mut options = Vec::new();
    Man::new(task.clone().after_help(None::<&str>)).render_options_section(&mut options)?;
    // A section of this section: its own heading would stand for the whole command's.
    for line in String::from_utf8_lossy(&options).lines().filter(|line| !line.starts_with(".SH")) {
        writeln!(to, "{line}")?;
    }
    Ok(())
}

const EXIT_STATUS: &str = "\
.SH \"EXIT STATUS\"
.TP
.B 0
Nothing was found.
.TP
.B 1
Something was found.
.TP
.B 2
Wrong use, unusable input, or no data.
.TP
.B 3
memtrace itself failed.
.PP
\\fBmemtrace run\\fR ends as its target ends: with the same status, or by the same signal. It exits with 2 if nothing
was started or nothing was recorded, and with 3 if the target succeeded and its profile could not be written.
\\fBmemtrace check\\fR ends as its command ended if that did not succeed; else with 1, or the status of \\fB\\-\\-exit\\-code\\fR, if
the policy is broken, with 2 if nothing could be judged or the command itself was not, and with 0 if the policy holds.
.PP
With MEMTRACE_EXITCODE \\fBmemtrace run\\fR ends with that status if the target succeeded and any process of the run has definite or
possible leaks.
";

fn settings(to: &mut impl Write) -> io::Result<()> {
    writeln!(to, ".SH ENVIRONMENT\nSettings are read from the environment of the target.")?;
    for row in ROWS {
        writeln!(to, ".TP\n.B {}\n{}", escaped(row.name), escaped(row.text))?;
        if !row.default.is_empty() {
            writeln!(to, "The default is \\fB{}\\fR.", escaped(row.default))?;
        }
    }
    Ok(())
}

/// Text as roff takes it literally: no line of ours begins with a dot or a quote.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('`', "\\(ga")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_command_option_and_setting() {
        let mut page = Vec::new();
        write(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for text in [
            "MEMTRACE RUN",
            "MEMTRACE BASELINE UPDATE",
            "keep\\-fixed",
            "MEMTRACE REPORT",
            "\\-\\-split",
            "EXIT STATUS",
            ".SH ENVIRONMENT",
        ] {
            assert!(page.contains(text), "{text} is missing in\n{page}");
        }
        assert!(ROWS.iter().all(|row| page.contains(&format!(".B {}\n", row.name))));
        assert!(!page.contains("__end") && !page.contains("__man"));
    }
}
