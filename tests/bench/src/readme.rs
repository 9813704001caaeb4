//! The README's section "How fast": what stands between two marks is this benchmark's.

use crate::error::Error;
use crate::grid;
use crate::lines::Line;
use crate::rows::Counts;
use crate::table::{self, Setting};
use crate::way::Way;

const BEGIN: &str = "<!-- speed -->";
const END: &str = "<!-- /speed -->";

/// The text with its section replaced. Without the marks, or with them in another order, nothing is replaced.
pub fn replaced(text: &str, section: &str) -> Result<String, Error> {
    let missing = |mark: &str| {
        let error = Error::misused(format!("no `{mark}` in it, expected `{BEGIN}` and then `{END}`, once each"));
        error.hint("put the two lines where the section is to stand")
    };
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    if after.contains(BEGIN) || after.contains(END) || rest.split(END).next().is_some_and(|old| old.contains(BEGIN)) {
        return Err(Error::misused(format!("`{BEGIN}` or `{END}` stands in it twice")));
    }
    Ok(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

/// The section: CPU time of the rows that a reader asks for first, and what memory they take.
pub fn section(setting: &Setting, lines: &[Line]) -> String {
    let ways: Vec<Way> = setting.ways.iter().copied().filter(|way| ![Way::Native, Way::Report].contains(way)).collect();
    let mut head = vec!["CPU time, × native".to_owned()];
    head.extend(ways.iter().map(|&way| title(way).to_owned()));
    head.extend(["instructions, memtrace", "peak RSS, MB"].map(str::to_owned));
    let mut grid = vec![head];
    for line in lines.iter().filter(|line| line.row.is_headline) {
        let cells = ways.iter().map(|&way| cell(line, way));
        let mb = |way| line.rss_bytes(way).map_or("–".to_owned(), |bytes| format!("{:.0}", bytes / 1e6));
        let rss = format!("{} → {}", mb(Way::Native), mb(Way::Bare));
        let counted = line.counted(Way::Bare).filter(|_| line.row.counts == Counts::Work);
        let counted = counted
            .map_or("–".to_owned(), |found| found.clone().map_or_else(|why| why, |found| format!("{found:.2}")));
        grid.push([line.row.about.clone()].into_iter().chain(cells).chain([counted, rss]).collect());
    }
    let heading = table::heading(setting).trim_end().replace('\n', "; ");
    format!(
        "{}\nMedians, each run against a native run of the same round. {}\n\n{heading}.\n",
        grid::markdown(&grid),
        "`memtrace` is quiet, by `LD_PRELOAD`; with `memtrace run` the launcher's own time counts, with heaptrack its \
         interpreter's. Instructions are callgrind's for a tenth of the work, × native: they do not depend on what else the \
         machine does. Peak RSS is that of the largest process, native → memtrace.",
    )
}

fn title(way: Way) -> &'static str {
    match way {
        Way::Run => "`memtrace run`",
        Way::Sampled => "`MEMTRACE_SAMPLE=524288`",
        Way::Lsan => "LSan",
        Way::Jemalloc => "jemalloc, profiling all",
        Way::MallocDebug => "libc_malloc_debug",
        _ => way.name(),
    }
}

fn cell(line: &Line, way: Way) -> String {
    match line.ratio(way).map(|ratio| ratio.median) {
        Some(ratio @ ..10.0) => format!("{ratio:.2}"),
        Some(ratio) => format!("{ratio:.0}"),
        None => line.nothing(way).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{lines, setting};

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = "a\n<!-- speed -->\nold\n<!-- /speed -->\nb\n";
        let new = replaced(text, "new\n").unwrap();
        assert_eq!(new, "a\n<!-- speed -->\nnew\n<!-- /speed -->\nb\n");
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
    }

    #[test]
    fn a_text_without_the_marks_is_refused() {
        for text in ["", "<!-- speed -->", "<!-- /speed --><!-- speed -->", "<!-- /speed -->"] {
            assert!(replaced(text, "new").unwrap_err().to_string().contains("expected"), "{text}");
        }
        let twice = "<!-- speed --><!-- /speed --><!-- speed --><!-- /speed -->";
        assert!(replaced(twice, "new").unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn the_section_has_a_column_for_each_way() {
        let section = section(&setting(), &lines());
        assert!(
            section.starts_with("| CPU time, × native | memtrace | heaptrack | instructions, memtrace | peak RSS, MB |\n|---|--:|--:|--:|--:|\n")
        );
        assert!(section.contains("| python3: json and ast | 1.35 | 5.00 | – | 10 → 14 |\n"), "{section}");
        assert!(section.contains("| failed (status 7) | – | 10 → 11 |\n"), "{section}");
    }
}
