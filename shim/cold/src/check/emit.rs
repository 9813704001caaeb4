//! What a check has found, as rows of the recording.

use core::cell::Cell;
use memtrace_hot::Hot;
use memtrace_wire::layout::{Check, Holder, INSIDE, check_flags, lost_flags};

use super::blocks::{Blocks, state};
use super::dominators::{self, Graph};
use super::frames::Frames;
use super::heuristics::Code;
use super::mark::{FROM_ROOT, Marks, Piece};
use super::memory::Memory;
use super::space::{Array, List};

/// Steps of one path that are kept: the longer ones are chains, whose middle says nothing.
const STEPS_MAX: usize = 64;

/// Sums of a check.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sums {
    /// Blocks that cannot be reached, or only possibly.
    pub lost_blocks: u64,
    /// Their bytes.
    pub lost_bytes: u64,
}

/// What ways begin at.
pub struct Found<'a, M> {
    /// The roots.
    pub pieces: &'a List<Piece>,
    /// Where lost blocks are counted by site.
    pub lost: Option<&'a Array<u32>>,
    /// The stacks of threads; `None`: no memory for them.
    pub frames: Option<&'a Frames<'a, M>>,
}

/// Writes everything but how the check was made. `None`: no room for the tables.
pub fn write<M: Memory, C: Code>(
    hot: &Hot,
    check: &Check,
    marks: &mut Marks<'_, M, C>,
    from: &Found<'_, M>,
    in_time: impl Fn() -> bool,
) -> Option<Sums> {
    let process = hot.store.process()?;
    let lost_first = process.lost_count.get();
    let edge_first = process.edge_count.get();
    let blocks = marks.blocks;
    let sites = Sites::new(hot, blocks)?;
    let mut sums = Sums::default();
    let (mut reachable, mut all_bytes) = ((0, 0), 0);
    for number in 0..blocks.count() {
        let (bytes, state) = (blocks.own_bytes(number), blocks.state(number));
        all_bytes += bytes;
        if state & state::KIND == state::REACHABLE {
            reachable = (reachable.0 + 1, reachable.1 + bytes);
            sites.add(number, blocks);
            if let Some(place) = (usize::from(state) >> state::HEURISTIC_SHIFT & 7).checked_sub(1)
                && let (Some(count), Some(sum)) = (check.heuristic_blocks.get(place), check.heuristic_bytes.get(place))
            {
                count.add(1);
                sum.add(bytes);
            }
        } else {
            sums.lost_blocks += 1;
            sums.lost_bytes += bytes;
            let site = blocks.site(number) as usize;
            from.lost.into_iter().for_each(|lost| lost.set(site, lost.get(site).saturating_add(1)));
        }
    }
    check.blocks.set(blocks.count() as u64);
    check.bytes.set(all_bytes);
    check.reachable_blocks.set(reachable.0);
    check.reachable_bytes.set(reachable.1);
    let retained = retained(hot, marks, in_time);
    write_held(hot, check, marks, from, &sites, retained.as_ref());
    // From here on the parents of lost blocks are their numbers among the lost.
    let mut lost = 0u32;
    for number in 0..blocks.count() {
        if blocks.state(number) & state::KIND != state::REACHABLE {
            marks.parents.set(number, lost);
            lost += 1;
        }
    }
    check.lost_first.set(lost_first);
    check.edge_first.set(edge_first);
    let edges = Cell::new(0u64);
    let mut written = 0u64;
    for number in 0..blocks.count() {
        let state = blocks.state(number);
        if state & state::KIND == state::REACHABLE {
            continue;
        }
        let Some(row) = hot.checks.lost.make(&hot.store, lost_first + written) else {
            check.flags.set(check.flags.get() | check_flags::CUT);
            break;
        };
        row.address.set(blocks.address(number));
        row.bytes.set(blocks.own_bytes(number));
        row.site.set(blocks.site(number));
        row.flags.set(if state & state::ENTRY != 0 { lost_flags::ENTRY } else { 0 });
        row.edge_first.set(edges.get() as u32);
        write_edges(hot, check, marks, (number, edge_first), &edges);
        row.edge_count.set(edges.get() as u32 - row.edge_first.get());
        written += 1;
    }
    check.lost_count.set(written);
    check.edge_count.set(edges.get());
    process.lost_count.publish(lost_first + written);
    process.edge_count.publish(edge_first + edges.get());
    Some(sums)
}

