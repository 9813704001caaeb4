//! A driver for every compiler: samples and the corpus, changed at random, in a process that may take little.
//!
//! `MEMTRACE_FUZZ_SECONDS=10` is how long each target is tried (1); a failure names target, seed and round, and
//! `MEMTRACE_FUZZ=TARGET:SEED:ROUND` runs that one alone, in the test's own process.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{TARGETS, Target};
use crate::profile::Profile;
use crate::recording::builder;
use crate::{check, profile, sweep};

/// Address space of a process that tries a target, in KiB: what it may take, and what a test has mapped anyway.
const SPACE_KIB: u64 = (512 + 256) << 10;
/// The longest that one input may take.
pub const INPUT_MAX: Duration = Duration::from_secs(10);
/// Inputs do not grow beyond this.
const BYTES_MAX: usize = 1 << 20;

/// Numbers in a fixed order (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() >> 33) as usize % count.max(1)
    }
}

#[test]
fn no_reader_falls_over_what_is_mutated() {
    if let Ok(one) = std::env::var("MEMTRACE_FUZZ") {
        let mut parts = one.split(':');
        let (name, seed, round) = (parts.next(), parts.next(), parts.next());
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).expect("TARGET:SEED:ROUND");
        let target = TARGETS.iter().find(|target| Some(target.name) == name).expect("a target has this name");
        let input = mutated(&samples(target.name), number(seed), number(round));
        return (target.run)(&input);
    }
    let seconds = std::env::var("MEMTRACE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64 | 1);
    let failed: Vec<String> = TARGETS.iter().filter_map(|target| tried(target, seed, seconds)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// How a target failed in a process of its own.
fn tried(target: &Target, seed: u64, seconds: f64) -> Option<String> {
    let mut command = Command::new("/bin/bash");
    let script =
        format!("ulimit -c 0; ulimit -v {SPACE_KIB}; exec \"$0\" --exact fuzz::driver::child --ignored --nocapture");
    command.arg("-c").arg(script).arg(std::env::current_exe().expect("the test has a path"));
    command.env("MEMTRACE_FUZZ_CHILD", format!("{}:{seed}:{seconds}", target.name)).env("RUST_BACKTRACE", "0");
    let output = command.stdin(Stdio::null()).output().expect("a shell can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = |mark: &str| text.lines().filter_map(|line| line.strip_prefix(mark)).next_back().map(str::to_owned);
    if output.status.success() {
        println!("{}: {}", target.name, last("rounds ").unwrap_or_default());
        return None;
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stderr: Vec<&str> = stderr.lines().take(6).collect();
    let round = last("at ").unwrap_or_default();
    Some(format!(
        "{}: {}; MEMTRACE_FUZZ={}:{seed}:{round}\n{}",
        target.name,
        output.status,
        target.name,
        stderr.join("\n")
    ))
}

/// What runs in a process of its own. Each round is announced, so that the last one is known.
#[test]
#[ignore = "the test above starts it"]
fn child() {
    let Ok(what) = std::env::var("MEMTRACE_FUZZ_CHILD") else { return };
    let mut parts = what.split(':');
    let name = parts.next().unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target has this name");
    let mut number = || parts.next().unwrap_or_default().to_owned();
    let (seed, seconds): (u64, f64) = (number().parse().unwrap(), number().parse().unwrap());
    let samples = samples(name);
    let mut said = std::io::stdout();
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut round = 0u64;
    while Instant::now() < until {
        writeln!(said, "at {round}").unwrap();
        let input = mutated(&samples, seed, round);
        let began = Instant::now();
        (target.run)(&input);
        assert!(began.elapsed() < INPUT_MAX, "an input of {} bytes took {:?}", input.len(), began.elapsed());
        round += 1;
    }
    writeln!(said, "rounds {round}").unwrap();
}

#[test]
fn the_corpus_and_the_samples_are_read() {
    for target in TARGETS {
        let samples = samples(target.name);
        assert!(!samples.is_empty(), "{} has no corpus", target.name);
        samples.iter().for_each(|sample| (target.run)(sample));
        // For other fuzzers: `tests/fuzz.sh`.
        let Some(folder) = std::env::var_os("MEMTRACE_FUZZ_SEEDS") else { continue };
        let folder = PathBuf::from(folder).join(target.name).join("seeds");
        std::fs::create_dir_all(&folder).unwrap();
        samples
            .iter()
            .enumerate()
            .for_each(|(at, sample)| std::fs::write(folder.join(at.to_string()), sample).unwrap());
    }
}

#[test]
fn every_prefix_of_a_recording_and_many_flips_are_read_or_refused() {
    let whole = recording();
    let target = &TARGETS[0];
    for end in (0..whole.len()).step_by(whole.len() / 500 + 1) {
        (target.run)(&whole[..end]);
    }
    let mut random = Random(0x5eed);
    for _ in 0..500 {
        let mut flipped = whole.clone();
        let at = random.below(flipped.len());
        flipped[at] ^= 1 << random.below(8);
        (target.run)(&flipped);
    }
}

/// One of the samples, changed a little.
fn mutated(samples: &[Vec<u8>], seed: u64, round: u64) -> Vec<u8> {
    let mut random = Random(seed ^ (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    random.next();
    let mut bytes = samples[random.below(samples.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(9) {
            0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            2 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            3 => bytes.truncate(at),
            // A number at its edges, where numbers lie.
            4 | 5 => {
                let at = at & !3;
                let edges = [0, 1, u64::MAX, u64::MAX >> 1, 1 << 31, 1 << 32, 0xfff, 1 << 47, random.next()];
                let edge = edges[random.below(edges.len())].to_le_bytes();
                let length = [1, 2, 4, 8][random.below(4)];
                bytes.iter_mut().skip(at).zip(&edge[..length]).for_each(|(to, from)| *to = *from);
            }
            // A piece again, here or from another sample.
            6 => {
                let other = &samples[random.below(samples.len())];
                let from = random.below(other.len());
                let piece: Vec<u8> = other[from..].iter().take(1 + random.below(200)).copied().collect();
                bytes.splice(at..at, piece);
            }
            7 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let words: [&[u8]; 12] = [
                    b"\x1b[2J",
                    b"\xe2\x80\xae",
                    b"\xff",
                    b"\0",
                    b"]]>",
                    b"</script>",
                    b"99999999999999999999",
                    b"-1",
                    b"null",
                    b"[[[[[[[[",
                    b"...\n",
                    b"1e999",
                ];
                bytes.splice(at..at, words[random.below(words.len())].iter().copied());
            }
        }
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.sort();
    files
}

/// What a target's inputs are made from: its corpus, and files as the command writes them today.
fn samples(name: &str) -> Vec<Vec<u8>> {
    let mut samples: Vec<Vec<u8>> = corpus(name).iter().map(|file| std::fs::read(file).unwrap()).collect();
    match name {
        "recording" => samples.push(recording()),
        "profile" => {
            let processes = vec![check::tests::leaky(7, "/b/app"), profile::sample::process(|_| {})];
            let mut text = Vec::new();
            Profile { processes, ..Profile::without_processes() }.write_json(&mut text).unwrap();
            samples.push(text);
        }
        "sweep" => {
            let (mut whole, mut lines) = (Vec::new(), Vec::new());
            sweep::file::write(&sweep::sample::sweep(), &mut whole).unwrap();
            sweep::lines::write(&sweep::sample::sweep(), &mut lines).unwrap();
            samples.extend([whole, lines]);
        }
        "elf" => samples.push(std::fs::read("/proc/self/exe").unwrap().into_iter().take(BYTES_MAX).collect()),
        _ => {}
    }
    samples
}

/// A recording of one process, with a little of everything.
fn recording() -> Vec<u8> {
    let mut target = builder::Target::new(7, "/b/app");
    target.module("/b/libgarden.so", 0x7f00_0000_0000, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let stack = target.stack(&[0x7f00_0000_1010, 0x7f00_0000_1020, 0x7f00_0000_1030]);
    target.site(stack, 700, 7, 3);
    let found = builder::Found { lost: vec![(0x1000, 2, &[1]), (0x1010, 2, &[])], held: Vec::new() };
    target.check(&found);
    target.settings.push("MEMTRACE_TOP=3".to_owned());
    builder::recording(&[target])
}
