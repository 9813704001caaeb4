//! A page of the documentation: the files that it gives, and the commands that it shows with what they print.
//!
//! ````text
//!   ```c leak.c        a block with a name is a file, written beside those before it
//!   ```console         `$ command`, then what it prints, stderr and stdout as they come; nothing: whatever it prints
//!   ```                anything else is only to be read
//! ````
//!
//! In what is printed, `…` stands for any text within a line, and a line of `…` alone for any number of lines.
//! `console needs=valgrind,go` is run only where these programs are there.

use std::path::{Path, PathBuf};

use crate::job::{How, PATIENCE};
use crate::pair::{pair, workspace};
use crate::place::Place;

/// A page.
#[derive(Debug)]
pub struct Document {
    blocks: Vec<Block>,
}

/// A piece of a page that means something to the test.
#[derive(Debug, PartialEq)]
enum Block {
    File { name: String, text: String },
    Console { line: usize, needs: Vec<String>, commands: Vec<Command> },
}

/// A command, and the lines that it prints.
#[derive(Debug, PartialEq)]
struct Command {
    text: String,
    prints: Vec<String>,
}

/// What the shell prints between two commands.
const BETWEEN: &str = "\u{1}memtrace-next\u{1}";

impl Document {
    /// Reads a page. `Err`: what is wrong with it.
    pub fn parse(text: &str) -> Result<Document, String> {
        let mut blocks = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.strip_prefix("```") else { continue };
            let mut body = Vec::new();
            loop {
                match lines.next() {
                    Some((_, "```")) => break,
                    Some((_, line)) => body.push(line),
                    None => return Err(format!("line {}: the block is not closed", number + 1)),
                }
            }
            let mut words = info.split_whitespace();
            match (words.next(), words.next()) {
                (Some("console"), needs) => {
                    let needs = needs.and_then(|word| word.strip_prefix("needs=")).unwrap_or_default();
                    let needs = needs.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
                    blocks.push(Block::Console { line: number + 1, needs, commands: commands(&body, number + 2)? });
                }
                (Some(_), Some(name)) => {
                    let text = body.iter().flat_map(|line| [*line, "\n"]).collect();
                    blocks.push(Block::File { name: name.to_owned(), text });
                }
                (Some("sh" | "bash" | "shell"), None) => {
                    return Err(format!("line {}: commands stand in `console` blocks", number + 1));
                }
                _ => {}
            }
        }
        Ok(Document { blocks })
    }

    /// Writes the files and runs the commands, in their order. What is wrong, and what was left out.
    pub fn run(&self, place: &Place) -> Outcome {
        let mut outcome = Outcome::default();
        for block in &self.blocks {
            match block {
                Block::File { name, text } => {
                    if let Some(parent) = place.join(name).parent() {
                        std::fs::create_dir_all(parent).expect("the place can be written to");
                    }
                    place.write(name, text);
                }
                Block::Console { line, needs, .. } if !needs.iter().all(|name| is_there(name)) => {
                    outcome.skipped.push(format!("line {line}: without {}", needs.join(", ")));
                }
                Block::Console { line, commands, .. } => outcome.wrong.extend(run(place, *line, commands)),
            }
        }
        outcome
    }
}

/// What came of a page.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is not as the page says.
    pub wrong: Vec<String>,
    /// Blocks that could not be run here.
    pub skipped: Vec<String>,
}

