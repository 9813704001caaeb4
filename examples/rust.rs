//! Rust's own allocations: a forgotten vector, with its demangled stack.
// flags: -O -C debuginfo=2
// expect: 4,000 bytes in 1 blocks are definitely lost
// expect: rust::numbers
// expect: rust::main (rust.rs:

#[inline(never)]
fn numbers(count: u32) -> Vec<u32> {
    (0..count).collect()
}

fn main() {
    std::mem::forget(std::hint::black_box(numbers(std::hint::black_box(1000))));
}
