//! What memtrace will see of a given program. It is not run.

use std::ffi::OsString;
use std::path::Path;

use super::{Finding, allocator, python};
use crate::error::Error;
use crate::names::{ElfFile, Places, debug_file};
use crate::run::environment;
use crate::run::target::Target;
use crate::sys;
use crate::views::base_name;

/// All of it. `Err`: there is no such program.
pub fn findings(command: &[OsString]) -> Result<Vec<Finding>, Error> {
    let variables = sys::environment();
    let target = match Target::find(command, environment::search_path(&variables)) {
        Ok(target) => target,
        Err(error @ Error::TargetRefused { .. }) => {
            return Ok(vec![Finding::fails("program", error.to_string(), error.hint())]);
        }
        Err(error) => return Err(error),
    };
    let (path, image) = (&target.path, &target.image);
    let text = match path == image {
        true => format!("{} can be recorded", path.display()),
        false => format!("{} can be recorded; {} runs it", path.display(), image.display()),
    };
    let mut findings = vec![Finding::works("program", text)];
    let Some(file) = ElfFile::open(image) else { return Ok(findings) };
    let libraries = target.loader.as_deref().map(|loader| allocator::libraries(loader, image)).unwrap_or_default();
    if !libraries.is_empty() {
        findings.push(allocator::finding(image, &libraries));
    }
    findings.push(debug_information(image, &file));
    if file.has_section(".gopclntab") {
        let hint = "Go's own profiler (pprof) knows its heap; memtrace sees what cgo allocates";
        findings.push(Finding::limited("go", "a Go program: its heap does not come from malloc", hint));
    }
    let name = image.to_string_lossy();
    if base_name(&name).starts_with("python") {
        findings.push(python::of(image));
    }
    Ok(findings)
}

fn debug_information(image: &Path, file: &ElfFile) -> Finding {
    const NAME: &str = "debug-info";
    if file.has_lines() {
        return Finding::works(NAME, "in the program itself: functions, inlined ones too, files and lines");
    }
    if let Some((path, _)) = debug_file(image, image, file, &Places::system()) {
        return Finding::works(NAME, format!("in {}", path.display()));
    }
    let hint = "build it with `-g`, or install the package with its debug information";
    match file.symbol_tables().len() {
        2.. => Finding::limited(NAME, "names of functions only, no files and lines", hint),
        _ => Finding::limited(NAME, "none: it is stripped, so only exported functions have names", hint),
    }
}
