//! What was measured: a line for each row, a cell for each way, and the figures that follow from them.
//!
//! Ratios and differences are taken within a round, against that round's native run; then comes the median.

use crate::rows::Row;
use crate::run::Took;
use crate::stats::{Spread, spread};
use crate::way::Way;

/// One run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// In which round.
    pub round: usize,
    /// What it took.
    pub took: Took,
    /// How many pairs, starts or works it did.
    pub units: f64,
}

/// One row done one way.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// It ran to its end, once or more.
    Measured(Vec<Sample>),
    /// Why there is no figure, as the table says it.
    Nothing(String),
}

/// One row, measured.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was done.
    pub row: Row,
    /// Each way that was asked for, native first.
    pub cells: Vec<(Way, Cell)>,
    /// What callgrind counted, by `Row::counts`: added instructions a pair, or those of the work against native's; or why
    /// there is no figure.
    pub instructions: Vec<(Way, Result<f64, String>)>,
}

impl Line {
    /// The cell of a way.
    pub fn cell(&self, way: Way) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.0 == way).map(|cell| &cell.1)
    }

    /// The runs of a way.
    pub fn samples(&self, way: Way) -> &[Sample] {
        match self.cell(way) {
            Some(Cell::Measured(samples)) => samples,
            _ => &[],
        }
    }

    /// A figure of a way and another way's in the same round.
    fn paired(&self, way: Way, other: Way, figure: impl Fn(&Sample, &Sample) -> f64) -> Option<Spread> {
        let others = self.samples(other);
        let pair = |sample: &Sample| {
            let other = others.iter().find(|other| other.round == sample.round)?;
            Some(figure(sample, other))
        };
        spread(self.samples(way).iter().filter_map(pair))
    }

    /// CPU time against native.
    pub fn ratio(&self, way: Way) -> Option<Spread> {
        self.paired(way, Way::Native, |sample, native| sample.cpu_each() / native.cpu_each())
    }

    /// Added CPU time, in seconds a unit.
    pub fn added_s(&self, way: Way) -> Option<Spread> {
        self.paired(way, Way::Native, |sample, native| sample.cpu_each() - native.cpu_each())
    }

    /// Added time from start to end, in seconds a unit.
    pub fn added_wall_s(&self, way: Way) -> Option<Spread> {
        self.paired(way, Way::Native, |sample, native| {
            sample.took.wall_s / sample.units - native.took.wall_s / native.units
        })
    }

    /// How long the end takes with a report, more than without one, in seconds.
    pub fn report_s(&self) -> Option<Spread> {
        self.paired(Way::Report, Way::Bare, |report, bare| report.took.wall_s - bare.took.wall_s)
    }

    /// Added CPU time as a part of what heaptrack adds.
    pub fn against_heaptrack(&self, way: Way) -> Option<f64> {
        Some(self.added_s(way)?.median / self.added_s(Way::Heaptrack)?.median)
    }

    /// CPU seconds of a run.
    pub fn cpu_s(&self, way: Way) -> Option<Spread> {
        spread(self.samples(way).iter().map(|sample| sample.took.cpu_s))
    }

    /// Peak RSS in bytes.
    pub fn rss_bytes(&self, way: Way) -> Option<f64> {
        Some(spread(self.samples(way).iter().map(|sample| sample.took.rss_bytes as f64))?.median)
    }

    /// Bytes that the way left in files.
    pub fn output_bytes(&self, way: Way) -> Option<f64> {
        Some(spread(self.samples(way).iter().map(|sample| sample.took.output_bytes as f64))?.median)
    }

    /// What callgrind counted of a way.
    pub fn counted(&self, way: Way) -> Option<&Result<f64, String>> {
        self.instructions.iter().find(|found| found.0 == way).map(|found| &found.1)
    }

    /// Why there is no figure.
    pub fn nothing(&self, way: Way) -> &str {
        match self.cell(way) {
            Some(Cell::Nothing(why)) => why,
            _ => "",
        }
    }
}

impl Sample {
    /// CPU seconds a unit.
    pub fn cpu_each(&self) -> f64 {
        self.took.cpu_s / self.units
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::rows;

    /// A line of a row with runs of so many CPU seconds.
    pub fn line(name: &str, ways: &[(Way, &[f64])]) -> Line {
        let row = rows::all(false).into_iter().find(|row| row.name == name).expect("there is such a row");
        let samples = |cpu: &[f64]| {
            let sample = |(round, &cpu_s)| Sample {
                round,
                took: Took { cpu_s, wall_s: cpu_s * 2.0, rss_bytes: (cpu_s * 1e7) as u64, output_bytes: 5 },
                units: 1.0,
            };
            Cell::Measured(cpu.iter().enumerate().map(sample).collect())
        };
        let cells = ways.iter().map(|&(way, cpu)| (way, samples(cpu))).collect();
        Line { row, cells, instructions: Vec::new() }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let line = line("python", &[(Way::Native, &[1.0, 2.0, 4.0]), (Way::Bare, &[1.5, 2.0, 5.0])]);
        let ratio = line.ratio(Way::Bare).unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (1.25, 1.0, 1.5));
        assert_eq!(line.added_s(Way::Bare).unwrap().median, 0.5);
        assert_eq!(line.ratio(Way::Lsan), None);
    }

    #[test]
    fn a_peer_that_ran_once_is_compared_with_that_round() {
        let line = line("python", &[(Way::Native, &[1.0, 9.0]), (Way::Bare, &[1.5, 9.5]), (Way::Heaptrack, &[6.0])]);
        assert_eq!(line.ratio(Way::Heaptrack).unwrap().median, 6.0);
        assert_eq!(line.against_heaptrack(Way::Bare), Some(0.1));
    }

    #[test]
    fn fewer_pairs_cost_the_same_by_the_pair() {
        let mut line = line("churn-d20", &[(Way::Native, &[2.0]), (Way::Jemalloc, &[1.0])]);
        let Cell::Measured(samples) = &mut line.cells[1].1 else { panic!() };
        samples[0].units = 0.25;
        assert_eq!(line.ratio(Way::Jemalloc).unwrap().median, 2.0);
    }
}
