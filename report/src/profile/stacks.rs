//! The stacks of one process: from the recording's trie to frames with a module, and then with names.
//!
//! ```text
//!   node ─▶ Place (kind, module, offset) ─▶ frames of the profile: one, or several where calls were inlined
//!   chain of nodes ─▶ stack: places, leaf first, each different stack once
//! ```
//!
//! Invariants:
//! - a chain goes from higher node numbers to lower ones only, so it ends;
//! - a module's address range counts only for the nodes that were made while it was loaded.

use std::collections::{BTreeMap, HashMap};

use memtrace_wire::layout::{frame, module_flags};

use super::mixed::Mixed;
use super::model::Frame;
use super::sources::{Source, Sources};
use crate::names::{Answers, ModuleKey, Name, Wanted, path_of};
use crate::recording::Process;
use crate::site::{Part, Wrappers};

/// Frames of all stacks of a process: 200,000 stacks of 300 frames. A damaged trie could ask for any number.
const ALL_FRAMES_MAX: usize = 1 << 26;

/// Reasons that stand beside the layout's `CUT_*`: no stack could be taken.
const CUT_NO_STACK: u64 = 0xfff0;
/// The recording's own trie leads nowhere.
const CUT_DAMAGED: u64 = 0xfff1;

/// What a node stands for, whatever its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    kind: u64,
    module: Option<u32>,
    /// See `model::Frame::offset`.
    offset: u64,
}

