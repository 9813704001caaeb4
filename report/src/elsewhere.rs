//! Where a user says that the files of a recording from another machine are.

use std::path::PathBuf;

use crate::names::{Places, asks_service};

/// Options of every command that reads recordings.
#[derive(clap::Args, Clone, Default, Debug)]
pub struct ElsewhereArgs {
    /// Copy of the root of the machine that it was recorded on, where programs and libraries are looked for first; may be
    /// given several times
    #[arg(long, value_name = "DIR")]
    sysroot: Vec<PathBuf>,
    /// Folder of debug files, by build-id (`.build-id/xx/yyyy.debug`) or below the folders of their modules, beside
    /// /usr/lib/debug; may be given several times. With DEBUGINFOD_URLS set, `debuginfod-find` is asked at last
    #[arg(long, value_name = "DIR")]
    debug_dir: Vec<PathBuf>,
}

impl ElsewhereArgs {
    /// Where to look, below `roots` first.
    pub fn places(&self, roots: &[PathBuf]) -> Places {
        Places::elsewhere(&[roots, &self.sysroot].concat(), &self.debug_dir, asks_service())
    }
}
