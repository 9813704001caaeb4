//! `memtrace check`: its status is right every time, and its report says what it rests on.

#[path = "check/baseline.rs"]
mod baseline;
#[path = "check/formats.rs"]
mod formats;
#[path = "check/jobs.rs"]
mod jobs;
#[path = "check/listeners.rs"]
mod listeners;
#[path = "check/runners.rs"]
mod runners;
#[path = "check/status.rs"]
mod status;
#[path = "check/trees.rs"]
mod trees;
#[path = "check/work.rs"]
mod work;
