//! The rounds of the benchmark: each row natively and in all its ways in turn, several times over.
//!
//! ```text
//!   row ─▶ native (unmeasured) ─▶ round 0: native, memtrace, …, peers ─▶ round 1: … ─▶ instructions
//! ```
//!
//! Invariants:
//! - native and a way are compared within a round, so that a machine that gets busy spoils one round, not one way;
//! - whatever fails is a cell that says so, and the table goes on.

use crate::instructions;
use crate::kit::Kit;
use crate::lines::{Cell, Line, Sample};
use crate::place::Place;
use crate::rows::{Counts, Row, Unit};
use crate::run::Runner;
use crate::way::{Tools, Way};

/// A peer that takes longer than this is run in one round only.
const SLOW_S: f64 = 4.0;

/// What is needed to measure.
#[derive(Debug)]
pub struct Bench<'p> {
    /// Where.
    pub place: &'p Place,
    /// Programs and data.
    pub kit: &'p Kit<'p>,
    /// The pair and the peers.
    pub tools: &'p Tools,
    /// What starts them.
    pub runner: Runner<'p>,
    /// How often.
    pub rounds: usize,
    /// In how many of them the peers are run.
    pub peer_rounds: usize,
    /// Says on stderr what is being done.
    pub is_talking: bool,
}

impl Bench<'_> {
    /// One row in these ways, of which native is the first.
    pub fn line(&self, row: &Row, ways: &[Way]) -> Line {
        let ways: Vec<Way> = ways.iter().copied().filter(|&way| way != Way::Report || row.measures_report).collect();
        self.say(&format!("{}: ", row.name));
        let cells = match self.once(row, Way::Native) {
            Ok(_) => self.rounds(row, &ways),
            Err(why) => ways.iter().map(|&way| (way, Cell::Nothing(first_line(&why)))).collect(),
        };
        let instructions = self.instructions(row, &ways);
        self.say("\n");
        Line { row: row.clone(), cells, instructions }
    }

    fn rounds(&self, row: &Row, ways: &[Way]) -> Vec<(Way, Cell)> {
        let mut cells: Vec<(Way, Cell)> = ways.iter().map(|&way| (way, Cell::Measured(Vec::new()))).collect();
        for round in 0..self.rounds {
            for (way, cell) in &mut cells {
                let Cell::Measured(samples) = cell else { continue };
                let is_slow = samples.iter().any(|sample| sample.took.wall_s > SLOW_S);
                if way.is_peer() && (is_slow || round >= self.peer_rounds) {
                    continue;
                }
                match self.once(row, *way) {
                    Ok(sample) => samples.push(Sample { round, ..sample }),
                    Err(why) => *cell = Cell::Nothing(first_line(&why)),
                }
            }
            self.say(".");
        }
        cells
    }

    /// One run; the error is what the cell says.
    fn once(&self, row: &Row, way: Way) -> Result<Sample, String> {
        let (amount, times) = match row.unit {
            Unit::Whole => (row.amount, 1),
            Unit::Pairs => ((row.amount / way.share()).max(1), 1),
            Unit::Starts => (1, row.amount),
        };
        let units = match row.unit {
            Unit::Whole => 1,
            Unit::Pairs => amount,
            Unit::Starts => times,
        };
        let words = self.kit.words(&row.words, amount).inspect_err(|why| self.say(&format!("\n  {why}\n")))?;
        let clients: Result<Vec<_>, _> = row.clients.iter().map(|words| self.kit.words(words, amount)).collect();
        let start = self.tools.start(way, &words, &row.variables).map_err(str::to_owned)?;
        let took = self.runner.run(&start, times, &clients?).inspect_err(|why| {
            let errors = self.runner.errors();
            let last = errors.lines().rev().take(5).collect::<Vec<_>>();
            self.say(&format!("\n  {}: {why}\n", way.name()));
            last.iter().rev().for_each(|line| self.say(&format!("    {line}\n")));
        })?;
        Ok(Sample { round: 0, took, units: units as f64 })
    }

    fn instructions(&self, row: &Row, ways: &[Way]) -> Vec<(Way, Result<f64, String>)> {
        let chosen = |of: [Way; 2]| ways.iter().copied().filter(|way| of.contains(way)).collect::<Vec<_>>();
        let added = |way| (way, instructions::added(self.kit, self.place, self.tools, row, way));
        match row.counts {
            Counts::Nothing => Vec::new(),
            Counts::Pair => chosen([Way::Bare, Way::Heaptrack]).into_iter().map(added).collect(),
            Counts::Work => {
                let ways = chosen([Way::Bare, Way::Sampled]);
                instructions::against_native(self.kit, self.place, self.tools, row, &ways)
            }
        }
    }

    fn say(&self, text: &str) {
        if self.is_talking {
            eprint!("{text}");
        }
    }
}

/// What a cell has room for; the rest was said when it happened.
fn first_line(why: &str) -> String {
    why.lines().next().unwrap_or_default().chars().take(30).collect()
}
