//! Pasts that are made sample by sample.

use super::*;

const STEP_NS: u64 = 10;

/// A past of so many first steps, sampled when its own step has passed: by moment, the live blocks of each site, of 8 bytes each.
fn past(count: u64, sites: &[(u32, &dyn Fn(u64) -> u64)]) -> Past {
    let mut past = Past::new(STEP_NS);
    while past.last_ns() < count * STEP_NS {
        let moment = (past.last_ns() + past.step_ns()) / STEP_NS;
        let beats: Vec<SiteBeat> = sites.iter().map(|&(site, blocks)| beat(site, blocks(moment))).collect();
        let beats: Vec<SiteBeat> = beats.into_iter().filter(|beat| beat.live_blocks > 0).collect();
        let live_bytes = beats.iter().map(|beat| beat.live_bytes).sum();
        past.add(moment * STEP_NS, Beat { live_bytes, allocations: moment, ..Beat::default() }, None, &beats, 9_999);
    }
    past
}

fn beat(site: u32, live_blocks: u64) -> SiteBeat {
    SiteBeat { site, live_bytes: live_blocks * 8, live_blocks }
}

fn history(past: &Past, total_blocks: u64, live_blocks: u64) -> History {
    let site = Site {
        total_blocks,
        total_bytes: total_blocks * 8,
        live_blocks,
        live_bytes: live_blocks * 8,
        ..Site::default()
    };
    let sites = vec![site; 3];
    let summary = Summary { live_bytes: live_blocks * 8, allocations: total_blocks, ..Summary::default() };
    let history = past.history(None, &summary, &sites, |site| (site as usize).checked_sub(2));
    assert_eq!(history.first_fault(sites.len()), None);
    history
}

#[test]
fn a_history_begins_with_nothing_and_ends_with_what_the_process_left() {
    let history = history(&past(3, &[(2, &|moment| moment)]), 9, 5);
    assert_eq!(history.time_ns, [0, 10, 20, 30, 30]);
    assert_eq!(history.live_bytes, [0, 8, 16, 24, 40]);
    assert_eq!(history.allocations, [0, 1, 2, 3, 9]);
    assert_eq!(history.rss_bytes, [UNKNOWN; 5]);
    assert_eq!(history.curves[0].live_bytes, [0, 8, 16, 24, 40]);
}

#[test]
fn a_second_and_a_week_take_the_same_room_and_keep_even_steps() {
    for count in [509, 510, 511, 1_000, 5_000, 100_000] {
        let past = past(count, &[(2, &|moment| moment), (3, &|moment| u64::from(moment == 300))]);
        assert!(past.time_ns.len() < SAMPLES_MAX && past.time_ns.len() > SAMPLES_MAX / 2 - 2, "{count}");
        let steps: Vec<u64> = past.time_ns.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|&step| step == past.step_ns), "{count}: {steps:?}");
        let moments = past.last_ns() / STEP_NS;
        let history = history(&past, moments, moments);
        assert!(history.time_ns.len() <= SAMPLES_MAX);
        for curve in &history.curves {
            let fits = |(&time_ns, &bytes): (&u64, &i64)| bytes == (time_ns / STEP_NS * 8) as i64;
            assert!(curve.site != 0 || history.time_ns.iter().zip(&curve.live_bytes).all(fits), "{count}");
        }
    }
}

#[test]
fn a_mean_life_is_block_time_over_allocations() {
    // Four blocks at any time, of 1,000 in 100 steps of 10: each lives for 4 · 1,000 / 1,000.
    let lives = |past: &Past, total, live| history(past, total, live).curves[0].mean_life_ns;
    assert_eq!(lives(&past(100, &[(2, &|_| 4)]), 1_000, 4), Some(3), "the ramp at the start is worth half a step");
    // A leak of one block at each step: all live to the end, and half of the time on average.
    assert_eq!(lives(&past(100, &[(2, &|moment| moment)]), 100, 100), Some(500));
    // What samples seldom found alive tells nothing.
    assert_eq!(lives(&past(100, &[(2, &|moment| u64::from(moment % 30 == 0))]), 1_000, 0), None);
    assert!(lives(&past(200, &[(2, &|moment| u64::from(moment % 30 == 0))]), 1_000, 0).is_some());
}

#[test]
fn the_curves_that_stood_lowest_go_and_nothing_is_made_up_for_those_that_come_back() {
    let mut past = Past::new(STEP_NS);
    let all: Vec<SiteBeat> = (2..2 + 2 * CURVES_MAX as u32 + 1).map(|site| beat(site, site.into())).collect();
    past.add(10, Beat::default(), None, &all, usize::MAX);
    assert_eq!(past.lines.len(), CURVES_MAX);
    assert_eq!(past.lines.iter().map(|line| line.site).min(), Some(CURVES_MAX as u32 + 3));
    let low = past.dropped_bytes as u64 / 8;
    past.add(20, Beat::default(), None, &[beat(2, low), beat(3, low + 1)], usize::MAX);
    let line = |site: u32| past.lines.iter().find(|line| line.site == site);
    assert!(line(2).is_none());
    assert_eq!(line(3).expect("it stands high now").values, [UNKNOWN, UNKNOWN, low as i64 * 8 + 8]);
    // No room, no curve.
    past.add(30, Beat::default(), None, &[beat(4, 1 << 30)], 0);
    assert!(past.lines.iter().all(|line| line.site != 4));
}

#[test]
fn sites_of_a_recording_that_are_one_in_a_profile_are_added_up() {
    let past = past(20, &[(2, &|moment| moment), (3, &|_| 1)]);
    let site = Site { total_blocks: 21, live_blocks: 21, live_bytes: 168, ..Site::default() };
    let history = past.history(Some(210), &Summary::default(), &[site], |_| Some(0));
    assert_eq!(history.curves.len(), 1);
    assert_eq!(history.curves[0].live_bytes[..4], [0, 16, 24, 32]);
    assert_eq!(history.time_ns.last(), Some(&210));
}
