//! The results as pictures: bars of CPU ratios, and lines of growth. All axes of figures are logarithmic.

use crate::growth::{Point, Series};
use crate::lines::Line;
use crate::svg::{Anchor, Drawing};
use crate::table::{Setting, heading, within};
use crate::way::Way;

const LEFT: f64 = 150.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 70.0;
const BAR: f64 = 9.0;
const GAP: f64 = 9.0;
const PLOT: f64 = 640.0;

fn colour(way: Way) -> &'static str {
    match way {
        Way::Native => "#888888",
        Way::Bare => "#0b5fa5",
        Way::Run => "#4a9bd9",
        Way::Sampled => "#9fcbee",
        Way::Report => "#cccccc",
        Way::Heaptrack => "#d9730d",
        Way::Lsan => "#b3341f",
        Way::Jemalloc => "#7a4fa3",
        Way::Gperftools => "#3a8f3a",
        Way::MallocDebug => "#b0a030",
        Way::Memcheck => "#444444",
        Way::Memray => "#9c755f",
    }
}

/// A span of figures and the pixels that it takes, by powers.
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// From the power of ten (or from 1) below all values to the one above.
    fn over(values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Scale {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0 && value.is_finite()) {
            least = least.min(value);
            most = most.max(value);
        }
        if !least.is_finite() {
            (least, most) = (1.0, 10.0);
        }
        let least = 10_f64.powf(least.log10().floor());
        Scale { least, most: 10_f64.powf(most.log10().ceil()).max(least * 10.0), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let whole = (self.most / self.least).log10();
        let part = (value.clamp(self.least, self.most) / self.least).log10() / whole;
        self.from + part * (self.to - self.from)
    }

    /// Where lines are drawn: the powers of ten.
    fn marks(&self) -> Vec<f64> {
        let mut marks = vec![self.least];
        while let Some(&last) = marks.last()
            && last * 1.01 < self.most
        {
            marks.push(last * 10.0);
        }
        marks
    }
}

/// The ratios of all rows and ways, as bars.
pub fn speed(setting: &Setting, lines: &[Line]) -> String {
    let ways: Vec<Way> = setting.ways.iter().copied().filter(|way| ![Way::Native, Way::Report].contains(way)).collect();
    let group = ways.len() as f64 * BAR + GAP;
    let bottom = TOP + lines.len() as f64 * group;
    let mut drawing = Drawing::new(LEFT + PLOT + RIGHT, bottom + 40.0);
    title(&mut drawing, "CPU time against native", setting);
    let ratios = lines.iter().flat_map(|line| ways.iter().filter_map(|&way| line.ratio(way)));
    let scale = Scale::over(ratios.map(|ratio| ratio.median.max(1.0)).chain([1.0, 10.0]), (LEFT, LEFT + PLOT));
    for mark in scale.marks() {
        drawing.line(&[(scale.at(mark), TOP - 4.0), (scale.at(mark), bottom)], "#cccccc", 1.0);
        drawing.text((scale.at(mark), bottom + 14.0), 11.0, Anchor::Middle, &format!("{mark}×"));
    }
    for (number, line) in lines.iter().enumerate() {
        let y = TOP + number as f64 * group;
        drawing.text((LEFT - 8.0, y + group / 2.0), 11.0, Anchor::End, &line.row.name);
        for (place, &way) in ways.iter().enumerate() {
            let y = y + place as f64 * BAR;
            let Some(ratio) = line.ratio(way) else {
                drawing.text((scale.at(1.0) + 3.0, y + BAR - 1.0), 8.0, Anchor::Start, line.nothing(way));
                continue;
            };
            let (begin, end) = (scale.at(1.0), scale.at(ratio.median));
            let about = format!("{}, {}: {}", line.row.name, way.name(), within(ratio));
            // A bar of 1× would not be seen.
            let width = (end - begin).abs().max(1.0);
            drawing.bar([begin.min(end), y, width, BAR - 1.5], colour(way), &about);
            drawing.text((begin.max(end) + 3.0, y + BAR - 2.0), 8.0, Anchor::Start, &format!("{:.2}", ratio.median));
        }
    }
    legend(&mut drawing, &ways, bottom + 30.0);
    drawing.finish()
}

fn title(drawing: &mut Drawing, text: &str, setting: &Setting) {
    drawing.text((16.0, 24.0), 16.0, Anchor::Start, text);
    for (number, line) in heading(setting).lines().enumerate() {
        drawing.text((16.0, 40.0 + 13.0 * number as f64), 10.0, Anchor::Start, line);
    }
}

fn legend(drawing: &mut Drawing, ways: &[Way], y: f64) {
    for (number, way) in ways.iter().enumerate() {
        let x = 16.0 + 100.0 * number as f64;
        drawing.bar([x, y - 9.0, 10.0, 10.0], colour(*way), way.name());
        drawing.text((x + 14.0, y), 11.0, Anchor::Start, way.name());
    }
}

