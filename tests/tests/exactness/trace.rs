//! Random traces of allocations, and what the plainest model says of them.

use std::collections::BTreeMap;

/// Numbers that a seed gives (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit
    }
}

/// One operation, as the interpreter reads it.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub kind: u8,
    pub slot: u32,
    pub bytes: u32,
    pub path: u32,
    pub turn: u32,
}

/// How the threads take turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Strictly one operation after the other.
    Turns,
    /// All at once, with a barrier now and then; a block is touched once between two barriers.
    Rounds,
}

/// A site of the model: thread, path, function.
pub type Key = (usize, Vec<u8>, &'static str);

/// What must be counted for a site.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    pub live_blocks: u64,
    pub live_bytes: u64,
    pub total_blocks: u64,
    pub total_bytes: u64,
    pub peak_blocks: u64,
    pub peak_bytes: u64,
    pub at_peak_blocks: u64,
    pub at_peak_bytes: u64,
    pub temporary_blocks: u64,
    pub largest_bytes: u64,
    pub realloc_blocks: u64,
}

/// Everything that must be counted.
#[derive(Default, Debug)]
pub struct Model {
    pub sites: BTreeMap<Key, Counts>,
    pub allocations: u64,
    pub frees: u64,
    pub reallocs: u64,
    pub failed: u64,
    pub live_bytes: u64,
    pub peak_bytes: u64,
    blocks: BTreeMap<u32, Block>,
    last: BTreeMap<usize, u32>,
}

#[derive(Clone, Debug)]
struct Block {
    bytes: u64,
    site: Key,
}

/// A trace for each thread, and its model.
pub struct Trace {
    pub threads: Vec<Vec<Operation>>,
    pub model: Model,
}

impl Trace {
    /// The model of operations that threads do one thread after the other.
    pub fn of(threads: Vec<Vec<Operation>>) -> Trace {
        let mut model = Model::default();
        for (thread, operations) in threads.iter().enumerate() {
            operations.iter().for_each(|operation| model.take(thread, operation));
        }
        Trace { threads, model }
    }
}

/// Makes one. With one thread it runs in `main`.
pub fn make(seed: u64, threads: usize, operations: usize, order: Order) -> Trace {
    let mut random = Random::new(seed);
    let mut trace = Trace { threads: vec![Vec::new(); threads], model: Model::default() };
    let slots = 1 + random.below(2000) as u32;
    let paths: Vec<u32> = (0..1 + random.below(600)).map(|_| path(&mut random)).collect();
    let mut is_touched = vec![false; slots as usize];
    for number in 0..operations {
        if order == Order::Rounds && random.below(200) == 0 {
            is_touched.fill(false);
            let barrier = Operation { kind: b'b', slot: 0, bytes: 0, path: 1, turn: 0 };
            trace.threads.iter_mut().for_each(|thread| thread.push(barrier));
        }
        let slot = random.below(u64::from(slots)) as u32;
        if order == Order::Rounds && std::mem::replace(&mut is_touched[slot as usize], true) {
            continue;
        }
        let turn = if order == Order::Turns && threads > 1 { number as u32 + 1 } else { 0 };
        let path = paths[random.below(paths.len() as u64) as usize];
        let thread = random.below(threads as u64) as usize;
        let mut kind = kind(&mut random, trace.model.blocks.contains_key(&slot));
        if kind == b'x' && trace.model.last.get(&thread) == Some(&slot) {
            // Has a test of its own.
            kind = b'f';
        }
        let mut operation = Operation { kind, slot, bytes: size(&mut random), path, turn };
        if turn == 0 && order == Order::Turns && random.below(4) == 0 {
            // Taken and given back at once.
            trace.model.take(thread, &operation);
            trace.threads[thread].push(operation);
            operation.kind = b'f';
            if !trace.model.blocks.contains_key(&slot) {
                continue;
            }
        }
        trace.model.take(thread, &operation);
        trace.threads[thread].push(operation);
    }
    trace
}

