//! The kinds of findings, the worst first, and what they mean.

use serde::Serialize;

/// What kind of finding.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The heap was used as it must not be.
    HeapError,
    /// Nothing points to it.
    DefinitelyLost,
    /// Only pointers behind its start lead there.
    PossiblyLost,
    /// Only lost blocks point to it.
    IndirectlyLost,
    /// The program holds it at its end.
    StillReachable,
    /// It grew from checkpoint to checkpoint.
    Growth,
    /// More leaked than is allowed.
    LeakBudget,
    /// More was live than is allowed.
    PeakBudget,
    /// More was allocated than is allowed.
    AllocationBudget,
}

impl Rule {
    /// All, the worst first.
    pub const ALL: [Rule; 9] = [
        Rule::HeapError,
        Rule::DefinitelyLost,
        Rule::PossiblyLost,
        Rule::IndirectlyLost,
        Rule::StillReachable,
        Rule::Growth,
        Rule::LeakBudget,
        Rule::PeakBudget,
        Rule::AllocationBudget,
    ];

    /// Its name.
    pub fn id(self) -> &'static str {
        match self {
            Rule::HeapError => "heap-error",
            Rule::DefinitelyLost => "definitely-lost",
            Rule::PossiblyLost => "possibly-lost",
            Rule::IndirectlyLost => "indirectly-lost",
            Rule::StillReachable => "still-reachable",
            Rule::Growth => "growth",
            Rule::LeakBudget => "leak-budget",
            Rule::PeakBudget => "peak-budget",
            Rule::AllocationBudget => "allocation-budget",
        }
    }

    /// What it means, in a sentence without its subject.
    pub fn text(self) -> &'static str {
        match self {
            Rule::HeapError => {
                "memory was freed that is none, or in a way that it must not be, or written to behind its end"
            }
            Rule::DefinitelyLost => "memory was allocated, and nothing points to it any more",
            Rule::PossiblyLost => "memory was allocated, and only pointers behind its start lead there",
            Rule::IndirectlyLost => "memory was allocated, and only lost memory points to it",
            Rule::StillReachable => "memory was allocated, and the program still holds it at its end",
            Rule::Growth => "what this place has live grows from checkpoint to checkpoint",
            Rule::LeakBudget => "more memory leaks than the policy allows",
            Rule::PeakBudget => "more memory was live at once than the policy allows",
            Rule::AllocationBudget => "more allocations were made than the policy allows",
        }
    }

    /// Whether rules and baselines may accept it.
    pub fn is_acceptable(self) -> bool {
        self.is_leak() || self == Rule::HeapError
    }

    /// Whether it is a leak of one place.
    pub fn is_leak(self) -> bool {
        matches!(self, Rule::DefinitelyLost | Rule::PossiblyLost | Rule::IndirectlyLost | Rule::StillReachable)
    }
}
