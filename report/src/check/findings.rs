//! What is found in processes: leaks, growth, and budgets that are passed, each place once for all processes.
//!
//! ```text
//!   processes ──rows, trails──▶ leaks by fingerprint ─┐
//!            └─checkpoints────▶ growth ───────────────┼─▶ Vec<Finding>
//!            ├─sites, peaks───▶ budgets of places ────┤
//!            └─`heap`─────────▶ heap errors ──────────┘
//! ```

use std::collections::{BTreeMap, HashMap};

use memtrace_wire::leaks::Kinds;

use super::fingerprint::{Told, Trail, site};
use super::frames::{Whose, module_of, told_frames};
use super::growth;
use super::model::{Finding, Had, Rule, State, Step};
use super::policy::{Policy, Scope};
use crate::profile::leaks::{Kind, Sum};
use crate::profile::{Frame, Process};
use crate::text::{bytes_in, scaled, thousands};
use crate::views::leaks::{LeakRow, last_word, rows};
use crate::views::{Choice, base_name};

/// Frames of a stack that are kept: all that memtrace records, with what is inlined into them.
const FRAMES_MAX: usize = 4096;
/// Kinds of a leak that a trail is told by, the worst first.
const RULES: [(Kind, Rule); 4] = [
    (Kind::Definite, Rule::DefinitelyLost),
    (Kind::Possible, Rule::PossiblyLost),
    (Kind::Indirect, Rule::IndirectlyLost),
    (Kind::Reachable, Rule::StillReachable),
];

/// Whose leaks count.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'p> {
    /// Modules and files that the policy names.
    pub scope: &'p Scope,
    /// Without such: only stacks with code of the project's.
    pub wants_own: bool,
    /// Without such: all stacks. Else those of CPython count only with code of an extension that is no part of it.
    pub any_code: bool,
}

impl Reach<'_> {
    /// Whether a frame makes its stack count.
    pub fn has(&self, process: &Process, whose: Whose, frame: &Frame) -> bool {
        if !self.scope.is_whole() {
            return self.scope.has_frame(module_of(process, frame), frame.file.as_deref());
        }
        // A stack that was cut may have had such code.
        frame.kind == "cut" || whose == Whose::Own
    }

    /// Whether a stack counts.
    pub fn takes(&self, process: &Process, stack: u32) -> bool {
        (self.scope.is_whole() && (self.any_code || !self.wants_own && process.python.is_none()))
            || told_frames(process, stack).any(|(whose, frame)| self.has(process, whose, frame))
    }
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// Leaks, growth and places over their budgets.
    pub findings: Vec<Finding>,
    /// Rows of leaks without code that counts.
    pub foreign: Sum,
    /// Their number.
    pub foreign_count: u64,
    /// Hidden by suppressions.
    pub suppressed: Sum,
    /// Processes with more than one checkpoint.
    pub with_checkpoints: usize,
}

/// Looks through the processes that count.
pub fn find(processes: &[&Process], policy: &Policy, reach: Reach) -> Found {
    let mut found = Found::default();
    let mut leaks: BTreeMap<Trail, Gathered> = BTreeMap::new();
    let mut places: BTreeMap<Trail, Place> = BTreeMap::new();
    let mut foreign: HashMap<Trail, ()> = HashMap::new();
    let wants_places = policy.site.peak.is_some() || policy.site.allocations.is_some();
    for &process in processes {
        let mut trails = Trails::new(process, reach);
        if let Some(check) = last_word(process) {
            let hidden = check.summary.suppressed;
            found.suppressed.add(hidden.blocks, hidden.bytes);
            for row in rows(process, check, policy.kinds, &Choice::default()).rows {
                match trails.of(row.stack) {
                    (trail, true) => leaks.entry(trail).or_default().add(process, &row),
                    (trail, false) => {
                        found.foreign.add(row.direct.blocks, row.all_bytes());
                        foreign.insert(trail, ());
                    }
                }
            }
        }
        if let Some(limit) = policy.growth {
            let grown = growth::of(process, limit, |stack| trails.of(stack));
            found.with_checkpoints += usize::from(grown.is_some());
            found.findings.extend(grown.into_iter().flatten().map(|grown| growth(process, reach, grown, limit)));
        }
        if wants_places {
            for site in &process.sites {
                if let (trail, true) = trails.of(site.stack) {
                    places.entry(trail).or_default().add(process, site);
                }
            }
        }
    }
    found.foreign_count = foreign.len() as u64;
    found.findings.extend(leaks.into_iter().map(|(trail, gathered)| gathered.finding(trail, policy.kinds, reach)));
    found.findings.extend(places.into_iter().flat_map(|(trail, place)| place.breaches(&trail, policy, reach)));
    found
}

