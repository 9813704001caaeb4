//! What the launcher does where the system gives it little: no descriptors, no memory, no disk, nobody who listens.

use std::path::Path;
use std::time::Duration;

use memtrace_tests::{Ended, How, Place, pair, side_by_side, workspace};

/// Longer than any of these takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// Plants and prints; `$1` is the command, `$2` the profile, `$3` the program.
struct Scene<'s> {
    place: &'s Place,
    program: &'s Path,
}

impl Scene<'_> {
    fn play(&self, script: &str) -> Ended {
        let profile = self.place.join(&self.place.unused_name());
        let job = self.place.job(How::Native, "/bin/bash").arg("-c").arg(script).arg("bash");
        job.arg(&pair().command).arg(profile).arg(self.program).patience(PATIENCE).run()
    }

    /// The program ran to its end, or the command said with its own status why it did not start it.
    fn wrong(&self, script: &str) -> Option<String> {
        let ended = self.play(script);
        let is_told = ended.stderr.lines().any(|line| line.starts_with("memtrace: "));
        let is_intact = ended.code() == Some(0) && ended.stdout == "ok\n";
        let is_refused = [Some(2), Some(3)].contains(&ended.code()) && ["", "ok\n"].contains(&ended.stdout.as_str());
        let is_right = is_intact || is_refused && is_told;
        (!is_right).then(|| format!("{script}\n  {} {:?}\n  {}", ended.status, ended.stdout, ended.stderr))
    }
}

