//! The workloads: one row each, with what is asked of memtrace on it.
//!
//! Amounts are chosen so that a native run takes about 0.2 to 1 s; `--quick` takes a tenth.

use crate::targets::Measure::{self, *};
use crate::targets::Target;

/// What an amount counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// The work as a whole.
    Whole,
    /// Pairs of malloc and free: their cost can be had from fewer of them, so slow peers do fewer.
    Pairs,
    /// Starts of a program, one after the other.
    Starts,
}

/// Which instructions are counted, by callgrind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    /// None.
    Nothing,
    /// Those of a pair of malloc and free.
    Pair,
    /// Those of a tenth of the work, as a whole.
    Work,
}

/// One workload.
#[derive(Clone, Debug)]
pub struct Row {
    /// What `--rows` picks.
    pub name: String,
    /// What it does, in a few words.
    pub about: String,
    /// The command, with names in braces (see `kit`).
    pub words: Vec<String>,
    /// Variables that it needs.
    pub variables: Vec<(&'static str, &'static str)>,
    /// What the amount counts.
    pub unit: Unit,
    /// How much of it is done in a run.
    pub amount: u64,
    /// Commands that use the target as a server, the last of which ends it. Only the server's CPU time counts.
    pub clients: Vec<Vec<String>>,
    /// Which instructions are counted.
    pub counts: Counts,
    /// Whether the report at the end is measured.
    pub measures_report: bool,
    /// Whether the README shows it.
    pub is_headline: bool,
    /// What is asked.
    pub targets: Vec<Target>,
}

impl Row {
    fn new(name: impl Into<String>, about: impl Into<String>, words: &str, amount: u64) -> Row {
        Row {
            name: name.into(),
            about: about.into(),
            words: words.split(' ').map(str::to_owned).collect(),
            variables: Vec::new(),
            unit: Unit::Whole,
            amount,
            clients: Vec::new(),
            counts: Counts::Nothing,
            measures_report: false,
            is_headline: false,
            targets: Vec::new(),
        }
    }

    fn unit(self, unit: Unit) -> Row {
        Row { unit, ..self }
    }

    fn headline(self) -> Row {
        Row { is_headline: true, ..self }
    }

    fn target(mut self, measure: Measure, at_most: f64, aim: f64) -> Row {
        self.targets.push(Target { measure, at_most, aim });
        self
    }

    /// A real program: its ratio, and the bounds that all of them have on RSS.
    fn program(self, at_most: f64, aim: f64) -> Row {
        self.headline().target(Ratio, at_most, aim).target(RssOver { mb: (4.0, 2.0) }, 1.3, 1.2)
    }

    /// Its instructions are counted: one process, which callgrind can host in a minute.
    fn counted(self) -> Row {
        Row { counts: Counts::Work, ..self }.target(SampledInstructions, 1.02, 1.02)
    }

    fn tenth_of_heaptrack(self) -> Row {
        self.target(AgainstHeaptrack, 0.1, 0.05)
    }

    fn quick(mut self) -> Row {
        self.amount = self.amount.div_ceil(10);
        self
    }
}

/// All rows, in the order of the table.
pub fn all(is_quick: bool) -> Vec<Row> {
    let mut rows = churn();
    rows.extend(blocks());
    rows.extend(programs());
    // Sampling costs next to nothing everywhere. A start is too short to see 2 % of it.
    for row in rows.iter_mut().filter(|row| row.unit != Unit::Starts) {
        row.targets.push(Target { measure: SampledRatio, at_most: 1.02, aim: 1.02 });
    }
    if is_quick { rows.into_iter().map(Row::quick).collect() } else { rows }
}

fn churn() -> Vec<Row> {
    let mut rows = Vec::new();
    for depth in [8, 20, 60] {
        for (ending, with) in [("", ""), ("-fp", ", frame pointers")] {
            for threads in [1, 2, 4] {
                let (suffix, several) = match threads {
                    1 => (String::new(), String::new()),
                    _ => (format!("-t{threads}"), format!(", {threads} threads")),
                };
                let about = format!("malloc/free, 1,000 sites, depth {depth}{with}{several}");
                let words = format!("{{churn{ending}}} {threads} {depth} {{n}}");
                let name = format!("churn-d{depth}{ending}{suffix}");
                let row = Row::new(name, about, &words, 4_000_000).unit(Unit::Pairs);
                rows.push(match (depth, ending, threads) {
                    (20, "", 1) => bounded(row.headline().target(AddedNs, 35.0, 22.0)).tenth_of_heaptrack(),
                    (20, "", 2) => row.headline().target(AddedNs, 40.0, 25.0),
                    (20, "", 4) => row.target(AgainstOneThread, 1.3, 1.1),
                    (_, "", 1) => Row { counts: Counts::Pair, ..row },
                    _ => row,
                });
            }
        }
    }
    let unchanged = Row::new(
        "churn-unchanged",
        "malloc/free, the same stack each time, depth 20",
        "{churn} 1 20 {n} unchanged",
        4_000_000,
    );
    let cold = Row::new("churn-cold", "malloc/free, 21 new frames each time (1,000 stacks)", "{cold} {n}", 1_000_000);
    let unchanged = unchanged.unit(Unit::Pairs).headline().target(AddedNs, 15.0, 12.0);
    let cold = cold.unit(Unit::Pairs).headline().target(Ratio, 2.1, 1.7);
    rows.push(Row { counts: Counts::Pair, ..unchanged });
    rows.push(Row { counts: Counts::Pair, ..cold });
    rows
}

fn bounded(row: Row) -> Row {
    Row { counts: Counts::Pair, ..row.target(AddedInstructions, 700.0, 400.0) }
}