/// The trails of a process's stacks, each made once, and whether they count.
struct Trails<'p> {
    process: &'p Process,
    reach: Reach<'p>,
    told: Told<'p>,
    known: HashMap<u32, (Trail, bool)>,
}

impl<'p> Trails<'p> {
    fn new(process: &'p Process, reach: Reach<'p>) -> Trails<'p> {
        Trails { process, reach, told: Told::of(process), known: HashMap::new() }
    }

    fn of(&mut self, stack: u32) -> (Trail, bool) {
        let make = || (self.told.trail(stack), self.reach.takes(self.process, stack));
        self.known.entry(stack).or_insert_with(make).clone()
    }
}

/// The leaks of one trail.
#[derive(Default)]
struct Gathered<'p> {
    by_kind: BTreeMap<Kind, (Sum, Sum)>,
    had: Vec<Had>,
    /// The row with the most bytes is shown.
    largest: Option<(u64, &'p Process, u32)>,
}

impl<'p> Gathered<'p> {
    fn add(&mut self, process: &'p Process, row: &LeakRow) {
        let (direct, indirect) = self.by_kind.entry(row.kind).or_default();
        direct.add(row.direct.blocks, row.direct.bytes);
        indirect.add(row.indirect.blocks, row.indirect.bytes);
        add_to(&mut self.had, process, row.direct.blocks, row.all_bytes());
        if self.largest.is_none_or(|(bytes, ..)| row.all_bytes() > bytes) {
            self.largest = Some((row.all_bytes(), process, row.stack));
        }
    }

    fn finding(self, trail: Trail, kinds: Kinds, reach: Reach) -> Finding {
        let worst = RULES.into_iter().find(|(kind, _)| self.by_kind.contains_key(kind) && kinds.has(kind.verdict()));
        let (_, rule) = worst.unwrap_or((Kind::Definite, Rule::DefinitelyLost));
        let (mut direct, mut indirect) = (Sum::default(), Sum::default());
        for (own, behind) in self.by_kind.values() {
            direct.add(own.blocks, own.bytes);
            indirect.add(behind.blocks, behind.bytes);
        }
        let site = self.largest.map(|(_, process, stack)| site(process, stack)).unwrap_or_default();
        let all = direct.bytes.saturating_add(indirect.bytes);
        let of_them = if indirect.blocks == 0 {
            String::new()
        } else {
            format!(" ({} direct, {} indirect)", thousands(direct.bytes), thousands(indirect.bytes))
        };
        let (size, blocks) = (scaled(all), crate::text::count(direct.blocks, "block"));
        let is = if direct.blocks == 1 { "is" } else { "are" };
        let words = rule.id().replace('-', " ");
        Finding {
            title: format!("{size}{of_them} in {blocks} {is} {words}, allocated in {site}"),
            site: Some(site),
            blocks: direct.blocks,
            bytes: direct.bytes,
            indirect_blocks: indirect.blocks,
            indirect_bytes: indirect.bytes,
            processes: self.had,
            stack: self.largest.map(|(_, process, stack)| steps(process, stack, reach)).unwrap_or_default(),
            ..blank(rule, trail)
        }
    }
}

/// Adds to what a process has of a finding.
pub fn add_to(had: &mut Vec<Had>, process: &Process, blocks: u64, bytes: u64) {
    match had.last_mut().filter(|last| last.pid == process.pid && last.exe == process.exe) {
        Some(last) => {
            (last.blocks, last.bytes) = (last.blocks.saturating_add(blocks), last.bytes.saturating_add(bytes));
        }
        None => had.push(Had { pid: process.pid, exe: process.exe.clone(), blocks, bytes }),
    }
}

/// A finding without numbers.
pub fn blank(rule: Rule, trail: Trail) -> Finding {
    Finding {
        fingerprint: trail.fingerprint(),
        rule,
        state: State::New,
        fails: false,
        title: String::new(),
        site: None,
        blocks: 0,
        bytes: 0,
        indirect_blocks: 0,
        indirect_bytes: 0,
        limit: None,
        before: None,
        baseline: None,
        trail: trail.0,
        stack: Vec::new(),
        related: Vec::new(),
        processes: Vec::new(),
        accepted: None,
    }
}

