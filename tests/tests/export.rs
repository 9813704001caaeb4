//! Profiles in the formats of other profilers, each read by its own tool, and theirs as profiles; names from elsewhere.

#[path = "export/elsewhere.rs"]
mod elsewhere;
#[path = "export/firefox.rs"]
mod firefox;
#[path = "export/imported.rs"]
mod imported;
#[path = "export/readers.rs"]
mod readers;
#[path = "export/work.rs"]
mod work;