/// Where a frame is.
pub enum At<'s> {
    /// Module and offset in its file.
    Code(Option<&'s ModuleKey>, u64),
    /// What the program says.
    Source(&'s Source),
}

/// All different stacks of a process, without names yet.
pub struct Stacks {
    places: Vec<Place>,
    stacks: Vec<Vec<u32>>,
    /// The stack of each node that has one.
    by_node: HashMap<u32, u32>,
    /// The place of each frame that a way begins in, by its word.
    by_word: HashMap<u64, u32>,
    /// By place, its frame in the profile: of several the outermost, which is no inlined call. Known when all are named.
    frames: Vec<u32>,
    modules: Vec<ModuleKey>,
    sources: Sources,
    /// One of these may have been jumped to, so it does not say which function a source site is in.
    wrappers: Wrappers,
    /// References that led nowhere.
    pub damaged: u64,
}

impl Stacks {
    /// The stacks of all sites, faults and heap errors.
    pub fn of(process: &Process) -> Stacks {
        let sites = process.sites.iter().skip(1).filter(|site| site.total_count.get() > 0);
        let faults = process.faults.iter().filter(|fault| fault.ready.get() == 1);
        let nodes = sites.map(|site| site.node.get()).chain(faults.map(|fault| fault.node.get()));
        Self::of_chosen(process, nodes.chain(super::heap::nodes(process)))
    }

    /// The stacks that end at these nodes.
    pub fn of_chosen(process: &Process, nodes: impl Iterator<Item = u32>) -> Stacks {
        let mut places = Places { all: Vec::new(), numbers: HashMap::new() };
        let by_node = places.of_nodes(process);
        let no_stack = places.number(cut(CUT_NO_STACK));
        let damaged_place = places.number(cut(CUT_DAMAGED));
        let by_word = process.checks.frames().map(|word| (word, places.of_word(process, word))).collect();
        let key = |module: &memtrace_wire::layout::Module| ModuleKey {
            path: path_of(process.text(&module.path).unwrap_or_default()),
            build_id: build_id(module),
        };
        let mut stacks = Stacks {
            places: places.all,
            stacks: Vec::new(),
            by_node: HashMap::new(),
            by_word,
            frames: Vec::new(),
            modules: process.modules.iter().map(key).collect(),
            sources: Sources::of(process),
            wrappers: Wrappers::of(super::settings::value(process, "MEMTRACE_WRAPPERS").as_deref()),
            damaged: 0,
        };
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let (mixed, mut room) = (Mixed::of(process), ALL_FRAMES_MAX);
        let mut stack = Vec::new();
        for node in nodes {
            if stacks.by_node.contains_key(&node) {
                continue;
            }
            stack.clear();
            if !mixed.chain(&by_node, node, room, &mut stack) {
                stack.clear();
                stacks.damaged += 1;
                stack.push(damaged_place);
            }
            if node == 0 {
                stack.push(no_stack);
            }
            room = room.saturating_sub(stack.len());
            let number = known.get(&stack).copied().unwrap_or_else(|| {
                let next = stacks.stacks.len() as u32;
                stacks.stacks.push(stack.clone());
                known.insert(stack.clone(), next);
                next
            });
            stacks.by_node.insert(node, number);
        }
        stacks
    }

    /// The frames of a stack, innermost first. What is neither machine code nor a source site is left out.
    pub fn frames(&self, stack: u32) -> impl Iterator<Item = At<'_>> {
        let places = self.stacks.get(stack as usize).into_iter().flatten();
        places.filter_map(|&place| self.places.get(place as usize)).filter_map(|place| match place.kind {
            frame::NATIVE => Some(At::Code(self.key(place), place.offset)),
            frame::SOURCE => self.sources.get(place.offset).map(At::Source),
            _ => None,
        })
    }

    /// The stack that ends at a node; only those that were chosen.
    pub fn number(&self, node: u32) -> Option<u32> {
        self.by_node.get(&node).copied()
    }

    /// The frame in the profile of code that a way begins in; all are named.
    pub fn frame(&self, word: u64) -> Option<u32> {
        self.frames.get(*self.by_word.get(&word)? as usize).copied()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.stacks.len()
    }

    /// Adds the addresses that need names: those of the stacks that are `shown`, or all. Modules whose addresses need
    /// none are asked for too: whether they could be read is known only then.
    pub fn ask(&self, shown: Option<&[bool]>, requests: &mut HashMap<ModuleKey, Wanted>) {
        let mut is_shown = vec![shown.is_none(); self.places.len()];
        for (stack, _) in self.stacks.iter().zip(shown.unwrap_or(&[])).filter(|(_, is_shown)| **is_shown) {
            for &place in stack {
                is_shown[place as usize] = true;
            }
        }
        let mut by_module: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (place, is_shown) in self.places.iter().zip(is_shown) {
            if let (Some(module), Some(_)) = (place.module, self.key(place)) {
                by_module.entry(module).or_default().extend(is_shown.then_some(place.offset));
            }
        }
        for (module, addresses) in by_module {
            let Some(key) = self.module_key(module) else { continue };
            requests.entry(key.clone()).or_default().code.extend(addresses);
        }
    }

    /// Frames and stacks as they stand in a profile.
    pub fn named(&mut self, answers: &Answers) -> (Vec<Frame>, Vec<Vec<u32>>) {
        let mut frames = Vec::new();
        let mut unfolded: Vec<std::ops::Range<u32>> = Vec::new();
        for place in &self.places {
            let first = frames.len() as u32;
            let answer = self.key(place).and_then(|key| answers.get(key));
            let names =
                answer.as_ref().and_then(|answer| answer.names.get(&place.offset)).map_or(&[][..], |names| names);
            match place.kind {
                frame::SOURCE => {
                    frames.extend(place.frames(&[]).into_iter().map(|frame| self.sources.frame(place.offset, frame)))
                }
                frame::PYTHON => {
                    frames.extend(place.frames(&[]).into_iter().map(|frame| self.sources.python(place.offset, frame)))
                }
                frame::TAG => {
                    let function = self.sources.region(place.offset);
                    let region = |frame| Frame { function: function.clone(), offset: 0, ..frame };
                    frames.extend(place.frames(&[]).into_iter().map(region));
                }
                _ => frames.extend(place.frames(names)),
            }
            unfolded.push(first..frames.len() as u32);
        }
        self.frames = unfolded.iter().map(|frames| frames.end.saturating_sub(1)).collect();
        let unfold = |place: u32| unfolded.get(place as usize).cloned().unwrap_or_default();
        let is_nameless = |&place: &u32| {
            let place = self.places.get(place as usize).filter(|place| place.kind == frame::SOURCE);
            place.is_some_and(|place| self.sources.is_nameless(place.offset))
        };
        let is_region = |place: &u32| self.places.get(*place as usize).is_some_and(|place| place.kind == frame::TAG);
        let mut in_functions: HashMap<(u32, String), u32> = HashMap::new();
        let mut stacks: Vec<Vec<u32>> = Vec::with_capacity(self.stacks.len());
        for stack in &self.stacks {
            let mut of_stack: Vec<u32> = stack.iter().copied().flat_map(unfold).collect();
            // Regions stand in front of it, each of one frame.
            let tags = stack.iter().take_while(|place| is_region(place)).count();
            if let (Some(own), Some(caller)) =
                (stack.get(tags).filter(|place| is_nameless(place)), of_stack.get(tags + 1))
                && let Some(function) = frames.get(*caller as usize).and_then(|frame: &Frame| frame.function.clone())
                && self.wrappers.part(Some(&function), "") == Part::Own
            {
                let frame = frames.get(of_stack[tags] as usize).cloned();
                let next = frames.len() as u32;
                of_stack[tags] = *in_functions.entry((*own, function)).or_insert_with_key(|(_, function)| {
                    frames.extend(frame.map(|frame| Frame { function: Some(function.clone()), ..frame }));
                    next
                });
            }
            stacks.push(of_stack);
        }
        (frames, stacks)
    }

    /// What a module is asked for by, if it is asked for at all.
    pub fn module_key(&self, module: u32) -> Option<&ModuleKey> {
        self.modules.get(module as usize)
    }

    fn key(&self, place: &Place) -> Option<&ModuleKey> {
        if place.kind != frame::NATIVE {
            return None;
        }
        self.module_key(place.module?).filter(|key| key.path.as_os_str().len() > 1)
    }
}

