//! The pager: what is long is read page by page, where stdout is a terminal.
//!
//! PAGER says which (a shell's command); without it less(1), which leaves what fits on the screen as it is. An empty PAGER,
//! or `cat`, is none.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

use crate::sys;

/// What less is told where LESS says nothing: go at once if all fits, let colours through, leave the screen as it is.
const LESS: &str = "FRX";

/// Writes a text through the pager, if there is to be one, else to `to`.
pub fn write(
    is_wanted: bool,
    to: &mut dyn Write,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let Some(mut pager) = start(is_wanted) else { return text(to) };
    // The pager's keys are the pager's; and if it goes early, that is the reader's choice.
    sys::ignore(libc::SIGINT);
    sys::ignore(libc::SIGPIPE);
    let written = match pager.stdin.take() {
        Some(stdin) => {
            let mut stdin = BufWriter::new(stdin);
            text(&mut stdin).and_then(|()| stdin.flush())
        }
        None => Ok(()),
    };
    pager.wait()?;
    written
}

/// The pager; `None`: there is to be none, or it cannot be started.
fn start(is_wanted: bool) -> Option<Child> {
    if !is_wanted || !io::stdout().is_terminal() {
        return None;
    }
    let mut command = command(std::env::var("PAGER").ok())?;
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", LESS);
    }
    command.stdin(Stdio::piped()).spawn().ok()
}

fn command(pager: Option<String>) -> Option<Command> {
    let Some(pager) = pager else { return Some(Command::new("less")) };
    if matches!(pager.trim(), "" | "cat") {
        return None;
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager);
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_says_which_pager_and_whether() {
        let program = |pager: Option<&str>| {
            command(pager.map(str::to_owned)).map(|command| command.get_program().to_string_lossy().into_owned())
        };
        assert_eq!(program(None).as_deref(), Some("less"));
        assert_eq!(program(Some("more -s")).as_deref(), Some("sh"));
        assert_eq!((program(Some("")), program(Some(" cat "))), (None, None));
    }
}