fn kind(random: &mut Random, is_live: bool) -> u8 {
    let kinds: &[u8] = if is_live { b"fffffrrrzx" } else { b"mmmmcclr" };
    kinds[random.below(kinds.len() as u64) as usize]
}

/// Sizes of all classes; some beyond the threshold for mappings of their own.
fn size(random: &mut Random) -> u32 {
    let bits_max = if random.below(50) == 0 { 20 } else { 11 };
    let bits = random.below(bits_max);
    1 + random.below(1 << bits) as u32
}

fn path(random: &mut Random) -> u32 {
    let digits = random.below(9) as u32;
    1 << (2 * digits) | random.below(1 << (2 * digits)) as u32
}

fn steps(mut path: u32) -> Vec<u8> {
    let mut steps = Vec::new();
    while path > 1 {
        steps.push((path & 3) as u8);
        path >>= 2;
    }
    steps
}

impl Model {
    fn take(&mut self, thread: usize, operation: &Operation) {
        let key = |op| (thread, steps(operation.path), op);
        let bytes = u64::from(operation.bytes);
        match operation.kind {
            b'm' => self.come(thread, operation.slot, bytes, key("malloc"), false),
            b'c' => self.come(thread, operation.slot, bytes, key("calloc"), false),
            b'l' => self.come(thread, operation.slot, bytes, key("memalign"), false),
            b'f' => self.go(thread, operation.slot),
            // realloc to 0 bytes: glibc frees.
            b'z' => self.go(thread, operation.slot),
            b'x' => {
                // It fails and changes nothing, but is the thread's next call.
                self.last.remove(&thread);
                self.failed += 1;
            }
            b'r' => {
                let is_move = self.blocks.contains_key(&operation.slot);
                if is_move {
                    self.go(thread, operation.slot);
                }
                self.come(thread, operation.slot, bytes, key("realloc"), is_move);
                self.reallocs += u64::from(is_move);
            }
            kind => panic!("no such operation: {kind}"),
        }
    }

    fn come(&mut self, thread: usize, slot: u32, bytes: u64, key: Key, is_move: bool) {
        self.blocks.insert(slot, Block { bytes, site: key.clone() });
        let site = self.sites.entry(key).or_default();
        site.total_blocks += 1;
        site.total_bytes += bytes;
        site.live_blocks += 1;
        site.live_bytes += bytes;
        site.realloc_blocks += u64::from(is_move);
        site.largest_bytes = site.largest_bytes.max(bytes);
        if site.live_bytes > site.peak_bytes {
            (site.peak_bytes, site.peak_blocks) = (site.live_bytes, site.live_blocks);
        }
        self.allocations += 1;
        self.live_bytes += bytes;
        if self.live_bytes > self.peak_bytes {
            self.peak_bytes = self.live_bytes;
            for site in self.sites.values_mut() {
                (site.at_peak_bytes, site.at_peak_blocks) = (site.live_bytes, site.live_blocks);
            }
        }
        self.last.insert(thread, slot);
    }

    fn go(&mut self, thread: usize, slot: u32) {
        let block = self.blocks.remove(&slot).expect("it is live");
        let site = self.sites.get_mut(&block.site).expect("it has a site");
        site.live_blocks -= 1;
        site.live_bytes -= block.bytes;
        let is_last = self.last.remove(&thread) == Some(slot);
        site.temporary_blocks += u64::from(is_last && block.site.0 == thread);
        self.frees += 1;
        self.live_bytes -= block.bytes;
    }
}

/// The words that the interpreter reads; `is_main`: its only thread is the main one.
pub fn words(trace: &Trace, is_main: bool) -> Vec<u8> {
    let mut words = vec![if is_main { 0 } else { trace.threads.len() as u32 }];
    for (number, operations) in trace.threads.iter().enumerate() {
        words.extend([operations.len() as u32, number as u32]);
        for operation in operations {
            let (kind, bytes) = match operation.kind {
                b'z' => (b'r', 0),
                kind => (kind, operation.bytes),
            };
            words.extend([u32::from(kind), operation.slot, bytes, operation.path, operation.turn]);
        }
    }
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}
