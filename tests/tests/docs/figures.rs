//! The figures of the comparison with other tools are those of the tables that the bench wrote, into the README and into that page.

use memtrace_tests::workspace;

/// The rows of real programs begin here; above are loops that do nothing but allocate.
const FIRST_REAL: &str = "python3: ";
/// How the row begins that is made of the tables.
const ROW: &str = "| CPU, × native, real programs |";

/// The table between the marks of a text, as rows of cells.
fn table(text: &str) -> Vec<Vec<&str>> {
    let section = text.split_once("<!-- speed -->").and_then(|(_, rest)| rest.split_once("<!-- /speed -->"));
    let (section, _) = section.expect("the bench's marks are there");
    let rows = section.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The least and the most of a column over real programs, as they are printed.
fn range(table: &[Vec<&str>], column: &str) -> String {
    let place = table[0].iter().position(|head| *head == column);
    let place = place.unwrap_or_else(|| panic!("no column `{column}` in {:?}", table[0]));
    let real = table.iter().skip_while(|row| !row[0].starts_with(FIRST_REAL));
    let mut cells: Vec<(f64, &str)> = real.filter_map(|row| Some((row[place].parse().ok()?, row[place]))).collect();
    cells.sort_by(|one, other| one.0.total_cmp(&other.0));
    match &cells[..] {
        [] => panic!("no figures in column `{column}`"),
        [(_, only)] => (*only).to_owned(),
        [(_, least), .., (_, most)] => format!("{least} to {most}"),
    }
}

#[test]
fn the_row_of_the_comparison_is_made_of_the_bench_s_tables() {
    let read = |name: &str| std::fs::read_to_string(workspace().join(name)).expect("it is there");
    let (readme, page) = (read("README.md"), read("docs/comparison.md"));
    let (ours, slow) = (table(&readme), table(&page));
    let row = format!(
        "{ROW} {} | {} | {} | {} | {}, Python alone | {}, recording all |",
        range(&ours, "memtrace"),
        range(&slow, "memcheck"),
        range(&ours, "LSan"),
        range(&ours, "heaptrack"),
        range(&slow, "memray"),
        range(&ours, "jemalloc, profiling all"),
    );
    let old = page.lines().find(|line| line.starts_with(ROW)).expect("the page has the row");
    if std::env::var_os("UPDATE_GOLDEN").is_some() && old != row {
        std::fs::write(workspace().join("docs/comparison.md"), page.replace(old, &row)).expect("it can be written");
        return;
    }
    assert_eq!(old, row, "UPDATE_GOLDEN=1 writes it");
}
