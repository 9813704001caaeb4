//! The machine that was measured on, and how busy it was.

use std::fs;
use std::process::Command;
use std::thread;

/// What goes with every table.
#[derive(Clone, PartialEq, Debug)]
pub struct Machine {
    /// The processor's model.
    pub cpu: String,
    /// How many of them may be used.
    pub cpus: usize,
    /// The distribution's name.
    pub system: String,
    /// The kernel's release.
    pub kernel: String,
    /// The C library's version.
    pub libc: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        Machine {
            cpu: value("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cpus: thread::available_parallelism().map_or(1, usize::from),
            system: value("/etc/os-release", "PRETTY_NAME").unwrap_or_else(unknown),
            kernel: line("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            libc: libc().unwrap_or_else(unknown),
        }
    }

    /// In one line.
    pub fn text(&self) -> String {
        let Machine { cpu, cpus, system, kernel, libc } = self;
        let noun = if *cpus == 1 { "CPU" } else { "CPUs" };
        format!("{system}, {libc}, Linux {kernel}, {cpu}, {cpus} {noun}")
    }
}

/// The load averages of now: 1, 5 and 15 minutes.
pub fn load() -> String {
    let line = line("/proc/loadavg").unwrap_or_else(unknown);
    line.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Bytes that programs may still use without others losing theirs.
pub fn available_bytes() -> u64 {
    let kib = value("/proc/meminfo", "MemAvailable").and_then(|value| value.split(' ').next()?.parse().ok());
    kib.unwrap_or(0_u64) * 1024
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.trim().to_owned())
}

/// The value of `key: value` or `key="value"`.
fn value(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(rest.trim_start_matches([' ', '\t', ':', '=']).trim().trim_matches('"').to_owned())
}

fn libc() -> Option<String> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}