fn blocks() -> Vec<Row> {
    let ending = Row::new(
        "report",
        "10^6 live blocks from 20,000 sites at the end, debug information",
        "{sites} 20000 {n} keep",
        1_000_000,
    );
    vec![
        Row::new("live-1e6", "10^6 blocks of about 100 bytes, freed in random order", "{live} {n}", 1_000_000)
            .headline()
            .target(RssOver { mb: (0.0, 0.0) }, 1.25, 1.13),
        Row::new("live-5e6", "5·10^6 of them", "{live} {n}", 5_000_000),
        Row::new("live-realloc", "lists that grow by realloc", "{live} realloc {n}", 20_000),
        Row::new("cross", "2 producers, 2 consumers, all frees by other threads", "{cross} {n}", 4_000_000)
            .unit(Unit::Pairs),
        Row::new("server", "larson: 4 threads replace blocks, tables change hands", "{server} {n}", 8_000_000)
            .unit(Unit::Pairs),
        Row::new("factor", "cfrac: small numbers, each in a block", "{factor} {n}", 3_000_000),
        Row { measures_report: true, ..ending.target(ReportSeconds, 3.0, 1.0) },
        Row::new("trivial", "start-up and exit of a trivial program", "{trivial}", 50)
            .unit(Unit::Starts)
            .headline()
            .target(AddedMs, 3.0, 0.7),
    ]
}

fn programs() -> Vec<Row> {
    let mut python = Row::new("python", "python3: json and ast", "{python3} {objects.py} {n}", 10);
    python.variables = vec![("PYTHONMALLOC", "malloc"), ("PYTHONHASHSEED", "0")];
    // As far as the peers go that do not know of Python.
    let mut python_native =
        Row::new("python-native", "the same, without Python functions", "{python3} {objects.py} {n}", 10);
    python_native.variables = python.variables.clone();
    python_native.variables.push(("MEMTRACE_PYTHON", "0"));
    let mut sqlite = Row::new("sqlite", "sqlite3: bulk insert, index, queries", "{sqlite3} :memory:", 300_000);
    sqlite.words.push(".read {queries.sql}".to_owned());
    let mut redis = Row::new(
        "redis",
        "redis-server under redis-benchmark (the server alone)",
        "{redis-server} --port 0 --unixsocket {place}/redis --appendonly no --daemonize no",
        200_000,
    );
    redis.words.extend(["--save", ""].map(str::to_owned));
    let benchmark =
        "{redis-benchmark} -s {place}/redis -n {n} -c 50 -P 16 -d 100 -r 100000 -q -t set,get,lpush,sadd,hset";
    let clients = [benchmark, "{redis-cli} -s {place}/redis shutdown nosave"];
    redis.clients = clients.map(|words| words.split(' ').map(str::to_owned).collect()).into();
    let mut jq = Row::new("jq", "jq: group and count", "{jq} -c", 30_000);
    jq.words.push("[group_by(.group)[] | {g: .[0].group, n: length, v: (map(.value) | add)}] | length".to_owned());
    jq.words.push("{table.json}".to_owned());
    let git = "-C {history} --no-pager -c gc.auto=0 -c pack.threads=1";
    let git_variables = vec![("GIT_CONFIG_NOSYSTEM", "1")];
    let mut log = Row::new("git-log", "git log -p", &format!("{{git}} {git} log -p --stat"), 1_000);
    let mut gc = Row::new(
        "git-gc",
        "git gc, with its children",
        &format!("{{git}} {git} -c gc.aggressiveWindow=10 gc --aggressive --quiet"),
        1_000,
    );
    (log.variables, gc.variables) = (git_variables.clone(), git_variables);
    let cc1plus = "{cc1plus} -fpreprocessed {templates.ii} -std=c++17 -quiet -o /dev/null";
    let clang = "{clang++} -fintegrated-cc1 -std=c++17 -fsyntax-only -w {templates.clang.ii}";
    vec![
        Row::new("containers", "C++ string, map, vector, unordered_map", "{containers} {n}", 300_000)
            .program(1.35, 1.20)
            .counted()
            .tenth_of_heaptrack(),
        python.program(1.35, 1.20).counted().tenth_of_heaptrack(),
        python_native.program(1.35, 1.20).counted().tenth_of_heaptrack(),
        sqlite.program(1.25, 1.15).counted().tenth_of_heaptrack(),
        redis.program(1.20, 1.10).tenth_of_heaptrack(),
        log.program(1.12, 1.06).counted(),
        gc.program(1.12, 1.06),
        Row::new("cc1plus", "gcc's cc1plus on templates", cc1plus, 1).program(1.20, 1.10),
        Row::new("clang", "clang on templates", clang, 1).program(1.25, 1.15),
        jq.program(1.12, 1.06).counted().tenth_of_heaptrack(),
        Row::new("gawk", "gawk: strings and tables", "{gawk} -v n={n} -f {words.awk}", 400_000)
            .program(1.12, 1.06)
            .counted(),
        Row::new("perl", "perl: strings and tables", "{perl} {words.pl} {n}", 600_000)
            .program(1.12, 1.06)
            .counted()
            .tenth_of_heaptrack(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_have_names_of_their_own() {
        let rows = all(false);
        let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), rows.len());
        for name in ["churn-d20", "churn-d60-fp-t4", "churn-cold", "live-5e6", "python", "git-gc"] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn quick_rows_do_a_tenth_and_never_nothing() {
        for (whole, quick) in all(false).iter().zip(all(true)) {
            assert_eq!(quick.amount, whole.amount.div_ceil(10), "{}", whole.name);
            assert!(quick.amount > 0);
        }
    }

    #[test]
    fn an_aim_is_not_above_its_limit() {
        for row in all(false) {
            assert!(row.targets.iter().all(|target| target.aim <= target.at_most), "{}", row.name);
        }
    }
}