struct Places {
    all: Vec<Place>,
    numbers: HashMap<Place, u32>,
}

impl Places {
    fn number(&mut self, place: Place) -> u32 {
        let next = self.all.len() as u32;
        *self.numbers.entry(place).or_insert_with(|| {
            self.all.push(place);
            next
        })
    }

    /// The place of each node; `None` for nodes in the shim. Goes through the nodes by number, as they were made,
    /// with the modules that were loaded then: `loaded` never holds two that overlap.
    fn of_nodes(&mut self, process: &Process) -> Vec<Option<u32>> {
        let mut changes: Vec<(u64, bool, usize)> = Vec::new();
        for (place, module) in process.modules.iter().enumerate() {
            changes.push((module.node_first.get(), true, place));
            if module.node_end.get() != 0 {
                changes.push((module.node_end.get(), false, place));
            }
        }
        // At one node number, what goes makes room for what comes.
        changes.sort_unstable();
        let mut changes = changes.into_iter().peekable();
        let mut loaded: BTreeMap<u64, usize> = BTreeMap::new();
        let mut places = Vec::with_capacity(process.nodes.len());
        for (number, node) in process.nodes.iter().enumerate() {
            while let Some((_, comes, place)) = changes.next_if(|change| change.0 <= number as u64) {
                let Some(module) = process.modules.get(place) else { continue };
                let start = module.start.get();
                if comes {
                    loaded.insert(start, place);
                } else if loaded.get(&start) == Some(&place) {
                    loaded.remove(&start);
                }
            }
            // `RETIRED` is no part of kind and address: the frame is named like any other.
            let word = node.frame.get();
            if frame::kind(word) == frame::WITH_PYTHON {
                places.push(None);
                continue;
            }
            if frame::kind(word) != frame::NATIVE {
                let offset = frame::address(word);
                places.push(Some(self.number(Place { kind: frame::kind(word), module: None, offset })));
                continue;
            }
            let address = code(word);
            let below = loaded.range(..=address).next_back().map(|entry| *entry.1);
            let module = below.and_then(|place| Some((place, process.modules.get(place)?)));
            let module = module.filter(|(_, module)| address < module.end.get());
            places.push(match module {
                Some((_, module)) if module.flags.get() & module_flags::SHIM != 0 => None,
                Some((place, module)) => {
                    let offset = address.wrapping_sub(module.bias.get());
                    Some(self.number(Place { kind: frame::NATIVE, module: Some(place as u32), offset }))
                }
                None => Some(self.number(Place { kind: frame::NATIVE, module: None, offset: address })),
            });
        }
        places
    }

