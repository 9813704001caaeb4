//! The files that names of another machine's modules come from, so that they can be taken along.

use std::path::{Path, PathBuf};

use super::debug_files::{self, DEBUG_ROOT, build_id_path};
use super::{Files, ModuleKey, Origin, Places};

/// A file to take along.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Needed {
    /// Where it is.
    pub path: PathBuf,
    /// Where it belongs below a root.
    pub place: PathBuf,
}

/// The files of a module: its debug file, or the module itself where it has no other, and what that shares with others.
/// `Err`: it is not to be had, and why.
pub fn needed(key: &ModuleKey, places: &Places) -> Result<Vec<Needed>, Origin> {
    let Files { module, separate } = Files::of(key, places, true)?;
    let mut needed = Vec::new();
    if let Some((path, file)) = &separate {
        let by_id = build_id_path(&file.build_id(), ".debug");
        // Without a build-id it is found by its name, in the module's folder.
        let by_name = || Some(below(&key.path)?.with_file_name(path.file_name()?));
        let place = by_id.or_else(by_name).map(|place| Path::new(DEBUG_ROOT).join(place));
        needed.extend(place.map(|place| Needed { path: path.clone(), place }));
    }
    let has_id = separate.as_ref().is_some_and(|(_, file)| !file.build_id().is_empty());
    if let Some((path, file)) = &module
        && (!has_id || file.has_lines())
    {
        needed.extend(below(&key.path).map(|place| Needed { path: path.clone(), place }));
    }
    for (path, file) in [&module, &separate].into_iter().flatten() {
        let Some((shared, file)) = debug_files::find_shared(path, file, places) else { continue };
        let place = build_id_path(&file.build_id(), ".debug").map(|place| Path::new(DEBUG_ROOT).join(place));
        needed.extend(place.map(|place| Needed { path: shared, place }));
    }
    Ok(needed)
}

/// A path of the target's, to be put below a root: none that leads out of it.
fn below(path: &Path) -> Option<PathBuf> {
    use std::path::Component;
    let parts = path.components().filter(|part| *part != Component::RootDir);
    let parts: Vec<Component<'_>> = parts.collect();
    let is_plain = !parts.is_empty() && parts.iter().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| parts.iter().collect())
}
