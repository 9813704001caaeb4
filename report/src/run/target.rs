//! The target: found as execvp(3) finds it, and refused before anything starts if nothing could be recorded.
//!
//! ```text
//!   command ─PATH─▶ file ─▶ ELF ──────────────────────▶ loader, class, set-id, capabilities
//!                    │  ▲
//!                    └──┘ `#!` interpreter, the program behind `env`, /bin/sh for a script without `#!`
//! ```
//!
//! What cannot be told for sure is let through: the shim then says by its silence that it could not start.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::elf;
use super::script::{self, LINE_BYTES};
use crate::error::{Error, Refusal};
use crate::sys;

/// The kernel's limit: after 5 interpreters it gives ELOOP.
const INTERPRETERS_MAX: usize = 5;
/// confstr(_CS_PATH), for a process without PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// What execvp(3) gives a file to that the kernel does not know.
const SHELL: &str = "/bin/sh";
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;

/// A program that can be started and recorded.
#[derive(Debug)]
pub struct Target {
    /// The file.
    pub path: PathBuf,
    /// The ELF file that is loaded in the end: the program, or the last interpreter. Where the kernel knows another way to
    /// run it, the file itself.
    pub image: PathBuf,
    /// The loader of the image.
    pub loader: Option<PathBuf>,
    /// argv, as it was typed.
    pub arguments: Vec<OsString>,
    /// The program's name for `%e`.
    pub name: OsString,
}

impl Target {
    /// Finds and checks the program that `command` names.
    pub fn find(command: &[OsString], path: Option<&OsStr>) -> Result<Target, Error> {
        let typed = command.first().cloned().unwrap_or_default();
        let refused =
            |through, refusal| Error::TargetRefused { command: typed.to_string_lossy().into_owned(), through, refusal };
        let file = match look_up(&typed, path) {
            Ok(file) => file,
            Err(Refusal::Missing) => {
                let in_path = !script::is_path(&typed);
                return Err(Error::TargetNotFound { command: typed.to_string_lossy().into_owned(), in_path });
            }
            Err(refusal) => return Err(refused(Vec::new(), refusal)),
        };
        let mut through = Vec::new();
        let (image, loader) = check(&file, path, &mut through, 0).map_err(|refusal| refused(through, refusal))?;
        Ok(Target { path: file, image, loader, arguments: command.to_vec(), name: script::base_name(&typed) })
    }

    /// The same for exec, with these variables.
    pub fn program(&self, variables: Vec<CString>) -> sys::Program {
        let path = c_string(self.path.clone().into_os_string());
        let arguments: Vec<CString> = self.arguments.iter().cloned().map(c_string).collect();
        let shell = [c_string(SHELL.into()), path.clone()];
        let shell_arguments = shell.into_iter().chain(arguments.iter().skip(1).cloned()).collect();
        sys::Program { path, arguments, shell_arguments, variables }
    }
}

/// Arguments came from C strings and paths from directories and PATH, so no NUL is inside.
fn c_string(text: OsString) -> CString {
    CString::new(text.into_vec()).unwrap_or_default()
}

/// The file that execvp(3) would run: the first in PATH that may be executed.
fn look_up(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Refusal> {
    if script::is_path(name) {
        let file = PathBuf::from(name);
        return executable(&file).map(|_| file);
    }
    let mut first_refusal = Refusal::Missing;
    if name.is_empty() {
        return Err(first_refusal);
    }
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    for directory in path.as_bytes().split(|&byte| byte == b':') {
        let directory = if directory.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(directory) };
        let file = Path::new(directory).join(name);
        match executable(&file) {
            Ok(_) => return Ok(file),
            // Also in a directory that may not be searched: nothing is known to be there.
            Err(_) if file.symlink_metadata().is_err() => {}
            Err(refusal) if first_refusal == Refusal::Missing => first_refusal = refusal,
            Err(_) => {}
        }
    }
    Err(first_refusal)
}

fn executable(file: &Path) -> Result<Metadata, Refusal> {
    let about = std::fs::metadata(file).map_err(|cause| match cause.kind() {
        io::ErrorKind::PermissionDenied => Refusal::NotExecutable,
        _ => Refusal::Missing,
    })?;
    if about.is_dir() {
        Err(Refusal::Directory)
    } else if !about.is_file() {
        Err(Refusal::NotAFile)
    } else if !sys::may_execute(file) {
        Err(Refusal::NotExecutable)
    } else {
        Ok(about)
    }
}

/// An ELF file, and the loader that it names.
type Image = (PathBuf, Option<PathBuf>);