    /// The place of a frame that was met when a check was made.
    fn of_word(&mut self, process: &Process, word: u64) -> u32 {
        let found = in_module(process, code(word));
        let (module, offset) = found.map_or((None, code(word)), |(module, offset)| (Some(module), offset));
        self.number(Place { kind: frame::NATIVE, module, offset })
    }
}

/// The address that is named for a native frame. A return address may be the first byte after its function: the call
/// is what is named.
pub(super) fn code(word: u64) -> u64 {
    frame::address(word).saturating_sub(u64::from(word & frame::EXACT == 0))
}

/// The module whose memory an address lies in, and the address as its file counts. One that was unloaded counts
/// where no other is.
pub fn in_module(process: &Process, at: u64) -> Option<(u32, u64)> {
    let modules = (0..).zip(&process.modules);
    let holds = modules.filter(|(_, module)| (module.start.get()..module.end.get()).contains(&at));
    let (place, module) = holds.max_by_key(|(place, module)| (module.node_end.get() == 0, *place))?;
    Some((place, at.wrapping_sub(module.bias.get())))
}

impl Place {
    /// As frames of a profile, innermost first.
    fn frames(&self, names: &[Name]) -> Vec<Frame> {
        let frame = |name: Name, inlined| Frame {
            kind: kind(self.kind).into(),
            module: self.module,
            offset: self.offset,
            function: name.function,
            linkage: name.linkage,
            file: name.file,
            line: name.line,
            inlined,
            type_name: None,
        };
        match (self.kind, names) {
            (frame::CUT, _) => {
                vec![frame(Name { function: Some(reason(self.offset).into()), ..Name::default() }, false)]
            }
            (_, []) => vec![frame(Name::default(), false)],
            (_, names) => {
                let last = names.len() - 1;
                names.iter().enumerate().map(|(place, name)| frame(name.clone(), place < last)).collect()
            }
        }
    }
}

const fn cut(reason: u64) -> Place {
    Place { kind: frame::CUT, module: None, offset: reason }
}

fn kind(kind: u64) -> &'static str {
    match kind {
        frame::NATIVE => "native",
        frame::SOURCE => "source",
        frame::PYTHON => "python",
        frame::TAG => "tag",
        frame::CUT => "cut",
        _ => "unknown",
    }
}

fn reason(cut: u64) -> &'static str {
    match frame::CUT << frame::KIND_SHIFT | cut {
        frame::CUT_DEPTH => "more frames than are kept",
        frame::CUT_UNWIND => "no unwind data for the caller",
        frame::CUT_MEMORY => "memtrace's own memory was near its limit",
        frame::CUT_BOUNDS => "the next frame would lie outside the stack",
        _ => match cut {
            CUT_NO_STACK => "no stack could be taken",
            _ => "the recording is damaged here",
        },
    }
}

/// NT_GNU_BUILD_ID of a module.
pub fn build_id(module: &memtrace_wire::layout::Module) -> Vec<u8> {
    let bytes = module.build_id.iter().flat_map(|word| word.get().to_le_bytes());
    bytes.take(module.build_id_bytes.get() as usize).collect()
}
