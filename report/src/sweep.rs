//! `memtrace sweep`: every allocation path of a program fails once, and what comes of it is judged.

pub mod model;
pub mod outcome;
