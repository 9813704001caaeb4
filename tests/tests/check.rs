//! `memtrace check`: its status is right every time, and its report says what it rests on.

#[path = "check/baseline.rs"]
mod baseline;
#[path = "check/status.rs"]
mod status;
#[path = "check/work.rs"]
mod work;
