//! Completions for shells, made of the command's definition. clap_complete is named here only.

use clap_complete::{Shell, generate};

use crate::cli;

/// A shell that completes what is typed.
pub type Name = Shell;

/// The script for a shell. Commands that only memtrace itself and its makers call are left out.
pub fn script(shell: Name) -> Vec<u8> {
    let mut text = Vec::new();
    generate(shell, &mut visible(), "memtrace", &mut text);
    text
}

/// The definition without what help does not show: clap_complete would offer it.
fn visible() -> cli::Command {
    let whole = cli::definition().after_help(None::<&str>);
    let tasks: Vec<cli::Command> = whole.get_subcommands().filter(|task| !task.is_hide_set()).cloned().collect();
    let bare = cli::Command::new("memtrace").about(whole.get_about().cloned().unwrap_or_default());
    let bare = bare.version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    bare.args(whole.get_arguments().filter(|argument| !argument.is_hide_set()).cloned()).subcommands(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_every_command_and_no_hidden_one() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = String::from_utf8(script(shell)).unwrap();
            let shown = cli::definition();
            for task in shown.get_subcommands() {
                assert_eq!(text.contains(task.get_name()), !task.is_hide_set(), "{shell}: {}", task.get_name());
            }
            for option in ["partition", "suppressions", "split"] {
                assert!(text.contains(option), "{shell}: {option}");
            }
        }
    }
}
