//! Tables of text: aligned for a terminal, or for Markdown. The first column stands left, the others right.

/// A table; the first row is its head.
pub type Grid = Vec<Vec<String>>;

/// Columns as wide as their widest cell, and a line below the head.
pub fn text(grid: &Grid) -> String {
    let widths = widths(grid);
    let mut lines: Vec<String> = grid.iter().map(|row| aligned(row, &widths)).collect();
    let whole = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    if !lines.is_empty() {
        lines.insert(1, "─".repeat(whole));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The same for Markdown. A bar within a cell would end it.
pub fn markdown(grid: &Grid) -> String {
    let row = |row: &Vec<String>| {
        let cells = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut lines: Vec<String> = grid.iter().map(row).collect();
    if let Some(head) = grid.first() {
        lines.insert(1, format!("|---|{}\n", "--:|".repeat(head.len().saturating_sub(1))));
    }
    lines.concat()
}

fn widths(grid: &Grid) -> Vec<usize> {
    let columns = grid.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| grid.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let cell = |(column, (cell, &width)): (usize, (&String, &usize))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    };
    row.iter().zip(widths).enumerate().map(cell).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: &[&[&str]]) -> Grid {
        rows.iter().map(|row| row.iter().map(|cell| cell.to_string()).collect()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let grid = grid(&[&["row", "×"], &["churn", "1.35"], &["a", "–"]]);
        assert_eq!(text(&grid), "row       ×\n───────────\nchurn  1.35\na         –\n");
    }

    #[test]
    fn markdown_keeps_a_cell_in_its_column() {
        assert_eq!(markdown(&grid(&[&["a", "b"], &["x|y\nz", "1"]])), "| a | b |\n|---|--:|\n| x\\|y z | 1 |\n");
    }

    #[test]
    fn no_rows_are_no_table() {
        assert_eq!((text(&Grid::new()), markdown(&Grid::new())), (String::new(), String::new()));
    }
}
