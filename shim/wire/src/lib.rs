//! All that crosses between the target and memtrace's own process: settings in, recording out.
//!
//! ```text
//!   recording (one file, or private memory that becomes one at the end)
//!   ┌────────────┬──────────────────────────────┬─────────┬─────────┬────────
//!   │ FileHeader │ root of one process          │ nodes   │ live    │ sites …
//!   │ 4 KiB      │ ProcessHeader 4 KiB          │ window  │ leaf    │ window
//!   │            │ settings text 4 KiB          │         │         │
//!   │            │ window directory 56 KiB      │         │         │
//!   └────────────┴──────────────────────────────┴─────────┴─────────┴────────
//!        │ first_process      │ next_process → the next root        ▲
//!        └────────────────────┘          directory: kind, index, offset, bytes
//! ```
//!
//! Every reference inside is an offset from the start of the file. Windows are carved off the end with one
//! atomic addition, so that the processes of one run share a file without a lock.

#![no_std]
#[cfg(test)]
extern crate std;

pub mod checks;
pub mod dead;
mod fail;
mod happened;
pub mod heap;
pub mod kinds;
pub mod layout;
pub mod leaks;
pub mod live;
pub mod loss;
pub mod map;
pub mod op;
mod panics;
pub mod plan;
pub mod point;
mod records;
pub mod rows;
pub mod scope;
pub mod screen;
pub mod settings;
pub mod sys;
pub mod verdict;