/// Follows interpreters to the ELF file that is loaded in the end. `through` gathers those on the way, so that on
/// an error its last is the file that the refusal is about.
fn check(file: &Path, path: Option<&OsStr>, through: &mut Vec<PathBuf>, scripts: usize) -> Result<Image, Refusal> {
    let about = executable(file)?;
    // Before it is read: a set-id program that may not be read is known from its mode alone.
    secure(file, &about)?;
    let unreadable = |cause: io::Error| Refusal::Unreadable(crate::error::words(&cause));
    let opened = File::open(file).map_err(unreadable)?;
    let mut start = Vec::new();
    (&opened).take(LINE_BYTES as u64).read_to_end(&mut start).map_err(unreadable)?;
    if start.starts_with(&elf::MAGIC) {
        return check_elf(file, &opened);
    }
    if scripts == INTERPRETERS_MAX {
        through.clear();
        return Err(Refusal::TooDeep);
    }
    let mut next = |name: PathBuf, found: Result<PathBuf, Refusal>| {
        through.push(found.as_ref().unwrap_or(&name).clone());
        check(&found?, path, through, scripts + 1)
    };
    let Some(line) = script::shebang(&start) else {
        // Text goes to /bin/sh, as with execvp(3); anything else is the kernel's and binfmt_misc's business.
        let shell = PathBuf::from(SHELL);
        let is_unknown = start.contains(&0) || file == shell;
        return if is_unknown { Ok((file.to_path_buf(), None)) } else { next(shell.clone(), Ok(shell)) };
    };
    let image = next(line.interpreter.clone(), Ok(line.interpreter.clone()))?;
    match script::program_of_env(&line) {
        Some(program) => next(PathBuf::from(&program), look_up(&program, path)),
        None => Ok(image),
    }
}

fn check_elf(file: &Path, opened: &File) -> Result<Image, Refusal> {
    let read = |offset, length: u64| {
        let mut bytes = vec![0; length as usize];
        opened.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
    };
    match elf::loader(read)? {
        Some(loader) if loader.contains("ld-musl") => Err(Refusal::Musl { loader }),
        Some(loader) if !Path::new(&loader).exists() => Err(Refusal::LoaderMissing { loader }),
        Some(loader) => Ok((file.to_path_buf(), Some(loader.into()))),
        // The loader run as a program: it asks for none, and honours LD_PRELOAD.
        None if script::base_name(file.as_os_str()).as_bytes().starts_with(b"ld-linux") => {
            Ok((file.to_path_buf(), None))
        }
        None => Err(Refusal::Static),
    }
}

/// Whether the kernel would set AT_SECURE for this file, so that the loader ignores LD_PRELOAD.
fn secure(file: &Path, about: &Metadata) -> Result<(), Refusal> {
    let (user, group) = sys::user_and_group();
    let set_id = set_id(about.mode(), (about.uid(), about.gid()), (user, group));
    // Root has all capabilities anyway, and gains none.
    let capabilities = (user != 0 && sys::has_capabilities(file)).then_some(Refusal::Capabilities);
    match set_id.or(capabilities) {
        Some(refusal) if !sys::ignores_privileges(file) && !is_script(file) => Err(refusal),
        _ => Ok(()),
    }
}

/// The kernel looks at the set-id bits of the last interpreter only.
fn is_script(file: &Path) -> bool {
    let mut start = [0; 2];
    File::open(file).and_then(|mut file| file.read_exact(&mut start)).is_ok_and(|()| start == *b"#!")
}

