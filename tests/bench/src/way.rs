//! The ways to run a workload: natively, with memtrace, with a peer.
//!
//! Each turns a command into words and variables. Peers come from Debian or the compiler; one that is missing is a
//! cell of the table, not an error.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::find;

/// One way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// As it is.
    Native,
    /// `LD_PRELOAD=libmemtrace.so`, quiet.
    Bare,
    /// `memtrace run`: the launcher, with all that it does at the end, is part of the CPU time.
    Run,
    /// Bare and quiet, one block in 512 KiB.
    Sampled,
    /// Bare, with the report at the end.
    Report,
    /// heaptrack with its interpreter.
    Heaptrack,
    /// gcc's leak sanitizer, preloaded into a program that was not compiled for it.
    Lsan,
    /// jemalloc's profiler, every allocation.
    Jemalloc,
    /// gperftools' heap profiler.
    Gperftools,
    /// glibc's checking malloc.
    MallocDebug,
    /// valgrind's memcheck, with all leaks.
    Memcheck,
    /// memray, which runs scripts for Python and nothing else.
    Memray,
}

/// All ways, in the order of the table.
pub const ALL: [Way; 12] = [
    Way::Native,
    Way::Bare,
    Way::Run,
    Way::Sampled,
    Way::Report,
    Way::Heaptrack,
    Way::Lsan,
    Way::Jemalloc,
    Way::Gperftools,
    Way::MallocDebug,
    Way::Memcheck,
    Way::Memray,
];

impl Way {
    /// What `--ways` takes, and the head of the column.
    pub fn name(self) -> &'static str {
        match self {
            Way::Native => "native",
            Way::Bare => "memtrace",
            Way::Run => "run",
            Way::Sampled => "sampled",
            Way::Report => "report",
            Way::Heaptrack => "heaptrack",
            Way::Lsan => "lsan",
            Way::Jemalloc => "jemalloc",
            Way::Gperftools => "gperftools",
            Way::MallocDebug => "malloc-debug",
            Way::Memcheck => "memcheck",
            Way::Memray => "memray",
        }
    }

    /// Whether it is somebody else's.
    pub fn is_peer(self) -> bool {
        self >= Way::Heaptrack
    }

    /// Only if it is asked for: too slow, or for too few rows.
    pub fn is_unasked(self) -> bool {
        self >= Way::Memcheck
    }

    /// Where a row counts pairs, a slow peer does this part of them; ratios are taken by the pair.
    pub fn share(self) -> u64 {
        match self {
            Way::Jemalloc => 10,
            Way::Gperftools => 100,
            Way::Memcheck => 20,
            _ => 1,
        }
    }
}

/// A command that is ready to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Variables to set.
    pub variables: Vec<(String, String)>,
    /// A file outside of the place that the program leaves when it is stopped; `%p` is its pid.
    pub leaves: Option<&'static str>,
}

/// What the ways need, found once.
#[derive(Debug)]
pub struct Tools {
    library: PathBuf,
    command: PathBuf,
    /// Whether this memtrace knows `MEMTRACE_SAMPLE`.
    samples: bool,
    heaptrack: Option<PathBuf>,
    lsan: Option<PathBuf>,
    jemalloc: Option<PathBuf>,
    gperftools: Option<PathBuf>,
    malloc_debug: Option<PathBuf>,
    valgrind: Option<PathBuf>,
    memray: Option<PathBuf>,
}

impl Tools {
    /// Looks for the peers; the pair is in this folder.
    pub fn find(pair: &Path) -> Result<Tools, Error> {
        let at = |name: &str| {
            let path = pair.join(name);
            let real = path.canonicalize().ok().filter(|path| path.is_file());
            let missing = || Error::misused(format!("`{}` has no `{name}`", pair.display()));
            real.ok_or_else(|| missing().hint("cargo build --release, or --pair with the folder that has both"))
        };
        let (library, command) = (at("libmemtrace.so")?, at("memtrace")?);
        let help = Command::new(&command).arg("--help").output();
        let help = help.map_err(|cause| Error::file("start", &command, &cause))?;
        Ok(Tools {
            library,
            command,
            samples: String::from_utf8_lossy(&help.stdout).contains("MEMTRACE_SAMPLE"),
            heaptrack: find::program("heaptrack"),
            lsan: find::library(&["liblsan.so", "liblsan.so.0"]),
            jemalloc: find::library(&["libjemalloc.so.2"]),
            gperftools: find::library(&["libtcmalloc.so.4"]),
            malloc_debug: find::library(&["libc_malloc_debug.so.0"]),
            valgrind: find::program("valgrind"),
            memray: find::program("memray"),
        })
    }

    /// valgrind, which counts instructions too.
    pub fn valgrind(&self) -> Option<&Path> {
        self.valgrind.as_deref()
    }

