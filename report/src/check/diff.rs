//! `memtrace diff A B`: what changed between two profiles, place by place, as a signed table.
//!
//! Places are told by their trails, as fingerprints are, so the two may be of different builds, machines and numbers of
//! processes.

mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};

use super::fingerprint::{Told, Trail};
use crate::elsewhere::ElsewhereArgs;
use crate::error::Error;
use crate::formats::{self, Format, Out};
use crate::html;
use crate::input::Input;
use crate::profile::leaks::Sum;
use crate::profile::{Process, Profile};
use crate::progress;
use crate::text::Style;
use crate::views::leaks::{last_word, leaked_by_stack};
use crate::views::words;

/// Rows of the text.
const TOP: usize = 50;

/// `memtrace diff`.
#[derive(clap::Args, Debug)]
pub struct DiffArgs {
    /// The earlier profile, or recording
    before: PathBuf,
    /// The later one
    after: PathBuf,
    /// What is compared: blocks that are lost, live at the end, live when each process stood highest, or all allocations;
    /// by default lost ones, if both profiles know them, else live ones
    #[arg(long, value_parser = measure())]
    by: Option<Measure>,
    /// Rows of the text, or 0 for all
    #[arg(long, value_name = "N", default_value_t = TOP)]
    top: usize,
    /// Write the table to PATH, `-` for stdout, as `text`, `json`, `markdown` or `html`; may be given several times
    #[arg(long, value_name = "FORMAT:PATH", value_parser = formats::parser())]
    out: Vec<Out>,
    #[command(flatten)]
    elsewhere: ElsewhereArgs,
}

words! {
    /// What is compared.
    pub enum Measure {
        /// Definitely and possibly lost, with what they lead to.
        Leaked = "leaked",
        /// Live at the end.
        Live = "live",
        /// Live when the process stood highest.
        Peak = "peak",
        /// All allocations.
        Total = "total",
    }
}

fn measure() -> ValueParser {
    PossibleValuesParser::new(Measure::WORDS).try_map(|word| Measure::from_str(&word)).into()
}

/// A place that changed.
pub struct Row {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The function that it is told by.
    pub site: String,
    /// Its frames.
    pub trail: Vec<String>,
    /// What the earlier profile has of it.
    pub before: Sum,
    /// What the later one has.
    pub after: Sum,
}

impl Row {
    /// By how many bytes it changed.
    pub fn bytes(&self) -> i128 {
        i128::from(self.after.bytes) - i128::from(self.before.bytes)
    }

    /// By how many blocks.
    pub fn blocks(&self) -> i128 {
        i128::from(self.after.blocks) - i128::from(self.before.blocks)
    }
}

/// The table.
pub struct Table {
    /// What is compared.
    pub by: Measure,
    /// The files.
    pub files: [String; 2],
    /// Places that changed, what grew most first.
    pub rows: Vec<Row>,
    /// Places that did not.
    pub unchanged: u64,
    /// All of the earlier profile, and of the later.
    pub sums: [Sum; 2],
    /// Sentences about the whole.
    pub notes: Vec<String>,
}