/// Set-id bits that change an id. The group's bit without the group's execute bit means something else.
fn set_id(mode: u32, owner: (u32, u32), real: (u32, u32)) -> Option<Refusal> {
    if mode & SET_USER != 0 && owner.0 != real.0 {
        Some(Refusal::SetUser)
    } else if mode & SET_GROUP != 0 && mode & GROUP_EXECUTE != 0 && owner.1 != real.1 {
        Some(Refusal::SetGroup)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory that goes away with the test.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Place {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("memtrace-target-{}-{number}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Place(path)
        }

        fn put(&self, name: &str, bytes: impl AsRef<[u8]>, mode: u32) -> OsString {
            let path = self.0.join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path.into_os_string()
        }

        fn script(&self, name: &str, text: &str) -> OsString {
            self.put(name, text, 0o755)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn said(command: impl Into<OsString>, path: Option<&OsStr>) -> String {
        match Target::find(&[command.into()], path) {
            Ok(target) => target.path.display().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_dynamic_program_is_found_in_path_and_by_its_path() {
        assert_eq!(said("sh", Some(OsStr::new("/nowhere:/bin"))), "/bin/sh");
        assert_eq!(said("sh", None), "/bin/sh");
        assert_eq!(said("/bin/sh", Some(OsStr::new(""))), "/bin/sh");
    }

    #[test]
    fn the_first_in_path_that_may_be_executed_is_taken() {
        let (first, second) = (Place::new(), Place::new());
        first.put("tool", "#!/bin/sh\n", 0o644);
        let tool = second.script("tool", "#!/bin/sh\n");
        let path = std::env::join_paths([&first.0, &second.0]).unwrap();
        assert_eq!(said("tool", Some(&path)), tool.to_str().unwrap());
        assert_eq!(said("tool", Some(first.0.as_os_str())), "cannot run `tool`: not executable by this user");
        assert_eq!(said("tool", Some(OsStr::new("/nowhere"))), "cannot run `tool`: not found in PATH");
        assert_eq!(said("", None), "cannot run ``: not found in PATH");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let place = Place::new();
        assert!(said("/", None).ends_with("a directory, expected a program"));
        assert!(said("/dev/null", None).ends_with("not a regular file, expected a program"));
        assert!(said("/nowhere/at/all", None).ends_with("no such file"));
        assert!(said(place.put("plain", "x", 0o600), None).ends_with("not executable by this user"));
    }

    #[test]
    fn static_musl_and_foreign_programs_are_refused() {
        let place = Place::new();
        let program = |name, change: fn(&mut Vec<u8>), loader| {
            let mut bytes = elf::tests::program(loader);
            change(&mut bytes);
            said(place.put(name, bytes, 0o755), None)
        };
        assert!(program("static", |_| (), None).contains("statically linked"));
        assert!(!program("ld-linux-x86-64.so.2", |_| (), None).contains("cannot run"));
        assert!(program("musl", |_| (), Some("/lib/ld-musl-x86_64.so.1")).contains("linked against musl"));
        assert!(program("lost", |_| (), Some("/nowhere/ld.so")).contains("without its loader `/nowhere/ld.so`"));
        assert!(program("small", |bytes| bytes[4] = 1, Some("/bin/sh")).contains("a 32-bit program"));
        assert!(program("arm", |bytes| bytes[18] = 183, Some("/bin/sh")).contains("a program for aarch64"));
        assert!(program("cut", |bytes| bytes.truncate(70), None).contains("a damaged ELF file"));
    }

    #[test]
    fn a_script_is_refused_for_the_interpreter_at_the_end_of_its_chain() {
        let place = Place::new();
        let fixed = place.put("fixed", elf::tests::program(None), 0o755);
        let fixed = fixed.to_str().unwrap();
        let inner = place.script("inner", &format!("#!{fixed} -x\n"));
        let outer = place.script("outer", &format!("#!{}\n", inner.to_str().unwrap()));
        let refused = format!("its interpreter `{fixed}` is statically linked, so no library can be preloaded");
        assert!(said(outer, None).ends_with(&refused));
        let path = Some(place.0.as_os_str());
        assert!(said(place.script("by_env", "#!/usr/bin/env fixed\n"), path).ends_with(&refused));
        assert!(said(place.script("by_env_s", "#!/usr/bin/env -S A=b fixed -u\n"), path).ends_with(&refused));
        let lost = place.script("lost", "#!/usr/bin/env nowhere-at-all\n");
        assert!(said(lost, path).ends_with("its interpreter `nowhere-at-all` is missing"));
        assert!(said(place.script("gone", "#!/nowhere/sh\n"), None).ends_with("`/nowhere/sh` is missing"));
    }

    #[test]
    fn scripts_that_work_are_let_through() {
        let place = Place::new();
        for (name, text) in [("a", "#!/bin/sh\n"), ("b", "#!/usr/bin/env sh\n"), ("c", "echo\n"), ("d", "")] {
            let script = place.script(name, text);
            assert_eq!(said(&script, Some(OsStr::new("/bin"))), script.to_str().unwrap());
        }
    }

    #[test]
    fn six_interpreters_in_a_row_are_one_too_many() {
        let place = Place::new();
        let mut last = OsString::from("/bin/sh");
        for number in 1..=INTERPRETERS_MAX {
            last = place.script(&number.to_string(), &format!("#!{}\n", last.to_str().unwrap()));
            assert_eq!(said(&last, None), last.to_str().unwrap());
        }
        last = place.script("6", &format!("#!{}\n", last.to_str().unwrap()));
        assert!(
            said(&last, None).ends_with("behind more than 5 interpreters in a row, the most that the kernel follows")
        );
    }

    #[test]
    fn set_id_bits_count_where_they_change_an_id() {
        let (mine, root) = ((1000, 1000), (0, 0));
        assert_eq!(set_id(0o4755, root, mine), Some(Refusal::SetUser));
        assert_eq!(set_id(0o4755, mine, mine), None);
        assert_eq!(set_id(0o4755, root, root), None);
        assert_eq!(set_id(0o2755, root, mine), Some(Refusal::SetGroup));
        assert_eq!(set_id(0o2745, root, mine), None);
        assert_eq!(set_id(0o755, root, mine), None);
    }
}
