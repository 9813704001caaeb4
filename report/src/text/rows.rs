//! The body of a process's report: one block a stack, one line a group, or a tree.

use std::io::{self, Write};

use super::curve::bar;
use super::escape::Safe;
use super::frame::Lines;
use super::number::{bytes_in, count, thousands};
use super::why::held_before;
use super::{Request, overview};
use crate::profile::Process;
use crate::profile::leaks::Check;
use crate::suppress::paste_ready_leak_sanitizer;
use crate::views::over_time::Curves;
use crate::views::{self, By, Choice, Numbers, Rows, Sort, leaks, tree};

/// Deeper branches of a tree are not set further to the right.
const INDENT_MAX: usize = 40;

/// Bars before rows that are no stacks.
const BAR_COLUMNS: usize = 16;

/// The rows that were asked for.
pub fn print(process: &Process, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let Choice { by, sort, .. } = request.choice;
    if let (Some(check), By::Stack, Sort::Live, None) = (leaks::last_word(process), by, sort, request.tree) {
        return print_leaks(process, check, request, to);
    }
    let rows = views::rows(process, &request.choice);
    if let Some(direction) = request.tree {
        print_tree(process, direction, request, to)?;
    } else if request.choice.by == By::Stack {
        print_stacks(process, &rows, request, to)?;
    } else {
        print_groups(&rows, request, to)?;
    }
    if rows.rest_count > 0 {
        let more = match request.choice.by {
            By::Stack => "stack",
            By::Function => "function",
            By::File => "file",
            By::Module => "module",
            By::Thread => "thread",
            By::Region => "region",
        };
        let more = count(rows.rest_count, &format!("more {more}"));
        writeln!(to, "\n{more} not shown: {}", head(&rows.rest, request.choice.sort))?;
    }
    Ok(())
}

/// What became of the live blocks, where that is known.
fn print_leaks(process: &Process, check: &Check, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = request.style.strong();
    let kinds = leaks::kinds(process, request.show);
    let rows = leaks::rows(process, check, kinds, &request.choice);
    let (mut lines, wrappers) = (Lines::of(process), process.wrappers());
    let curves = curves(process, request);
    for row in &rows.rows {
        writeln!(to, "\n{on}{}{off}", super::leaks::head(row))?;
        print_curve(process, curves.as_ref(), row.stack, request, to)?;
        lines.print(row.stack, to)?;
        if let Some(before) = held_before(process, row) {
            writeln!(to, "    {before}")?;
        }
        if let Some(rule) = paste_ready_leak_sanitizer(&process.called(row.stack), &wrappers) {
            writeln!(to, "    suppress: {}", Safe(&rule))?;
        }
    }
    if rows.rest_count > 0 {
        let more = count(rows.rest_count, "more leak");
        writeln!(to, "\n{more} not shown: {}", bytes_in(rows.rest.bytes, rows.rest.blocks, "block"))?;
    }
    Ok(())
}

fn print_stacks(process: &Process, rows: &Rows, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = request.style.strong();
    let (mut lines, curves) = (Lines::of(process), curves(process, request));
    for row in &rows.rows {
        let stack = row.stack.unwrap_or(u32::MAX);
        writeln!(to, "\n{on}{}{off}", head(&row.numbers, request.choice.sort))?;
        print_curve(process, curves.as_ref(), stack, request, to)?;
        lines.print(stack, to)?;
    }
    Ok(())
}

/// The curves of stacks, where they are wanted.
fn curves<'p>(process: &'p Process, request: &Request) -> Option<Curves<'p>> {
    Curves::of(process).filter(|_| request.has_overview)
}

fn print_curve(
    process: &Process,
    curves: Option<&Curves>,
    stack: u32,
    request: &Request,
    to: &mut dyn Write,
) -> io::Result<()> {
    match curves.and_then(|curves| curves.get(stack)) {
        Some(curve) => writeln!(to, "{}", overview::row(process, &curve, request.style)),
        None => Ok(()),
    }
}

fn print_groups(rows: &Rows, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = request.style.strong();
    if !rows.rows.is_empty() {
        writeln!(to)?;
    }
    let most = rows.rows.iter().map(|row| row.numbers.key(request.choice.sort).0).max().unwrap_or(0);
    for row in &rows.rows {
        if request.has_overview {
            write!(to, "{} ", bar(row.numbers.key(request.choice.sort).0, most, BAR_COLUMNS, request.style))?;
        }
        writeln!(to, "{on}{}{off}: {}", Safe(&row.name), head(&row.numbers, request.choice.sort))?;
    }
    Ok(())
}

/// Siblings begin with a dash; what follows without one is called by, or calls, the line above.
fn print_tree(process: &Process, direction: tree::Direction, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = request.style.strong();
    let branches = tree::branches(process, direction, &request.choice);
    if !branches.is_empty() {
        writeln!(to)?;
    }
    for branch in branches {
        let indent = branch.depth.min(INDENT_MAX) * 2;
        let start = if branch.is_branching { "- " } else { "" };
        let head = head(&branch.numbers, request.choice.sort);
        writeln!(to, "{start:>indent$}{on}{}{off}: {head}", Safe(&branch.name))?;
    }
    Ok(())
}

/// The numbers that a row is sorted by, in words.
fn head(numbers: &Numbers, sort: Sort) -> String {
    let Numbers { live_blocks, live_bytes, total_blocks, total_bytes, at_peak_blocks, at_peak_bytes, .. } = *numbers;
    match sort {
        Sort::Live => format!("{} live at the end", bytes_in(live_bytes, live_blocks, "block")),
        Sort::Total | Sort::Count => {
            format!("{}, {} live at the end", bytes_in(total_bytes, total_blocks, "allocation"), thousands(live_blocks))
        }
        Sort::Peak => format!("{} at the peak", bytes_in(at_peak_bytes, at_peak_blocks, "block")),
        Sort::Temporary => {
            let temporary = thousands(numbers.temporary_blocks);
            format!("{temporary} temporary of {}", count(total_blocks, "allocation"))
        }
    }
}
