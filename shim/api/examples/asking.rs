//! What a Rust program asks memtrace, and says of its course; `tests/tests/queries.rs` knows what it prints.

use std::hint::black_box;

use memtrace_api::{checkpoint, ignore, live_blocks, live_bytes, region, report};

#[inline(never)]
fn lose(bytes: usize) {
    black_box(Vec::leak(black_box(vec![1u8; bytes])).len());
}

/// Overwrites what is left of the last call on the stack: it would hold the block.
#[inline(never)]
fn forget() {
    black_box([0u64; 4096]);
}

fn main() {
    let (bytes, blocks) = (live_bytes(), live_blocks());
    let kept = black_box(vec![1u8; 1000]);
    println!("{} bytes in {} blocks more", live_bytes() - bytes, live_blocks() - blocks);
    drop(kept);
    let before = checkpoint();
    lose(501);
    lose(501);
    forget();
    println!("lost {:?}", before.and_then(|before| before.leaks()));
    let between = checkpoint();
    {
        let _ignored = ignore();
        lose(502);
        forget();
    }
    println!("ignored {:?}", between.and_then(|between| between.leaks()));
    {
        let _outer = region(c"outer");
        let _inner = region(c"inner");
        lose(503);
        forget();
    }
    println!("report {}", report(std::io::stderr()));
}
