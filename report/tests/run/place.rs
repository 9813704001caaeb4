//! A directory with the command and a stub of its library beside it; it goes away with the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::mem::offset_of;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use memtrace_wire::layout::{FileHeader, PROCESS_MAGIC, ProcessHeader, ROOT_BYTES};

/// Longer than anything here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The directory.
pub struct Place(PathBuf);

impl Place {
    /// A new one, beside the command so that a link to it can be made.
    pub fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let path = path.canonicalize().unwrap();
        let command = Path::new(env!("CARGO_BIN_EXE_memtrace"));
        fs::hard_link(command, path.join("memtrace"))
            .or_else(|_| fs::copy(command, path.join("memtrace")).map(drop))
            .unwrap();
        let place = Place(path);
        let layout = [
            ("COOKIE", offset_of!(FileHeader, cookie) as u64),
            ("NEXT_OFFSET", offset_of!(FileHeader, next_offset) as u64),
            ("FIRST_PROCESS", offset_of!(FileHeader, first_process) as u64),
            ("PROCESS_COUNT", offset_of!(FileHeader, process_count) as u64),
            ("ROOT_BYTES", ROOT_BYTES),
            ("PROCESS_MAGIC", PROCESS_MAGIC),
            ("NEXT_PROCESS", offset_of!(ProcessHeader, next_process) as u64),
            ("PID", offset_of!(ProcessHeader, pid) as u64),
            ("PPID", offset_of!(ProcessHeader, ppid) as u64),
            ("FORKED", offset_of!(ProcessHeader, forked) as u64),
            ("START_NS", offset_of!(ProcessHeader, start_ns) as u64),
            ("FORKS", offset_of!(ProcessHeader, forks) as u64),
            ("END", offset_of!(ProcessHeader, end) as u64),
        ];
        let layout: Vec<String> = layout.iter().map(|(name, value)| format!("-D{name}={value}ull")).collect();
        let mut options: Vec<&str> = vec!["-shared", "-fPIC"];
        options.extend(layout.iter().map(String::as_str));
        place.compile("libmemtrace.so", include_str!("stub.c"), &options);
        place
    }

    /// The working directory of what is started: profiles land there.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Compiles a C program or library into the directory.
    pub fn compile(&self, name: &str, source: &str, options: &[&str]) -> PathBuf {
        let (from, to) = (self.0.join(format!("{name}.c")), self.0.join(name));
        fs::write(&from, source).unwrap();
        let output = Command::new("cc").arg("-O1").args(options).arg("-o").arg(&to).arg(&from).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        to
    }

    /// Puts an executable script into the directory.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A command in the directory. Signals are as a terminal leaves them: what started the tests may have been told
    /// to ignore some, as nohup and a shell's background are.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("env");
        command.args(["--default-signal", program]).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    /// The words that come before a target's.
    pub fn launch(&self) -> [String; 3] {
        [self.0.join("memtrace").display().to_string(), "run".into(), "--".into()]
    }

    /// Runs a target to its end.
    pub fn run(&self, target: &[&str]) -> Output {
        self.run_with(&[], target)
    }

    /// The same with options.
    pub fn run_with(&self, options: &[&str], target: &[&str]) -> Output {
        let [program, run, end] = self.launch();
        self.command(&program).arg(run).args(options).arg(end).args(target).output().unwrap()
    }

    /// Starts a target; its stdout is a pipe.
    pub fn spawn(&self, target: &[&str]) -> Child {
        let [program, run, end] = self.launch();
        let mut command = self.command(&program);
        command.arg(run).arg(end).args(target).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What a line of shell prints in a terminal.
    pub fn in_terminal(&self, line: &str) -> String {
        let output = self.command("script").args(["-qefc", line, "/dev/null"]).output().unwrap();
        text(&output.stdout).replace('\r', "")
    }

    /// Profiles with the default name, in the order of their names.
    pub fn profiles(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".memtrace.json")).collect();
        names.sort();
        names
    }

    /// Files that have to do with profiles, temporary ones included.
    pub fn files(&self) -> usize {
        let names = fs::read_dir(&self.0).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.contains(".memtrace.json")).count()
    }

    /// Processes of this directory's command: a launcher or keeper that is still there.
    pub fn processes(&self) -> Vec<u32> {
        let command = self.0.join("memtrace");
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == command)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first line that the child prints.
pub fn read_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line
}

/// Whether it becomes true in good time.
pub fn eventually(mut is_true: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if is_true() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