fn write_edges<M: Memory, C: Code>(
    hot: &Hot,
    check: &Check,
    marks: &mut Marks<'_, M, C>,
    (from, edge_first): (usize, u64),
    edges: &Cell<u64>,
) {
    let parents = core::mem::replace(&mut marks.parents, Array::empty());
    let blocks = marks.blocks;
    let mut last = u32::MAX;
    marks.targets(from, |to, is_start| {
        if to == from || blocks.state(to) & state::KIND == state::REACHABLE || edges.get() >= u64::from(u32::MAX) {
            return;
        }
        let edge = parents.get(to) | if is_start { 0 } else { INSIDE };
        if edge == last {
            return;
        }
        last = edge;
        match hot.checks.edges.make(&hot.store, edge_first + edges.get()) {
            Some(row) => {
                row.to.set(edge);
                edges.set(edges.get() + 1);
            }
            None => check.flags.set(check.flags.get() | check_flags::CUT),
        }
    });
    marks.parents = parents;
}

/// Sums of reachable blocks by site, and one of them.
struct Sites {
    /// By site: its row + 1.
    rows: Array<u32>,
    counts: List<[u64; 2]>,
    /// Site and example of each row.
    examples: List<[u64; 2]>,
}

impl Sites {
    fn new(hot: &Hot, blocks: &Blocks) -> Option<Self> {
        let count = hot.store.process()?.site_count.acquire() as usize;
        let room = count.min(blocks.count()) + 1;
        Some(Self { rows: Array::new(count + 1)?, counts: List::new(room)?, examples: List::new(room)? })
    }

    fn add(&self, number: usize, blocks: &Blocks) {
        let site = blocks.site(number);
        let place = match self.rows.get(site as usize).checked_sub(1) {
            Some(place) => place as usize,
            None => {
                let place = self.counts.count();
                if !self.counts.push([0, 0]) || !self.examples.push([u64::from(site), number as u64]) {
                    return;
                }
                self.rows.set(site as usize, place as u32 + 1);
                place
            }
        };
        let [count, bytes] = self.counts.get(place);
        self.counts.set(place, [count + 1, bytes + blocks.own_bytes(number)]);
    }
}

/// Bytes that only the blocks of each site hold, if that is wanted and there is time for it.
fn retained<M: Memory, C: Code>(
    hot: &Hot,
    marks: &mut Marks<'_, M, C>,
    in_time: impl Fn() -> bool,
) -> Option<Array<u64>> {
    let order = marks.order.take()?;
    let numbers = Array::new(marks.blocks.count())?;
    order.iter().enumerate().for_each(|(number, block)| numbers.set(block as usize, number as u32));
    let sites = hot.store.process()?.site_count.acquire() as usize;
    dominators::retained(&mut Reached { marks, order, numbers }, sites + 1, in_time)
}

/// The reachable blocks, and the pointers by which they are.
struct Reached<'a, 'b, M, C> {
    marks: &'a mut Marks<'b, M, C>,
    order: List<u32>,
    numbers: Array<u32>,
}

impl<M: Memory, C: Code> Graph for Reached<'_, '_, M, C> {
    fn count(&self) -> usize {
        self.order.count()
    }

    fn bytes(&self, number: usize) -> u64 {
        self.marks.blocks.own_bytes(self.order.get(number) as usize)
    }

    fn site(&self, number: usize) -> u32 {
        self.marks.blocks.site(self.order.get(number) as usize)
    }

    fn is_root_held(&self, number: usize) -> bool {
        self.marks.parents.get(self.order.get(number) as usize) & FROM_ROOT != 0
    }

