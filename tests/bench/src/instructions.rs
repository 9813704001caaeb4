//! Instructions, counted by callgrind: the same on any machine, however busy.
//!
//! Of pairs of malloc and free, what one costs on top: a workload is run at two lengths, natively and with the library; the
//! difference of the differences is what the pairs cost, without start-up and end. Of a program, all that it executes, against
//! what it does natively.

use std::path::Path;

use crate::find;
use crate::kit::Kit;
use crate::place::Place;
use crate::rows::Row;
use crate::way::{Tools, Way};

/// All sites have been seen before the first length is over.
const LENGTHS: [u64; 2] = [20_000, 60_000];

/// Where callgrind itself lies.
const TOOLS: &[&str] =
    &["/usr/libexec/valgrind/callgrind-amd64-linux", "/usr/lib/x86_64-linux-gnu/valgrind/callgrind-amd64-linux"];

/// More may not be added at depth 20 with 1,000 sites. The slack is for compilers and libcs that differ.
pub const INSTRUCTIONS_A_PAIR_MAX: f64 = 950.0;

/// What a way adds to a pair of this row. The error is what the cell says.
pub fn added(kit: &Kit<'_>, place: &Place, tools: &Tools, row: &Row, way: Way) -> Result<f64, String> {
    Ok(a_pair(kit, place, tools, row, way)? - a_pair(kit, place, tools, row, Way::Native)?)
}

/// Instructions that ways take for a tenth of the row's work, against native. The errors are what the cells say.
pub fn against_native(
    kit: &Kit<'_>,
    place: &Place,
    tools: &Tools,
    row: &Row,
    ways: &[Way],
) -> Vec<(Way, Result<f64, String>)> {
    let count = |way| counted(kit, place, tools, row, way, row.amount.div_ceil(10));
    let native = count(Way::Native);
    let ratio = |way| Ok(count(way)? as f64 / native.clone()? as f64);
    ways.iter().map(|&way| (way, ratio(way))).collect()
}

fn a_pair(kit: &Kit<'_>, place: &Place, tools: &Tools, row: &Row, way: Way) -> Result<f64, String> {
    let [short, long] = LENGTHS.map(|length| counted(kit, place, tools, row, way, length));
    Ok((long? as f64 - short? as f64) / (LENGTHS[1] - LENGTHS[0]) as f64)
}

fn counted(kit: &Kit<'_>, place: &Place, tools: &Tools, row: &Row, way: Way, length: u64) -> Result<u64, String> {
    let valgrind = tools.valgrind().ok_or("not installed")?;
    place.clear_out().map_err(|error| error.to_string())?;
    // The tool itself is static. `valgrind` is a script in Debian, and a preloaded library would be in the shell first:
    // heaptrack's takes itself out of the environment there.
    let tool = TOOLS.iter().map(Path::new).find(|path| path.is_file()).unwrap_or(valgrind);
    let mut command = place.command(tool);
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).env("VALGRIND_LAUNCHER", valgrind);
    let words = kit.words(&row.words, length)?;
    command.args(&words);
    match way {
        Way::Heaptrack => {
            let library = find::library(&["libheaptrack_preload.so"]).ok_or("not installed")?;
            command.env("LD_PRELOAD", library).env("DUMP_HEAPTRACK_OUTPUT", "heaptrack");
        }
        _ => _ = command.envs(tools.start(way, &words, &row.variables)?.variables),
    }
    let output = command.output().map_err(|cause| format!("failed ({cause})"))?;
    if !output.status.success() {
        return Err(format!("failed ({})", output.status));
    }
    collected(&String::from_utf8_lossy(&output.stderr)).ok_or_else(|| "failed (no count)".to_owned())
}

/// callgrind's last words hold `Collected : 123456`.
fn collected(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_in_callgrinds_last_words() {
        let text = "==1== Events    : Ir\n==1== Collected : 20381\n==1==\n==1== I   refs:      20,381\n";
        assert_eq!(collected(text), Some(20_381));
        assert_eq!(collected("valgrind: cannot start"), None);
    }
}
