//! Rows with commas between (RFC 4180): one for each stack, function, thread and kind of leak.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula: an apostrophe in front makes it a text.

use std::io::{self, Write};

use super::calls::{Calls, thread};
use super::rows::{rows, word};
use crate::profile::Process;
use crate::site::Sites;
use crate::text::Safe;
use crate::views;

const HEAD: &str = "process,pid,thread,op,kind,site,file,line,module,live_bytes,live_blocks,peak_bytes,peak_blocks,\
                    total_bytes,total_blocks,temporary_blocks,stack";

/// Writes the rows of all processes; a stack is in one cell, innermost first, ` < ` between.
pub fn write(processes: &[&Process], to: &mut dyn Write) -> io::Result<()> {
    write!(to, "{HEAD}\r\n")?;
    for process in processes {
        let (calls, sites) = (Calls::of(process), Sites::of(process));
        for row in rows(process) {
            let frame = sites.frame(row.stack);
            let module = frame.and_then(|frame| views::module(process, frame));
            let line = frame.and_then(|frame| frame.line).map(|line| line.to_string());
            let names: Vec<&str> =
                calls.stack(row.stack).iter().filter_map(|&frame| Some(calls.get(frame)?.name.as_str())).collect();
            let texts = [
                process.exe.as_str(),
                &process.pid.to_string(),
                &thread(process, row.thread).unwrap_or_default(),
                row.op,
                row.kind.map_or("", word),
                &frame.map(|frame| views::function(process, frame)).unwrap_or_default(),
                frame.and_then(|frame| frame.file.as_deref()).unwrap_or_default(),
                &line.unwrap_or_default(),
                module.unwrap_or_default(),
            ];
            for text in texts {
                write!(to, "{},", cell(text))?;
            }
            for number in [
                row.live.bytes,
                row.live.blocks,
                row.peak.bytes,
                row.peak.blocks,
                row.total.bytes,
                row.total.blocks,
                row.temporary_blocks,
            ] {
                write!(to, "{number},")?;
            }
            write!(to, "{}\r\n", cell(&names.join(" < ")))?;
        }
    }
    Ok(())
}

fn cell(text: &str) -> String {
    let text = Safe(text).to_string();
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