    fn targets(&mut self, number: usize, mut each: impl FnMut(usize)) {
        let (blocks, numbers) = (self.marks.blocks, &self.numbers);
        let own = self.order.get(number) as usize;
        if let Some(chunk) = blocks.chunk_of(own) {
            each(numbers.get(chunk) as usize);
        }
        self.marks.targets(own, |target, is_start| {
            if is_start && blocks.state(target) & state::KIND == state::REACHABLE {
                each(numbers.get(target) as usize);
            }
        });
    }
}

fn write_held<M: Memory, C: Code>(
    hot: &Hot,
    check: &Check,
    marks: &mut Marks<'_, M, C>,
    from: &Found<'_, M>,
    sites: &Sites,
    retained: Option<&Array<u64>>,
) {
    let Some(process) = hot.store.process() else { return };
    let held_first = process.held_count.get();
    let mut step = process.step_count.get();
    let mut written = 0u64;
    for ([site, example], [count, bytes]) in sites.examples.iter().zip(sites.counts.iter()) {
        let Some(row) = hot.checks.held.make(&hot.store, held_first + written) else {
            check.flags.set(check.flags.get() | check_flags::CUT);
            break;
        };
        written += 1;
        row.site.set(site as u32);
        row.blocks.set(count);
        row.bytes.set(bytes);
        row.address.set(marks.blocks.address(example as usize));
        row.address_bytes.set(marks.blocks.bytes(example as usize));
        row.retained_bytes.set(retained.map_or(0, |retained| retained.get(site as usize)));
        row.step_first.set(step as u32);
        let steps = write_steps(hot, marks, from, (example as usize, step));
        row.step_count.set(steps as u32);
        step += steps;
    }
    check.held_first.set(held_first);
    check.held_count.set(written);
    process.held_count.publish(held_first + written);
    process.step_count.publish(step);
}

/// The way from a root to a block; how many steps it has. 0: it is longer than is kept, or there was no room.
fn write_steps<M: Memory, C: Code>(
    hot: &Hot,
    marks: &Marks<'_, M, C>,
    from: &Found<'_, M>,
    (block, first): (usize, u64),
) -> u64 {
    let mut way = [0u32; STEPS_MAX];
    let mut length = 0;
    let mut at = block as u32;
    while at & FROM_ROOT == 0 {
        let Some(place) = way.get_mut(length) else { return 0 };
        *place = at;
        length += 1;
        at = marks.parents.get(at as usize);
    }
    let [place, piece] = marks.from_roots.get((at & !FROM_ROOT) as usize);
    let piece = from.pieces.get(piece as usize);
    let mut written = 0u64;
    let mut holder: Option<u32> = None;
    for &to in way.iter().take(length).rev() {
        let Some(row) = hot.checks.steps.make(&hot.store, first + written) else { return 0 };
        let target = marks.blocks.address(to as usize);
        match holder {
            None => {
                let is_register = piece.holder == Holder::Register;
                row.at.set(if is_register { 0 } else { place });
                row.to.set(target);
                row.block.set(0);
                row.holder.set(piece.holder as u32);
                let of_thread = matches!(piece.holder, Holder::Stack | Holder::Register | Holder::Tls)
                    || matches!(piece.holder, Holder::SignalStack | Holder::StackBlock);
                row.number.set(if of_thread { piece.number } else { 0 });
                let frames = from.frames.filter(|_| piece.holder == Holder::Stack);
                row.frame.set(frames.map_or(0, |frames| frames.code(piece.number, place)));
            }
            Some(holder) => {
                let (place, pointer) = marks.pointer_to(to as usize, holder as usize).unwrap_or((0, target));
                row.at.set(place);
                row.to.set(pointer);
                row.block.set(marks.blocks.address(holder as usize));
                row.holder.set(Holder::Block as u32);
                row.number.set(marks.blocks.site(holder as usize));
                row.frame.set(0);
            }
        }
        holder = Some(to);
        written += 1;
    }
    written
}

/// Flags of a site.
pub fn flags(hot: &Hot, site: u32) -> u32 {
    hot.sites.get(u64::from(site)).map_or(0, |site| site.flags.get())
}
