//! What an earlier profile of the same run knows and a later one cannot: the pasts of processes that outlived their watcher.

use std::collections::HashMap;

use super::history::{Curve, History};
use super::model::{Process, Profile};

/// Gives the processes of a profile the histories that an earlier one has of them.
pub fn histories(from: Profile, to: &mut Profile) {
    let mut known: HashMap<(u32, String), Process> =
        from.processes.into_iter().map(|process| ((process.pid, process.start.clone()), process)).collect();
    for process in to.processes.iter_mut().filter(|process| process.history.is_none()) {
        if let Some(mut old) = known.remove(&(process.pid, process.start.clone())) {
            process.history = old.history.take().map(|history| moved(history, &old, process));
        }
    }
}

/// The curves belong to the same sites, which have other numbers by now. One whose site is not found goes.
fn moved(history: History, old: &Process, new: &Process) -> History {
    let key = |process: &Process, place: usize| {
        let site = process.sites.get(place)?;
        let stack = process.stacks.get(site.stack as usize)?.iter();
        let frames = stack.filter_map(|&frame| process.frames.get(frame as usize));
        let frames: Vec<_> = frames.map(|frame| (frame.module, frame.offset, frame.line)).collect();
        Some((frames, site.thread, site.op.clone()))
    };
    let places = 0..new.sites.len();
    let by_key: HashMap<_, usize> = places.filter_map(|place| Some((key(new, place)?, place))).collect();
    let curves = history.curves.into_iter().filter_map(|curve| {
        let place = by_key.get(&key(old, curve.site as usize)?)?;
        Some(Curve { site: *place as u32, ..curve })
    });
    History { curves: curves.collect(), ..history }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample;

    fn profile(functions: &[&str]) -> Profile {
        let process = sample::process(|maker| {
            for function in functions {
                maker.site(&[function], 8, 1, 1);
                // All frames of a sample have one offset.
                maker.process().frames.last_mut().unwrap().line = Some(function.len() as u32);
            }
        });
        Profile { processes: vec![process], ..Profile::without_processes() }
    }

    #[test]
    fn curves_follow_their_sites_and_a_history_of_its_own_stays() {
        let curve = |site| Curve { site, live_bytes: vec![site.into()], ..Curve::default() };
        let curves = vec![curve(0), curve(1), curve(2)];
        let history = History { time_ns: vec![7], curves, ..History::default() };
        let mut old = profile(&["a", "bb", "gone"]);
        old.processes[0].history = Some(history.clone());
        let mut new = profile(&["new", "bb", "a"]);
        histories(old.clone(), &mut new);
        let found = new.processes[0].history.clone().unwrap();
        let of = |place: usize| (found.curves[place].site, found.curves[place].live_bytes[0]);
        assert_eq!((found.time_ns, found.curves.len(), of(0), of(1)), (vec![7], 2, (2, 0), (1, 1)));
        let mut own = profile(&["a"]);
        own.processes[0].history = Some(History::default());
        histories(old.clone(), &mut own);
        assert_eq!(own.processes[0].history, Some(History::default()));
        let mut other = profile(&["a"]);
        other.processes[0].start = "later".into();
        histories(old, &mut other);
        assert_eq!(other.processes[0].history, None);
    }
}