    /// The command gone this way; the error is what the cell says.
    pub fn start(&self, way: Way, words: &[String], variables: &[(&str, &str)]) -> Result<Start, &'static str> {
        let preload = |library: &str, more: &[(&str, &str)]| {
            let more = [more, &[("LD_PRELOAD", library)]].concat();
            (Vec::new(), more.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
        };
        let before = |program: &Path, arguments: &[&str]| {
            let program = program.to_string_lossy().into_owned();
            ([vec![program], arguments.iter().map(|word| word.to_string()).collect()].concat(), Vec::new())
        };
        let found = |tool: &Option<PathBuf>| tool.clone().ok_or("not installed");
        let library = |tool: &Option<PathBuf>| Ok(found(tool)?.to_string_lossy().into_owned());
        let own = self.library.to_string_lossy();
        let (before, more): (Vec<String>, Vec<(String, String)>) = match way {
            Way::Native => Default::default(),
            Way::Bare => preload(&own, &[("MEMTRACE_QUIET", "1")]),
            Way::Run => before(&self.command, &["run", "-o", "profile.json", "--"]),
            Way::Sampled if !self.samples => return Err("not known"),
            Way::Sampled => preload(&own, &[("MEMTRACE_QUIET", "1"), ("MEMTRACE_SAMPLE", "524288")]),
            Way::Report => preload(&own, &[("MEMTRACE_OUT", "report.txt"), ("MEMTRACE_DEADLINE", "60")]),
            Way::Heaptrack => before(&found(&self.heaptrack)?, &["-o", "heaptrack"]),
            // It starts at the first malloc, and its other wrappers crash before that: libstdc++ allocates early.
            Way::Lsan => {
                let libraries = library(&self.lsan)? + ":libstdc++.so.6";
                preload(&libraries, &[("LSAN_OPTIONS", "exitcode=0:log_path=lsan")])
            }
            Way::Jemalloc => preload(&library(&self.jemalloc)?, &[("MALLOC_CONF", JEMALLOC)]),
            Way::Gperftools => preload(&library(&self.gperftools)?, &[("HEAPPROFILE", "gperftools")]),
            Way::MallocDebug => preload(&library(&self.malloc_debug)?, &[("GLIBC_TUNABLES", "glibc.malloc.check=3")]),
            Way::Memcheck => before(&found(&self.valgrind)?, &["--leak-check=full", "--log-file=memcheck.%p"]),
            Way::Memray if !runs_python(words) => return Err("not Python"),
            // It stands for the interpreter, whose first argument is the script.
            Way::Memray => before(&found(&self.memray)?, &["run", "--quiet", "--force", "--output", "memray.bin"]),
        };
        let words = &words[usize::from(way == Way::Memray)..];
        let own = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Ok(Start {
            words: [before, words.to_vec()].concat(),
            variables: own.chain(more).collect(),
            leaves: (way == Way::Heaptrack).then_some("/tmp/heaptrack_fifo%p"),
        })
    }
}

fn runs_python(words: &[String]) -> bool {
    let program = words.first().and_then(|word| Path::new(word).file_name());
    program.is_some_and(|name| name.to_string_lossy().starts_with("python"))
}

/// Each allocation is sampled, and the profile is written at the end.
const JEMALLOC: &str = "prof:true,lg_prof_sample:0,prof_final:true,prof_prefix:jemalloc";

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Tools {
        Tools {
            library: "/lib/libmemtrace.so".into(),
            command: "/bin/memtrace".into(),
            samples: false,
            heaptrack: None,
            lsan: Some("/lib/liblsan.so".into()),
            jemalloc: None,
            gperftools: None,
            malloc_debug: None,
            valgrind: Some("/bin/valgrind".into()),
            memray: Some("/bin/memray".into()),
        }
    }

    #[test]
    fn a_way_adds_words_or_variables_and_keeps_the_rows() {
        let words = ["ls".to_owned(), "-l".to_owned()];
        let start = |way| tools().start(way, &words, &[("A", "b")]);
        let native = start(Way::Native).unwrap();
        assert_eq!((&native.words[..], &native.variables[..]), (&words[..], &[("A".to_owned(), "b".to_owned())][..]));
        assert_eq!(start(Way::Run).unwrap().words[..2], ["/bin/memtrace", "run"]);
        assert_eq!(start(Way::Run).unwrap().words[4..], ["--", "ls", "-l"]);
        let lsan = start(Way::Lsan).unwrap();
        assert!(lsan.variables.contains(&("LD_PRELOAD".to_owned(), "/lib/liblsan.so:libstdc++.so.6".to_owned())));
        assert_eq!(lsan.variables[0].0, "A");
        assert_eq!(start(Way::Memray), Err("not Python"));
        let script = ["/usr/bin/python3".to_owned(), "work.py".to_owned()];
        let memray = tools().start(Way::Memray, &script, &[]).unwrap().words;
        assert_eq!(
            (memray[0].as_str(), memray[memray.len() - 2..].join(" ")),
            ("/bin/memray", "memray.bin work.py".into())
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(tools().start(Way::Heaptrack, &[], &[]), Err("not installed"));
        assert_eq!(tools().start(Way::Sampled, &[], &[]), Err("not known"));
        assert!(tools().start(Way::Memcheck, &[], &[]).is_ok());
    }
}
