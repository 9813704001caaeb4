//! What a report for other programs holds, whatever found it: rules, findings of them, and the cases of a test panel.

use std::path::{Component, Path, PathBuf};

use crate::text::Call;

/// A report.
pub struct Report<'r> {
    /// What was examined: a command line.
    pub suite: String,
    /// What it came to, in a line.
    pub summary: String,
    /// The directory that paths are named from.
    pub root: PathBuf,
    /// All rules that items refer to.
    pub rules: Vec<Rule>,
    /// What was found.
    pub items: Vec<Item<'r>>,
    /// What was tried.
    pub cases: Vec<Case>,
    /// Sentences about the whole.
    pub notes: Vec<String>,
}

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The job fails for it.
    Error,
    /// Likely a defect.
    Warning,
    /// To be known.
    Note,
}

/// What a finding is an instance of.
pub struct Rule {
    /// Its name: `null-dereference`.
    pub id: &'static str,
    /// What it means, in a sentence without its subject.
    pub text: &'static str,
    /// How much it matters.
    pub level: Level,
}

/// A finding.
pub struct Item<'r> {
    /// `Rule::id`.
    pub rule: &'static str,
    /// How much it matters here.
    pub level: Level,
    /// In a line.
    pub title: String,
    /// What to do with it: the commands that repeat it, say. Lines.
    pub message: String,
    /// All that is to be said, as a person reads it. Lines.
    pub detail: String,
    /// Where it is best looked at.
    pub location: Option<Location>,
    /// How it came to it, in order.
    pub flow: Vec<Step<'r>>,
    /// Other stacks that belong to it.
    pub related: Vec<Step<'r>>,
    /// The same for the same finding in other runs and builds.
    pub fingerprint: String,
    /// What is said for it, if it is accepted.
    pub accepted: Option<String>,
}

/// Something that happened, and where.
pub struct Step<'r> {
    /// What.
    pub message: String,
    /// The stack, innermost frame first.
    pub frames: Vec<Call<'r>>,
}

/// Something that was tried.
pub struct Case {
    /// The group that it belongs to.
    pub group: String,
    /// Its name there.
    pub name: String,
    /// Places in `Report::items`.
    pub items: Vec<usize>,
    /// Why it was not tried.
    pub skipped: Option<&'static str>,
    /// It fails for this, whatever its items say.
    pub failure: Option<String>,
}

/// A place in a source file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// Below the root if `is_own`, absolute or unknown otherwise.
    pub path: String,
    /// It lies below the root.
    pub is_own: bool,
    /// Line, from 1.
    pub line: Option<u32>,
}

impl Location {
    /// Where a frame is.
    pub fn of(call: &Call, root: &Path) -> Option<Location> {
        let path = resolved(Path::new(call.file.filter(|file| !file.is_empty())?));
        let line = call.line.filter(|&line| line > 0);
        let own = match path.strip_prefix(root) {
            Ok(below) => Some(below),
            // The compiler was given a relative path, and nothing says from where. Files of the system's libraries have
            // such names too.
            Err(_) if path.is_relative() && !path.starts_with("..") => {
                let is_ours = call.module.is_some_and(|module| Path::new(module).starts_with(root));
                (is_ours || root.join(&path).is_file()).then_some(path.as_path())
            }
            Err(_) => None,
        };
        let (path, is_own) = (own.unwrap_or(&path), own.is_some());
        Some(Location { path: path.to_string_lossy().into_owned(), is_own, line })
    }

    /// The best place on some stacks: the first in a file of the project, else the first in any.
    pub fn best<'c>(stacks: impl Iterator<Item = &'c [Call<'c>]> + Clone, root: &Path) -> Option<Location> {
        let places = || stacks.clone().flatten().filter_map(|call| Location::of(call, root));
        places().find(|place| place.is_own).or_else(|| places().next())
    }
}

/// The path without `.` and `..`, as far as they can be taken away.
fn resolved(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        let last = parts.components().next_back();
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(last, Some(Component::Normal(_))) => {
                parts.pop();
            }
            Component::ParentDir if last == Some(Component::RootDir) => {}
            _ => parts.push(part),
        }
    }
    parts
}

/// The directory that CI jobs name files from: the checkout, if the working directory lies in it.
pub fn root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    root_of(&here, |name| std::env::var_os(name).map(PathBuf::from))
}

fn root_of(here: &Path, variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let checkouts = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"].into_iter().filter_map(variable);
    let mut around = checkouts.filter(|path| path.is_absolute() && here.starts_with(path));
    around.next().unwrap_or_else(|| here.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str) -> (String, bool) {
        let call = Call { file: Some(file), line: Some(3), ..Call::default() };
        let found = Location::of(&call, Path::new("/src/app")).unwrap();
        assert_eq!(found.line, Some(3));
        (found.path, found.is_own)
    }

    #[test]
    fn files_below_the_root_are_named_from_it() {
        assert_eq!(place("/src/app/lib/a.c"), ("lib/a.c".into(), true));
        assert_eq!(place("/src/app/build/../lib/./a.c"), ("lib/a.c".into(), true));
        assert_eq!(place("/src/apple/a.c"), ("/src/apple/a.c".into(), false));
        assert_eq!(place("/src/app/../../../etc/passwd"), ("/etc/passwd".into(), false));
        assert_eq!(place("../a.c"), ("../a.c".into(), false));
        assert_eq!(place("./x/../../a.c"), ("../a.c".into(), false));
        assert_eq!(Location::of(&Call::default(), Path::new("/")), None);
    }

    #[test]
    fn a_relative_path_is_the_projects_if_its_module_is_or_if_it_is_there() {
        let own = |file, module, root: &str| {
            let call = Call { file: Some(file), module, ..Call::default() };
            Location::of(&call, Path::new(root)).unwrap().is_own
        };
        assert!(own("lib/a.c", Some("/src/app/build/app"), "/src/app"));
        assert!(!own("intl/l10nflist.c", Some("/lib/libc.so.6"), "/src/app"));
        assert!(own("src/main.rs", Some("/lib/x.so"), env!("CARGO_MANIFEST_DIR")));
        assert!(!own("../a.c", Some("/src/app/app"), "/src/app"));
    }

    #[test]
    fn the_best_place_is_the_first_of_the_project() {
        let call = |file| Call { file, line: Some(0), ..Call::default() };
        let (libc, own) = (call(Some("/usr/src/malloc.c")), call(Some("/src/app/a.c")));
        let best = |stacks: &[&[Call]]| {
            Location::best(stacks.iter().copied(), Path::new("/src/app")).map(|place| (place.path, place.line))
        };
        assert_eq!(best(&[&[call(None), libc], &[libc, own]]), Some(("a.c".into(), None)));
        assert_eq!(best(&[&[call(None), libc]]), Some(("/usr/src/malloc.c".into(), None)));
        assert_eq!(best(&[&[], &[call(None)]]), None);
    }

    #[test]
    fn the_root_is_the_checkout_around_the_working_directory() {
        let root = |here: &str, set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, path)| path.into());
            root_of(Path::new(here), variable).display().to_string()
        };
        assert_eq!(root("/ci/app/build", &[("GITHUB_WORKSPACE", "/ci/app")]), "/ci/app");
        assert_eq!(root("/ci/app/build", &[("CI_PROJECT_DIR", "/ci/other")]), "/ci/app/build");
        assert_eq!(root("/ci/app", &[("GITHUB_WORKSPACE", "")]), "/ci/app");
    }
}