/// The frames of a stack, as they are told.
pub fn steps(process: &Process, stack: u32, reach: Reach) -> Vec<Step> {
    let step = |(whose, frame): (Whose, &Frame)| Step {
        function: match frame.kind.as_str() {
            "cut" => Some(format!("[cut: {}]", frame.function.as_deref().unwrap_or("unknown reason"))),
            "tag" => Some(format!("[in region {}]", frame.function.as_deref().unwrap_or("???"))),
            _ => frame.function.clone(),
        },
        file: frame.file.clone(),
        line: frame.line,
        module: module_of(process, frame).map(str::to_owned),
        offset: frame.offset,
        type_name: frame.type_name.clone(),
        own: frame.kind != "cut" && reach.has(process, whose, frame),
        whose,
    };
    told_frames(process, stack).take(FRAMES_MAX).map(step).collect()
}

fn growth(process: &Process, reach: Reach, grown: growth::Grown, limit: u64) -> Finding {
    let site = site(process, grown.stack);
    let (first, last) = (grown.first, grown.last);
    let more = last.bytes.saturating_sub(first.bytes);
    let between = crate::text::count(grown.checkpoints, "checkpoint");
    let exe = base_name(&process.exe);
    let mut had = Vec::new();
    add_to(&mut had, process, last.blocks, last.bytes);
    let trail = Trail(std::iter::once("growth".to_owned()).chain(grown.trail.0).collect());
    Finding {
        title: format!(
            "{} more after {between} in {exe}, and more at each of them, allocated in {site}: {}, then {}",
            scaled(more),
            bytes_in(first.bytes, first.blocks, "block"),
            bytes_in(last.bytes, last.blocks, "block")
        ),
        site: Some(site),
        blocks: last.blocks.saturating_sub(first.blocks),
        bytes: more,
        limit: Some(limit),
        stack: steps(process, grown.stack, reach),
        processes: had,
        ..blank(Rule::Growth, trail)
    }
}

/// What one trail allocated.
#[derive(Default)]
struct Place<'p> {
    allocations: u64,
    peak_bytes: u64,
    peak: Option<(&'p Process, u32)>,
    had: Vec<Had>,
}

impl<'p> Place<'p> {
    fn add(&mut self, process: &'p Process, site: &crate::profile::Site) {
        self.allocations = self.allocations.saturating_add(site.total_blocks);
        if self.peak.is_none() || site.peak_bytes > self.peak_bytes {
            (self.peak_bytes, self.peak) = (site.peak_bytes, Some((process, site.stack)));
        }
        add_to(&mut self.had, process, site.total_blocks, site.total_bytes);
    }

    fn breaches(&self, trail: &Trail, policy: &Policy, reach: Reach) -> Vec<Finding> {
        let Some((process, stack)) = self.peak else { return Vec::new() };
        let place = site(process, stack);
        let finding = |rule: Rule, name: &str, limit: u64, title: String| Finding {
            title,
            site: Some(place.clone()),
            limit: Some(limit),
            stack: steps(process, stack, reach),
            processes: self.had.clone(),
            ..blank(rule, Trail(std::iter::once(name.to_owned()).chain(trail.0.iter().cloned()).collect()))
        };
        let mut breaches = Vec::new();
        if let Some(limit) = policy.site.peak.filter(|&limit| self.peak_bytes > limit) {
            let (peak, allowed) = (scaled(self.peak_bytes), scaled(limit));
            let title = format!("{place} had {peak} live at once, {allowed} are allowed for one place");
            breaches
                .push(Finding { bytes: self.peak_bytes, ..finding(Rule::PeakBudget, "peak of a place", limit, title) });
        }
        if let Some(limit) = policy.site.allocations.filter(|&limit| self.allocations > limit) {
            let (made, allowed) = (crate::text::count(self.allocations, "allocation"), thousands(limit));
            let title = format!("{place} made {made}, {allowed} are allowed for one place");
            breaches.push(Finding {
                blocks: self.allocations,
                ..finding(Rule::AllocationBudget, "allocations of a place", limit, title)
            });
        }
        breaches
    }
}
