//! Source sites: the file, line, function and type that a program's own macros give with an allocation.
//!
//! A site's text is kept once in the recording, and its place there is the address of a frame of its own kind, which
//! stands inside the native ones. Only the hooks for such allocations come here.

use memtrace_wire::layout::{Op, TextAt, frame};
use memtrace_wire::map::U32;
use memtrace_wire::scope::has_file;
use memtrace_wire::settings::number;

use crate::Hot;
use crate::fault::Call;
use crate::live::Block;
use crate::sample::Weight;
use crate::site::Known;
use crate::symbols::{part, parts_of};
use crate::text::Buffer;
use crate::thread::{Body, Inside, Pending};
use crate::trie::roll;
use crate::unwind::Entry;

/// What a program says about one of its allocations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source<'t> {
    /// As `__FILE__` gives it.
    pub file: &'t [u8],
    /// As `__LINE__` gives it.
    pub line: u64,
    /// As `__func__` gives it.
    pub function: &'t [u8],
    /// What the result is cast to.
    pub kind: &'t [u8],
}

/// The source site of the allocation that a thread is about to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announced {
    /// Frame word; 0: none.
    word: u64,
    /// Where the hook was entered that it is for: a signal handler's allocations have none.
    sp: u64,
}

impl Announced {
    /// None.
    pub const NONE: Announced = Announced { word: 0, sp: 0 };
}

/// Bytes of a site's text, the longest of paths included.
const TEXT_MAX: usize = 512;

/// Places of the index at the start: 4 KiB.
const BITS_FIRST: u32 = 9;

/// Begins the hash of a child with a source frame, which is found by it alone.
const CHILD_SEED: u64 = 0x50ce;

impl Hot {
    /// The frame word of a source site, made if it is new. 0: no memory, or its text is too long.
    fn source_word(&self, source: &Source<'_>) -> u64 {
        self.text_word(frame::SOURCE, &[source.file, source.function, source.kind], Some(source.line))
    }

    /// The frame word of this kind for texts, each of which is ended by a NUL, and perhaps a number behind them.
    pub(crate) fn text_word(&self, kind: u64, parts: &[&[u8]], number: Option<u64>) -> u64 {
        let mut text = Buffer::<TEXT_MAX>::new();
        for part in parts {
            text.push(part);
            text.push(b"\0");
        }
        if let Some(number) = number {
            text.push_number(number);
        }
        // A text that fills the buffer was cut.
        match text.as_bytes() {
            text if text.len() >= TEXT_MAX - 1 => 0,
            text => self.word_of_text(kind, text),
        }
    }

    /// The frame word of this kind for a text of up to 64 KiB, made if it is new. 0: no memory.
    pub(crate) fn word_of_text(&self, kind: u64, text: &[u8]) -> u64 {
        let bytes = text.len() as u32;
        let hash = text.iter().fold(CHILD_SEED, |hash, &byte| roll(hash, byte.into()));
        let is_it = |entry: u32| self.text_bytes(&text_at(entry, bytes)).eq(text.iter().copied());
        let word = |entry: u32| {
            let at = text_at(entry, bytes);
            kind << frame::KIND_SHIFT | u64::from(bytes) << 32 | u64::from(at.at.get())
        };
        if let Some(entry) = self.source_index.find(hash, is_it) {
            return word(entry);
        }
        let _guard = self.source_index.lock();
        if let Some(entry) = self.source_index.find(hash, is_it) {
            return word(entry);
        }
        let has_table = self.source_index.bytes() != 0 || self.source_index.start(BITS_FIRST);
        let kept = text_at(1, 0);
        if has_table {
            self.keep_text(text, &kept);
        }
        let entry = kept.at.get() / 4 + 1;
        if kept.bytes.get() != bytes || !self.source_index.insert(hash, entry) {
            return 0;
        }
        word(entry)
    }

    /// The allocation that is about to be made from `entry` has a source site.
    pub fn announce(&self, body: &mut Body, entry: Entry, source: &Source<'_>) {
        body.source = Announced { word: self.source_word(source), sp: entry.sp };
    }

    /// The first allocation that is made below `entry` has a source site, and the stack of that entry. False: one that
    /// was announced outside, or an operator new, has it already.
    pub fn announce_below(&self, inside: Inside<'_>, entry: Entry, source: &Source<'_>) -> bool {
        if inside.body.pending.is_some_and(|outer| outer.entry.sp > entry.sp) {
            return false;
        }
        let left = inside.left().get();
        inside.body.pending = Some(Pending { entry, op: Op::Unknown, bytes: 0, left });
        self.announce(inside.body, entry, source);
        true
    }

