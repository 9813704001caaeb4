//! How a function of the target's is made to come to a hook, although nobody calls it by a name that the loader resolves:
//! its first instructions are copied to a trampoline, and a jump takes their place.
//!
//! ```text
//!   function:   jmp stub ─────────▶ stub: push number; jmp hook ──▶ hook
//!               rest of it ◀──┐                                      │ calls the real function
//!                             └── trampoline: first instructions ◀───┘
//! ```
//!
//! Everything here is arithmetic over bytes that were read before; the door writes. What is not surely right is refused,
//! and the refusal says why.

pub mod instruction;
pub mod names;
pub mod plan;