fn commands(body: &[&str], first: usize) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    let mut goes_on = false;
    for (offset, line) in body.iter().enumerate() {
        if let Some(text) = line.strip_prefix("$ ") {
            commands.push(Command { text: text.to_owned(), prints: Vec::new() });
        } else if let Some(last) = commands.last_mut() {
            match goes_on {
                true => last.text.extend(["\n", line]),
                false => last.prints.push((*line).to_owned()),
            }
        } else {
            return Err(format!("line {}: a console block begins with `$ `", first + offset));
        }
        goes_on = (line.starts_with("$ ") || goes_on) && line.ends_with('\\');
    }
    Ok(commands)
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// One shell for a block, so that `$?` and variables go on.
fn run(place: &Place, line: usize, commands: &[Command]) -> Vec<String> {
    let script: String = commands
        .iter()
        .map(|command| format!("{}\nmemtrace_status=$?; echo '{BETWEEN}'; (exit $memtrace_status)\n", command.text))
        .collect();
    let directory = pair().command.parent().expect("the command lies in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let job = place.job(How::Native, "/bin/bash").args(["-c", &format!("exec 2>&1\n{script}")]);
    let job = job.env("PATH", format!("{}:{path}", directory.display())).env("LD_LIBRARY_PATH", directory);
    let job = job.env("C_INCLUDE_PATH", workspace().join("shim/include"));
    let job = job.env("CPLUS_INCLUDE_PATH", workspace().join("shim/include"));
    let job = job.env("PYTHONPATH", workspace().join("shim/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    // Where rustup keeps the compiler: HOME is the place.
    let rustup = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let rustup = rustup.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".rustup")));
    let job = job.env("RUSTUP_HOME", rustup.unwrap_or_default());
    let ended = job.patience(PATIENCE * 2).run();
    let printed: Vec<&str> = ended.stdout.split(&format!("{BETWEEN}\n")).collect();
    let mut wrong = Vec::new();
    for (place, command) in commands.iter().enumerate() {
        let found: Vec<&str> = printed.get(place).map(|text| text.lines().collect()).unwrap_or_default();
        if !command.prints.is_empty() && !is_like(&command.prints, &found) {
            let (expected, found) = (command.prints.join("\n"), found.join("\n"));
            wrong.push(format!(
                "block at line {line}: $ {}\n--- shown ---\n{expected}\n--- printed ---\n{found}\n",
                command.text
            ));
        }
    }
    wrong
}

/// Whether lines are as shown.
fn is_like(shown: &[String], found: &[&str]) -> bool {
    match shown.split_first() {
        None => found.is_empty(),
        Some((line, rest)) if line.trim() == "…" => (0..=found.len()).any(|skip| is_like(rest, &found[skip..])),
        Some((line, rest)) => {
            found.split_first().is_some_and(|(first, others)| is_line_like(line, first) && is_like(rest, others))
        }
    }
}

fn is_line_like(shown: &str, found: &str) -> bool {
    let mut pieces = shown.trim_end().split('…');
    let Some(mut rest) = pieces.next().and_then(|start| found.trim_end().strip_prefix(start)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

/// The pages in a directory, in order.
pub fn pages(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory is there").flatten();
    let mut pages: Vec<_> = entries.map(|entry| entry.path()).collect();
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_files_and_commands() {
        let text = "# x\n\n```c a.c\nint a;\n```\n\n```console needs=gdb\n$ cc a.c \\\n   -o a\nwarning: …\n$ ./a\n```\n```\nonly text\n```\n";
        let page = Document::parse(text).unwrap();
        let file = Block::File { name: "a.c".into(), text: "int a;\n".into() };
        let commands = vec![
            Command { text: "cc a.c \\\n   -o a".into(), prints: vec!["warning: …".into()] },
            Command { text: "./a".into(), prints: Vec::new() },
        ];
        assert_eq!(page.blocks, [file, Block::Console { line: 7, needs: vec!["gdb".into()], commands }]);
        assert!(Document::parse("```console\nls\n```\n").unwrap_err().contains("line 2"));
        assert!(Document::parse("```sh\nls\n```\n").unwrap_err().contains("line 1"));
        assert!(Document::parse("```console\n$ ls\n").unwrap_err().contains("not closed"));
    }

    #[test]
    fn what_is_printed_is_compared_line_by_line() {
        let is = |shown: &[&str], found: &[&str]| {
            is_like(&shown.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), found)
        };
        assert!(is(&["a", "…", "b"], &["a", "x", "y", "b"]));
        assert!(is(&["a", "…"], &["a"]));
        assert!(is(&["pid …: 1 of … blocks"], &["pid 17: 1 of 20 blocks"]));
        assert!(!is(&["pid …: 1 of … blocks"], &["pid 17: 2 of 20 blocks"]));
        assert!(!is(&["a"], &["a", "b"]));
        assert!(!is(&["a…"], &["b"]));
        assert!(!is(&["a"], &["ab"]));
    }
}