/// What a curve of growth shows of a point.
type Figure = fn(&Point) -> f64;

const PANEL: (f64, f64) = (380.0, 260.0);

/// The axes of growth, one panel each for time and for memory.
pub fn growth(setting: &Setting, all: &[Series]) -> String {
    let mut drawing = Drawing::new(2.0 * PANEL.0 + 20.0, TOP + all.len() as f64 * PANEL.1 + 20.0);
    title(&mut drawing, "How the cost grows", setting);
    let time: [(&str, Figure, Way); 2] =
        [("native", |point| point.native_ns, Way::Native), ("added", Point::added_ns, Way::Bare)];
    let memory: [(&str, Figure, Way); 2] = [
        ("native", |point| point.native_rss_bytes / 1e6, Way::Native),
        ("added", |point| point.added_rss_bytes() / 1e6, Way::Bare),
    ];
    for (row, series) in all.iter().enumerate() {
        let y = TOP + row as f64 * PANEL.1;
        panel(&mut drawing, (0.0, y), series, "CPU ns a pair", &time);
        panel(&mut drawing, (PANEL.0, y), series, "peak RSS, MB", &memory);
    }
    drawing.finish()
}

fn panel(drawing: &mut Drawing, (x, y): (f64, f64), series: &Series, name: &str, curves: &[(&str, Figure, Way)]) {
    let (left, right, top, bottom) = (x + 60.0, x + PANEL.0 - 20.0, y + 24.0, y + PANEL.1 - 40.0);
    let across = Scale::over(series.points.iter().map(|point| point.at as f64), (left, right));
    let figures = curves.iter().flat_map(|curve| series.points.iter().map(|point| (curve.1)(point)));
    let up = Scale::over(figures, (bottom, top));
    drawing.text((left, y + 16.0), 12.0, Anchor::Start, &format!("{name}, against {}", series.unit));
    for mark in across.marks() {
        drawing.line(&[(across.at(mark), top), (across.at(mark), bottom)], "#dddddd", 1.0);
        drawing.text((across.at(mark), bottom + 14.0), 10.0, Anchor::Middle, &power(mark));
    }
    for mark in up.marks() {
        drawing.line(&[(left, up.at(mark)), (right, up.at(mark))], "#dddddd", 1.0);
        drawing.text((left - 5.0, up.at(mark) + 3.0), 10.0, Anchor::End, &power(mark));
    }
    for (number, (name, figure, way)) in curves.iter().enumerate() {
        // What is not above zero has no place on a logarithmic axis.
        let shown = series.points.iter().filter(|point| figure(point) > 0.0);
        let points: Vec<(f64, f64)> =
            shown.clone().map(|point| (across.at(point.at as f64), up.at(figure(point)))).collect();
        drawing.line(&points, colour(*way), 2.0);
        for (place, point) in points.iter().zip(shown) {
            drawing.dot(*place, colour(*way), &format!("{name}, {}: {:.1}", point.at, figure(point)));
        }
        let x = left + 90.0 * number as f64;
        drawing.bar([x, bottom + 22.0, 10.0, 10.0], colour(*way), name);
        drawing.text((x + 14.0, bottom + 31.0), 10.0, Anchor::Start, name);
    }
}

/// From `0.001` to `1000` as they are, others as powers.
fn power(value: f64) -> String {
    let exponent = value.log10().round();
    if (-3.0..=3.0).contains(&exponent) { format!("{}", (value * 1e3).round() / 1e3) } else { format!("10^{exponent}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{lines, setting};

    #[test]
    fn every_row_and_way_is_in_the_picture_and_names_are_text() {
        let mut lines = lines().to_vec();
        lines[1].row.name = "<b>&".to_owned();
        let file = speed(&setting(), &lines);
        for text in [">python<", "python, heaptrack: 5.00 (5.00–5.00)", "failed (status 7)", "&lt;b&gt;&amp;"] {
            assert!(file.contains(text), "{text}\n{file}");
        }
        assert!(!file.contains("<b>") && !file.contains("<a>"));
    }

    #[test]
    fn a_scale_goes_by_powers() {
        let scale = Scale::over([2.0, 500.0].into_iter(), (0.0, 300.0));
        assert_eq!((scale.at(1.0), scale.at(10.0).round(), scale.at(1000.0)), (0.0, 100.0, 300.0));
        assert_eq!(scale.marks(), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(Scale::over([].into_iter(), (0.0, 1.0)).marks(), [1.0, 10.0]);
    }

    #[test]
    fn growth_has_a_curve_for_each_figure() {
        let point =
            |at| Point { at, native_ns: 20.0, memtrace_ns: 15.0, native_rss_bytes: 1e6, memtrace_rss_bytes: 3e6 };
        let series = Series { name: "depth", unit: "frames", points: vec![point(1), point(10)], stopped: None };
        let file = growth(&setting(), &[series]);
        assert_eq!(file.matches("<circle").count(), 6, "what memtrace seems to save is not drawn\n{file}");
    }
}
