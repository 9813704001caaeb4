//! What became of a case of a report: it fails for errors, is skipped for what is accepted, and tells the rest.

use super::model::{Case, Item, Level, Report};

/// What became of a case.
pub struct State<'r> {
    /// Findings for which it fails.
    pub errors: Vec<&'r Item<'r>>,
    /// Findings that are told only.
    pub others: Vec<&'r Item<'r>>,
    /// Why it does not count: it was not tried, or all that was found is accepted.
    pub skipped: Option<String>,
    /// It fails for this.
    pub failure: Option<&'r str>,
}

impl<'r> State<'r> {
    /// Whether it fails.
    pub fn fails(&self) -> bool {
        self.failure.is_some() || !self.errors.is_empty()
    }

    /// Of a case.
    pub fn of(case: &'r Case, report: &'r Report<'r>) -> State<'r> {
        let items = case.items.iter().filter_map(|&place| report.items.get(place));
        let (accepted, open): (Vec<&Item>, Vec<&Item>) = items.partition(|item| item.accepted.is_some());
        let (errors, others): (Vec<&Item>, Vec<&Item>) = open.into_iter().partition(|item| item.level == Level::Error);
        let failure = case.failure.as_deref();
        let skipped = if failure.is_some() || !errors.is_empty() {
            None
        } else if accepted.is_empty() {
            case.skipped.map(str::to_owned)
        } else {
            let reasons =
                accepted.iter().filter_map(|item| Some(format!("{} ({})", item.accepted.as_ref()?, item.title)));
            Some(reasons.collect::<Vec<_>>().join("; "))
        };
        State { errors, others, skipped, failure }
    }
}