/// The body of the command.
pub fn command(args: &DiffArgs) -> Result<ExitCode, Error> {
    formats::check(&args.out)?;
    let is_known = |out: &&Out| !matches!(out.format, Format::Text | Format::Json | Format::Markdown | Format::Html);
    if let Some(out) = args.out.iter().find(is_known) {
        let word = out.format.word();
        return Err(Error::Usage {
            found: format!("a difference is written as `text`, `json`, `markdown` or `html`, not as `{word}`"),
        });
    }
    let (before, after) = (read(&args.before, &args.elsewhere)?, read(&args.after, &args.elsewhere)?);
    let is_judged = |profile: &Profile| profile.processes.iter().any(|process| last_word(process).is_some());
    let known = if is_judged(&before) && is_judged(&after) { Measure::Leaked } else { Measure::Live };
    let by = args.by.unwrap_or(known);
    let files = [&args.before, &args.after].map(|path| path.display().to_string());
    let table = progress::during("comparing", || table(by, [&before, &after], files.clone()));
    let page = html::Subject::Change([&before, &after], files, Some(by));
    let top = if args.top == 0 { usize::MAX } else { args.top };
    let render = |format: Format, top: usize, style: Style, to: &mut dyn std::io::Write| match format {
        Format::Json => write::json(&table, to),
        Format::Markdown => write::markdown(&table, to),
        Format::Html => html::write(&page, &html::Request::default(), to),
        _ => write::text(&table, top, style, to),
    };
    formats::write(
        &args.out,
        |format, to| render(format, top, Style::default(), to),
        |to| render(Format::Text, top, Style::of_stdout(), to),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path, elsewhere: &ElsewhereArgs) -> Result<Profile, Error> {
    match Input::read_from(path, None, elsewhere)? {
        Input::Profile(profile) => Ok(*profile),
        Input::Sweep(_) => Err(Error::read(format!("`{}`", path.display()), "it is a sweep, expected a profile")),
    }
}

/// Compares two profiles.
pub fn table(by: Measure, profiles: [&Profile; 2], files: [String; 2]) -> Table {
    let mut places: HashMap<Trail, (String, [Sum; 2])> = HashMap::new();
    let mut sums = [Sum::default(); 2];
    let mut notes = Vec::new();
    for (side, profile) in profiles.into_iter().enumerate() {
        for process in &profile.processes {
            if by == Measure::Leaked && last_word(process).is_none() && process.summary.live_blocks > 0 {
                notes.push(format!(
                    "{}: what {} (pid {}) has lost is not known",
                    files[side],
                    crate::views::base_name(&process.exe),
                    process.pid
                ));
            }
            let told = Told::of(process);
            for (stack, sum) in measured(by, process) {
                let place = places.entry(told.trail(stack));
                let (_, both) = place.or_insert_with(|| (told.site(stack), Default::default()));
                both[side].add(sum.blocks, sum.bytes);
                sums[side].add(sum.blocks, sum.bytes);
            }
        }
    }
    let all = places.len();
    let row = |(trail, (site, [before, after])): (Trail, (String, [Sum; 2]))| Row {
        fingerprint: trail.fingerprint(),
        site,
        trail: trail.0,
        before,
        after,
    };
    let changed = places.into_iter().filter(|(_, (_, [before, after]))| before != after);
    let mut rows: Vec<Row> = changed.map(row).collect();
    rows.sort_by(|one, other| {
        let key = |row: &Row| (row.bytes(), row.blocks());
        key(other).cmp(&key(one)).then_with(|| one.trail.cmp(&other.trail))
    });
    Table { by, files, unchanged: (all - rows.len()) as u64, rows, sums, notes }
}

/// What a process has, by stack.
fn measured(by: Measure, process: &Process) -> Vec<(u32, Sum)> {
    if by == Measure::Leaked {
        return leaked_by_stack(process).unwrap_or_default();
    }
    let sum = |site: &crate::profile::Site| match by {
        Measure::Peak => Sum { blocks: site.at_peak_blocks, bytes: site.at_peak_bytes },
        Measure::Total => Sum { blocks: site.total_blocks, bytes: site.total_bytes },
        Measure::Live | Measure::Leaked => Sum { blocks: site.live_blocks, bytes: site.live_bytes },
    };
    process.sites.iter().map(|site| (site.stack, sum(site))).filter(|(_, sum)| *sum != Sum::default()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::leaky;
    use super::*;
    use crate::profile::sample;

    fn profile(sites: &[(&str, u64, u64)]) -> Profile {
        let process = sample::process(|maker| {
            for (function, bytes, live) in sites {
                maker.site(&[function, "main"], *bytes, *live, live + 1);
            }
        });
        Profile { processes: vec![process], ..Profile::without_processes() }
    }

    fn table_of(by: Measure, before: &Profile, after: &Profile) -> Table {
        table(by, [before, after], ["a.json".into(), "b|.json".into()])
    }

    fn written(write: impl Fn(&mut Vec<u8>) -> std::io::Result<()>) -> String {
        let mut text = Vec::new();
        write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn places_are_compared_by_trail_and_sorted_by_change() {
        let before = profile(&[("gone", 100, 3), ("same", 7, 1), ("grows<int>(int)", 10, 1)]);
        let after = profile(&[("grows<long>(long)", 10, 4), ("same", 7, 1), ("new", 2000, 1)]);
        let table = table_of(Measure::Live, &before, &after);
        let rows: Vec<(&str, i128, i128)> =
            table.rows.iter().map(|row| (row.site.as_str(), row.bytes(), row.blocks())).collect();
        assert_eq!(rows, [("new", 2000, 1), ("grows<int>(int)", 30, 3), ("gone", -300, -3)]);
        assert_eq!((table.unchanged, table.sums[0].bytes, table.sums[1].bytes), (1, 317, 2047));
        let text = "\
memtrace: a.json, then b|.json: live at the end

  +2,000 bytes   +1 block   new     0 bytes in 0 blocks, then 2,000 bytes in 1 block
     +30 bytes   +3 blocks  grows<int>(int)     10 bytes in 1 block, then 40 bytes in 4 blocks
    -300 bytes   -3 blocks  gone     300 bytes in 3 blocks, then 0 bytes in 0 blocks

unchanged: 1 place
DIFF SUMMARY: live at the end: +1730 bytes, +1 blocks (317 bytes in 5 blocks, then 2047 bytes in 6 blocks)
";
        assert_eq!(written(|to| write::text(&table, 9, Style::default(), to)), text);
        let short = written(|to| write::text(&table, 1, Style::default(), to));
        assert!(short.contains("\n2 more places not shown\n"), "{short}");
        let markdown = written(|to| write::markdown(&table, to));
        assert!(markdown.contains("| +2,000 | +1 | ` new ` | 0 in 0 | 2,000 in 1 |\n"), "{markdown}");
        assert!(markdown.starts_with("## memtrace: live at the end, +1,730 bytes\n"), "{markdown}");
        assert_eq!(table_of(Measure::Total, &before, &after).rows[0].bytes(), 4000);
        assert!(table_of(Measure::Live, &after, &after).rows.is_empty());
    }

    #[test]
    fn the_object_is_as_the_schema_says() {
        let schema = include_str!("../../schema/diff-1.schema.json").parse().unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let judged = |processes| Profile { processes, ..Profile::without_processes() };
        let mut unknown = leaky(8, "/b/app");
        unknown.checks.clear();
        let table = table_of(Measure::Leaked, &judged(vec![unknown]), &judged(vec![leaky(7, "/b/app")]));
        assert_eq!(table.notes, ["a.json: what app (pid 8) has lost is not known"]);
        assert_eq!((table.rows[0].bytes(), table.rows[0].blocks()), (1632, 4));
        let json = written(|to| write::json(&table, to)).parse().unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        assert_eq!(json["rows"][0]["bytes_change"], 1632);
    }
}
