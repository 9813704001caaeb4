//! What is asked of memtrace, and whether it was met.

use crate::lines::Line;
use crate::way::Way;

/// What is measured for a target.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Measure {
    /// CPU time against native.
    Ratio,
    /// The same with sampling.
    SampledRatio,
    /// Instructions with sampling, against native.
    SampledInstructions,
    /// Added nanoseconds of CPU time a pair.
    AddedNs,
    /// Added instructions a pair.
    AddedInstructions,
    /// Added time a pair against what one thread adds.
    AgainstOneThread,
    /// Added CPU time as a part of heaptrack's.
    AgainstHeaptrack,
    /// Peak RSS against native, and megabytes on top (for the limit, for the aim).
    RssOver {
        /// 10^6 bytes each.
        mb: (f64, f64),
    },
    /// Seconds that the report at the end takes.
    ReportSeconds,
    /// Added milliseconds of CPU time a start. Nothing waits there, and a busy machine does not show.
    AddedMs,
}

/// What is asked of a measure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Target {
    /// Of what.
    pub measure: Measure,
    /// Above this it is missed.
    pub at_most: f64,
    /// What is aimed for.
    pub aim: f64,
}

/// A target with what was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// The row's name.
    pub row: String,
    /// What was measured, in words with its unit.
    pub measure: &'static str,
    /// The figure; `None`: not measured in this run.
    pub found: Option<f64>,
    /// The limit in the same unit.
    pub at_most: f64,
    /// The aim in the same unit.
    pub aim: f64,
}

impl Verdict {
    /// `met`, `missed`, or a dash for what was not measured.
    pub fn mark(&self, bound: f64) -> &'static str {
        match self.found {
            None => "–",
            Some(found) if found <= bound => "met",
            Some(_) => "missed",
        }
    }
}

/// All targets of the lines, in order.
pub fn verdicts(lines: &[Line]) -> Vec<Verdict> {
    let of = |line: &Line| line.row.targets.iter().map(|target| verdict(*target, line, lines)).collect::<Vec<_>>();
    lines.iter().flat_map(of).collect()
}

fn verdict(target: Target, line: &Line, lines: &[Line]) -> Verdict {
    let native_mb = line.rss_bytes(Way::Native).unwrap_or(0.0) / 1e6;
    let (at_most, aim) = match target.measure {
        Measure::RssOver { mb } => (target.at_most * native_mb + mb.0, target.aim * native_mb + mb.1),
        _ => (target.at_most, target.aim),
    };
    let found = found(target.measure, line, lines);
    Verdict { row: line.row.name.clone(), measure: words(target.measure), found, at_most, aim }
}

fn found(measure: Measure, line: &Line, lines: &[Line]) -> Option<f64> {
    match measure {
        Measure::Ratio => Some(line.ratio(Way::Bare)?.median),
        Measure::SampledRatio => Some(line.ratio(Way::Sampled)?.median),
        Measure::AddedNs => Some(line.added_s(Way::Bare)?.median * 1e9),
        Measure::AddedInstructions => line.counted(Way::Bare)?.as_ref().ok().copied(),
        Measure::SampledInstructions => line.counted(Way::Sampled)?.as_ref().ok().copied(),
        Measure::AgainstOneThread => {
            let (alone, _) = line.row.name.rsplit_once("-t")?;
            let one = lines.iter().find(|line| line.row.name == alone)?;
            Some(line.added_s(Way::Bare)?.median / one.added_s(Way::Bare)?.median)
        }
        Measure::AgainstHeaptrack => line.against_heaptrack(Way::Bare),
        Measure::RssOver { .. } => Some(line.rss_bytes(Way::Bare)? / 1e6),
        Measure::ReportSeconds => Some(line.report_s()?.median),
        Measure::AddedMs => Some(line.added_s(Way::Bare)?.median * 1e3),
    }
}

fn words(measure: Measure) -> &'static str {
    match measure {
        Measure::Ratio => "CPU, × native",
        Measure::SampledRatio => "CPU when sampled, × native",
        Measure::SampledInstructions => "instructions when sampled, × native",
        Measure::AddedNs => "added ns a pair",
        Measure::AddedInstructions => "added instructions a pair",
        Measure::AgainstOneThread => "added a pair, × one thread's",
        Measure::AgainstHeaptrack => "added CPU, × heaptrack's",
        Measure::RssOver { .. } => "peak RSS, MB",
        Measure::ReportSeconds => "report at the end, s",
        Measure::AddedMs => "added ms a start",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::tests::line;

    #[test]
    fn a_ratio_at_its_limit_is_met_and_one_above_is_missed() {
        let verdict = |cpu: f64| {
            let lines = [line("python", &[(Way::Native, &[1.0]), (Way::Bare, &[cpu])])];
            verdicts(&lines).into_iter().next().unwrap()
        };
        let (at, above) = (verdict(1.35), verdict(1.36));
        assert_eq!((at.mark(at.at_most), at.mark(at.aim)), ("met", "missed"));
        assert_eq!(above.mark(above.at_most), "missed");
    }

    #[test]
    fn what_was_not_measured_is_neither() {
        let verdicts = verdicts(&[line("python", &[(Way::Native, &[1.0])])]);
        assert_eq!(verdicts.len(), line("python", &[]).row.targets.len());
        assert!(verdicts.iter().all(|verdict| verdict.mark(verdict.at_most) == "–"));
    }

    #[test]
    fn the_bound_on_rss_has_a_part_that_does_not_grow() {
        let lines = [line("python", &[(Way::Native, &[1.0]), (Way::Bare, &[1.5])])];
        let rss = verdicts(&lines).into_iter().find(|verdict| verdict.measure.contains("RSS")).unwrap();
        assert_eq!((rss.found, rss.at_most, rss.aim), (Some(15.0), 17.0, 14.0));
    }

    #[test]
    fn four_threads_are_compared_with_one() {
        let one = line("churn-d20", &[(Way::Native, &[1.0]), (Way::Bare, &[2.0])]);
        let four = line("churn-d20-t4", &[(Way::Native, &[1.0]), (Way::Bare, &[2.5])]);
        let found = verdicts(&[one, four]);
        assert_eq!(found.iter().find(|verdict| verdict.measure.contains("one thread")).unwrap().found, Some(1.5));
    }
}