    /// The function that was entered there returns.
    pub fn announced_left(&self, body: &mut Body, sp: u64) {
        if body.source.sp == sp {
            body.source = Announced::NONE;
        }
        if body.pending.is_some_and(|pending| pending.entry.sp == sp) {
            body.pending = None;
        }
    }

    /// A block that is live stands at a source site: it counts as allocated there, and no longer where it was. A block
    /// that is not known stays so.
    pub fn attribute(&self, inside: Inside<'_>, address: u64, source: &Source<'_>) {
        let word = self.source_word(source);
        let body = &mut *inside.body;
        let Some(old) = self.take(address, true) else { return };
        let new = self.sites.get(u64::from(old.site)).and_then(|site| {
            let (node, op) = (site.node.get(), Op::from_number(site.op.get())?);
            // A block that was announced before is told by the last.
            let own = self.nodes.get(u64::from(node))?;
            let parent = if frame::kind(own.frame.get()) == frame::SOURCE { own.parent.get() } else { node };
            let child = self.child(parent, word, roll(roll(CHILD_SEED, parent.into()), word), &[]);
            let is_whole = word != 0 && parent != 0 && child != 0 && site.flags.get() == 0;
            is_whole.then(|| self.site_now(&mut body.sites, body.slot, child, op))
        });
        let Some(Known { number, site: Some(site), .. }) = new else {
            _ = self.insert(old, true);
            return;
        };
        match self.sites.get(u64::from(old.site)).filter(|from| from.thread.get() != body.slot) {
            Some(from) => self.count_out(body, from, Weight { count: 1, bytes: old.bytes }, 0),
            None => self.unrecord(body, old),
        }
        _ = self.insert(Block { site: number, ..old }, true);
        self.count_in(body, site, old.bytes, Weight { count: 1, bytes: old.bytes });
    }

    /// As `capture`, with the source site that was announced innermost, and in front of it the regions that are open.
    #[inline(never)]
    pub(crate) fn capture_with_source(&self, body: &mut Body, entry: Entry, op: Op) -> Known {
        let known = self.capture(body, entry, op);
        let Announced { word, sp } = body.source;
        let has_source = word != 0 && sp == entry.sp;
        if known.node() == 0 || !has_source && body.regions.is_empty() {
            return known;
        }
        let (mut node, own_op) = self.made_at(known, op);
        for word in has_source.then_some(word).into_iter().chain(body.regions.words()) {
            let below = self.child(node, word, roll(roll(CHILD_SEED, node.into()), word), &[]);
            node = if below == 0 { node } else { below };
        }
        self.site_for(&mut body.sites, body.slot, node, own_op)
    }

    /// The stack of a call that may fail.
    pub(crate) fn stack_of(&self, body: &mut Body, call: &Call) -> u32 {
        // Whoever allocates from this stack finds a site that is right for it: a call has no blocks.
        let op = if call.op.is_call() { Op::Malloc } else { call.op };
        self.capture_with_source(body, call.entry, op).node()
    }

    /// What a source frame is to the scope of failures: its function calls the allocator.
    pub(crate) fn parts_of_source(&self, word: u64) -> u64 {
        let scope = &self.fault.plan().scope;
        let mut text = Buffer::<TEXT_MAX>::new();
        self.text_bytes(&text_of(word)).for_each(|byte| text.push(&[byte]));
        let mut parts = text.as_bytes().split(|&byte| byte == 0);
        let (file, function) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
        let line = parts.nth(1).and_then(number);
        let is_in_file = has_file(scope.files, file, line);
        parts_of(scope, function) | if is_in_file { part::FILE } else { 0 }
    }

    /// A source frame's part in the names of points: what it says, not where that is kept.
    pub(crate) fn source_key(&self, word: u64) -> u64 {
        self.text_bytes(&text_of(word)).fold(CHILD_SEED, |hash, byte| roll(hash, byte.into()))
    }
}

/// Where the text of a word of `text_word` lies, and how long it is.
pub(crate) fn text_word_parts(word: u64) -> [u32; 2] {
    [word as u32, (frame::address(word) >> 32) as u32]
}

/// Where the text of a source frame lies.
fn text_of(word: u64) -> TextAt {
    TextAt { at: U32::new(word as u32), bytes: U32::new((frame::address(word) >> 32) as u32) }
}

/// Where an entry of the index says that a text lies.
fn text_at(entry: u32, bytes: u32) -> TextAt {
    TextAt { at: U32::new(entry.wrapping_sub(1).wrapping_mul(4)), bytes: U32::new(bytes) }
}
