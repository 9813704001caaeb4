//! Limits on resources that a recording comes up against.

use super::Finding;
use crate::text::scaled;

/// Below that windows of the recording are refused in programs of an ordinary size.
const SPACE_BYTES_MIN: u64 = 4 << 30;
/// The launcher, its keeper and a sweep's workers hold a few dozen.
const FILES_MIN: u64 = 64;

/// From the text of /proc/PID/limits. One finding: what is too low, or that nothing is.
pub fn findings(limits: &str) -> Vec<Finding> {
    let soft = |name: &str| {
        let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let mut found = Vec::new();
    if let Some(bytes) = soft("Max address space").filter(|&bytes| bytes < SPACE_BYTES_MIN) {
        let text = format!("address space (RLIMIT_AS) is limited to {}: large recordings lose records", scaled(bytes));
        found.push(Finding::limited("limits", text, "`ulimit -v unlimited`"));
    }
    if let Some(count) = soft("Max open files").filter(|&count| count < FILES_MIN) {
        let text = format!("{count} open files (RLIMIT_NOFILE) are few for a sweep");
        found.push(Finding::limited("limits", text, "`ulimit -n 1024`"));
    }
    if found.is_empty() {
        found.push(Finding::works("limits", "address space and open files are enough"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_named_with_its_value() {
        let text = |space: &str, files: &str| {
            let limits = format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max open files            {files:20} 524288               files\n\
                 Max address space         {space:20} unlimited            bytes\n"
            );
            findings(&limits).into_iter().map(|finding| finding.text).collect::<Vec<_>>()
        };
        assert_eq!(text("unlimited", "1024"), ["address space and open files are enough"]);
        let said = text("1073741824", "16");
        assert!(
            said[0].contains("(RLIMIT_AS) is limited to 1,073,741,824 bytes (1.0 GiB)")
                && said[1].starts_with("16 open files"),
            "{said:?}"
        );
        assert_eq!(text("4294967296", "64").len(), 1);
        assert_eq!(findings("").len(), 1);
    }
}
