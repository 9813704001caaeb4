//! Checks in running processes: they are right, they are not noticed, and where something hinders them they say so.
//!
//! The programs are in `tests/running/`; each ends by itself after a minute.

#[path = "running/asked.rs"]
mod asked;
#[path = "running/command.rs"]
mod command;
#[path = "running/frames.rs"]
mod frames;
#[path = "running/itself.rs"]
mod itself;
#[path = "running/killed.rs"]
mod killed;
#[path = "running/ladder.rs"]
mod ladder;
#[path = "running/pause.rs"]
mod pause;
#[path = "running/suppressed.rs"]
mod suppressed;
#[path = "running/target.rs"]
mod target;
#[path = "running/unnoticed.rs"]
mod unnoticed;