fn scene(look: impl Fn(&Scene) -> Vec<String>) {
    let place = Place::new();
    let program = place.compile(&workspace().join("tests/hosts/end_plain.c"), "program", &["-w"]);
    let wrong = look(&Scene { place: &place, program: &program });
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn all(scene: &Scene, scripts: Vec<String>) -> Vec<String> {
    side_by_side(&scripts, |script| scene.wrong(script).into_iter().collect())
}

#[test]
fn with_few_descriptors_a_program_runs_or_is_refused_in_words() {
    scene(|scene| {
        let script = |most: u32| format!("ulimit -n {most}; exec \"$1\" run -o \"$2\" -- \"$3\"");
        // Three are open; the loader needs a fourth for the command itself.
        all(scene, (4..20).map(script).collect())
    });
}

#[test]
fn with_little_address_space_a_program_runs_or_is_refused_in_words() {
    scene(|scene| {
        // Where the loader has no room for the command, it is the loader's to say so.
        let script = |kib: u32| {
            format!(
                "ulimit -v {kib}; \"$1\" --version >/dev/null 2>&1 || {{ echo ok; exit; }}
                exec \"$1\" run -o \"$2\" -- \"$3\""
            )
        };
        let narrow = (8..32).flat_map(|mib| [mib << 10, (mib << 10) + 512]);
        all(scene, narrow.chain([48, 64, 96, 128, 192, 256, 512, 1024].map(|mib| mib << 10)).map(script).collect())
    });
}

#[test]
fn where_files_have_a_limit_a_program_runs_or_is_refused_in_words() {
    scene(|scene| {
        let script = |kib: u32| format!("ulimit -f {kib}; exec \"$1\" run -o \"$2\" -- \"$3\"");
        all(scene, [0, 1, 4, 64, 4096, 1 << 20, 1 << 22].map(script).to_vec())
    });
}

#[test]
fn in_a_small_memory_cgroup_a_program_runs_or_is_refused_in_words() {
    scene(|scene| {
        let script = |mib: u32| {
            format!(
                "root=/sys/fs/cgroup; [ -e $root/cgroup.controllers ] || root=$root/memory
                group=$root/memtrace-own-$$; limit=$group/memory.max
                mkdir $group 2>/dev/null || {{ echo none; exit; }}
                trap 'until rmdir $group; do sleep 0.1; done 2>/dev/null' EXIT
                [ -e $limit ] || limit=$group/memory.limit_in_bytes
                echo {} >$limit && (echo $BASHPID >$group/cgroup.procs && exec \"$1\" run -o \"$2\" -- \"$3\")",
                mib << 20
            )
        };
        if scene.play(&script(1024)).stdout == "none\n" {
            println!("no memory cgroup can be made here: little memory in one is not tested");
            return Vec::new();
        }
        all(scene, [4, 6, 8, 12, 16, 32, 64].map(script).to_vec())
    });
}

#[test]
fn an_ordinary_user_with_no_process_to_spare_runs_a_program_or_is_refused_in_words() {
    scene(|scene| {
        // The system counts a user's processes, and root's it does not limit: nobody else has this number.
        let script = |most: u32| {
            format!(
                "as=; ((EUID)) || as='setpriv --reuid 61803 --regid 61803 --clear-groups'
                mkdir own && cp \"${{1%/*}}\"/{{memtrace,libmemtrace*.so}} \"$3\" own && chmod -R a+rwX own && cd own || exit 9
                exec $as bash -c 'ulimit -u {most}; exec ./memtrace run -o profile.json -- ./\"${{0##*/}}\"' \"$3\""
            )
            .replace("own", &format!("own-{most}"))
        };
        all(scene, (0..6).map(script).collect())
    });
}

#[test]
fn whoever_starts_the_command_may_ignore_its_children_or_have_closed_everything() {
    scene(|scene| {
        let run = "\"$1\" run -o \"$2\" -- \"$3\"";
        let scripts = [
            format!("trap '' CHLD; exec {run}"),
            format!("trap '' PIPE; exec {run}"),
            format!("exec {run} 2>&-"),
            format!("exec {run} <&-"),
            format!("exec {run} 2>/dev/full"),
            // Nobody reads what it says, or takes it.
            format!("exec {run} 2> >(exec sleep 0)"),
            format!("cd /; exec {run}"),
            format!("mkdir gone; cd gone; rmdir ../gone; exec {run}"),
            format!("umask 777; exec {run}"),
            format!("unset PATH HOME LC_ALL; exec {run}"),
            format!("ulimit -s 1024; exec {run}"),
            format!("ulimit -l 0; exec {run}"),
            format!("ulimit -c 0; ulimit -u 10000; exec {run}"),
        ];
        all(scene, scripts.to_vec())
    });
}

#[test]
fn a_profile_that_cannot_be_written_is_said_before_or_after_and_leaves_nothing_half() {
    let place = Place::new();
    let program = place.compile(&workspace().join("tests/hosts/end_plain.c"), "program", &["-w"]);
    let run = |script: &str| {
        let job = place.job(How::Native, "/bin/bash").arg("-c").arg(script).arg("bash");
        job.arg(&pair().command).arg(place.path()).arg(&program).patience(PATIENCE).run()
    };
    for to in ["/proc/no/such/place", "/dev/full", "$2/no/such/place", "$2/program/below"] {
        let ended = run(&format!("exec \"$1\" run -o \"{to}\" -- \"$3\""));
        assert!([Some(2), Some(3)].contains(&ended.code()), "{to}: {} {}", ended.status, ended.stderr);
        assert!(ended.stderr.contains("memtrace: cannot write"), "{to}: {}", ended.stderr);
    }
    // A file system of its own that is full, where one may be made; with the launcher, and with the library alone.
    let full = |command: &str| {
        run(&format!(
            "unshare -m true 2>/dev/null || {{ echo none; exit 0; }}; mkdir -p \"$2/full\"
            exec unshare -m bash -c 'mount -t tmpfs -o size=16k none \"$2/full\" && cd \"$2/full\" || exit 9
            head -c 12000 /dev/zero >filler; {command} \"$3\"; status=$?; ls -A; exit $status' bash \"$@\""
        ))
    };
    let ended = full("\"$1\" run -o profile.json --");
    if ended.stdout == "none\n" {
        println!("no file system can be mounted here: a full one is not tested");
        return;
    }
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(3), "ok\nfiller\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("no space left"), "{}", ended.stderr);
    let ended = full(&format!("env LD_PRELOAD={} MEMTRACE_JSON=half", pair().library.display()));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "ok\nfiller\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("no space left"), "{}", ended.stderr);
}

#[test]
fn a_launcher_whose_words_nobody_reads_does_not_wait_for_ever() {
    let place = Place::new();
    let program = place.compile(&workspace().join("tests/hosts/end_plain.c"), "program", &["-w"]);
    // The pipe is full before it begins, and its reader sleeps longer than the launcher may wait.
    let script = "exec 2> >(exec sleep 100); python3 - <<'END'
import os
os.set_blocking(2, False)
try:
    while True: os.write(2, b'x' * 4096)
except BlockingIOError:
    pass
os.set_blocking(2, True)
END
\"$1\" run -o \"$2\" -- \"$3\"; status=$?; kill $! 2>/dev/null; exit $status";
    let profile = place.join(&place.unused_name());
    let job = place.job(How::Native, "/bin/bash").arg("-c").arg(script).arg("bash");
    let ended = job.arg(&pair().command).arg(&profile).arg(&program).patience(PATIENCE).run();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "ok\n"), "{}", ended.stderr);
    assert!(profile.exists());
}
