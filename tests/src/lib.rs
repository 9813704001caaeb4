//! What the end-to-end tests share: a place to work in, the release pair, a way to run programs and to read profiles.
//!
//! ```text
//!   Place ──compiles──▶ program ──Job: Native · Bare · Run──▶ Ended: status, stdout, stderr, profiles
//!     └── goes away with the test                                           └──▶ Process ──▶ Site, Fault
//! ```
//!
//! Invariants:
//! - a test leaves no file and no process behind, and needs no port, no terminal and no privilege;
//! - tests may run side by side: each has its own `Place`;
//! - what is tested is the release library and command of this checkout, built once a run.

mod child;
pub mod document;
mod example;
mod job;
mod pair;
mod place;
mod profile;
mod recording;
mod side;

pub use example::{Example, Exit, ExpectedSite};
pub use job::{Ended, How, Job, PATIENCE};
pub use pair::{Pair, api_example, pair, workspace};
pub use place::Place;
pub use profile::{Fault, Frame, Json, Process, Site, Thread, read_json, read_profile};
pub use recording::{Image, Recording};
pub use side::side_by_side;
