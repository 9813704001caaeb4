//! Rows of small made-up processes.

use super::tree::{Direction, branches};
use super::*;
use crate::profile::sample::{Maker, process};

fn shown(process: &Process, choice: &Choice) -> Vec<(String, u64, u64)> {
    let name = |row: &Row| match row.stack {
        Some(stack) => {
            let frames = process.stacks[stack as usize].iter().map(|&frame| &process.frames[frame as usize]);
            frames.map(|frame| frame.function.clone().unwrap_or_default()).collect::<Vec<_>>().join("<")
        }
        None => row.name.clone(),
    };
    let rows = rows(process, choice).rows;
    rows.iter().map(|row| (name(row), row.numbers.live_bytes, row.numbers.live_blocks)).collect()
}

fn row(name: &str, bytes: u64, blocks: u64) -> (String, u64, u64) {
    (name.into(), bytes, blocks)
}

/// Three stacks: two end in `plant`, one of these in two threads; one has nothing live.
fn garden() -> Process {
    process(|maker: &mut Maker| {
        maker.site(&["plant", "bed", "main"], 10, 1, 9);
        maker.site(&["plant", "bed", "main"], 10, 2, 2).thread = Some(1);
        maker.site(&["plant", "pot", "main"], 100, 5, 5);
        maker.site(&["water", "main"], 1000, 0, 7).temporary_blocks = 6;
    })
}

#[test]
fn sites_of_one_stack_are_one_row_largest_first() {
    let rows = [row("plant<pot<main", 500, 5), row("plant<bed<main", 30, 3)];
    assert_eq!(shown(&garden(), &Choice::default()), rows);
}

#[test]
fn each_sort_has_its_own_order() {
    let first = |sort| shown(&garden(), &Choice { sort, ..Choice::default() }).first().cloned().unwrap().0;
    assert_eq!(first(Sort::Live), "plant<pot<main");
    assert_eq!(first(Sort::Total), "water<main");
    assert_eq!(first(Sort::Count), "plant<bed<main");
    assert_eq!(first(Sort::Temporary), "water<main");
    assert_eq!(first(Sort::Peak), "plant<pot<main");
    let temporary = Choice { sort: Sort::Temporary, ..Choice::default() };
    assert_eq!(shown(&garden(), &temporary).len(), 1);
}

#[test]
fn blocks_of_zero_bytes_are_rows_too() {
    let process = process(|maker| {
        maker.site(&["empty"], 0, 2, 2);
    });
    assert_eq!(shown(&process, &Choice::default()), [row("empty", 0, 2)]);
    assert_eq!(shown(&process, &Choice { min_bytes: 1, ..Choice::default() }), []);
}

#[test]
fn what_top_leaves_out_is_counted() {
    let rows = rows(&garden(), &Choice { top: Some(1), ..Choice::default() });
    assert_eq!((rows.rows.len(), rows.rest_count, rows.rest.live_bytes, rows.rest.live_blocks), (1, 1, 30, 3));
}

#[test]
fn a_filter_looks_at_every_frame_and_takes_whole_names_in_their_case() {
    let of = |pattern: &str| shown(&garden(), &Choice { filter: Some(pattern.into()), ..Choice::default() }).len();
    assert_eq!((of("plant"), of("bed"), of("be"), of("b*"), of("Bed"), of("?ed")), (2, 1, 0, 1, 0, 1));
    assert_eq!((of("bed.c"), of("/src/bed.c"), of("*/bed.c"), of("src/bed.c")), (1, 1, 1, 0));
    assert_eq!((of("libgarden.so"), of("/lib/libgarden.so"), of("*.so.1")), (2, 2, 0));
}

#[test]
fn groups_are_by_what_the_first_frame_says() {
    let by = |by| shown(&garden(), &Choice { by, ..Choice::default() });
    assert_eq!(by(By::Function), [row("plant", 530, 8)]);
    assert_eq!(by(By::File), [row("/src/plant.c", 530, 8)]);
    assert_eq!(by(By::Module), [row("/lib/libgarden.so", 530, 8)]);
    assert_eq!(by(By::Thread), [row("first (tid 1)", 510, 6), row("second and others (slot 1)", 20, 2)]);
}

#[test]
fn a_stack_that_could_not_be_taken_is_in_nobodys_function() {
    let process = process(|maker| {
        maker.site(&["no stack could be taken"], 8, 1, 1);
        maker.process().frames[0].kind = "cut".into();
    });
    for by in [By::Function, By::File, By::Module] {
        assert_eq!(shown(&process, &Choice { by, ..Choice::default() }), [row("(no stack)", 8, 1)]);
    }
}

#[test]
fn a_tree_joins_stacks_at_their_callers_or_at_their_leaves() {
    let tree = |direction, top| {
        let lines = branches(&garden(), direction, &Choice { top, ..Choice::default() });
        lines
            .into_iter()
            .map(|line| (line.depth, line.is_branching, line.name, line.numbers.live_bytes))
            .collect::<Vec<_>>()
    };
    let line = |depth, is_branching, name: &str, bytes| (depth, is_branching, name.to_string(), bytes);
    let down = [
        line(0, false, "main", 530),
        line(1, true, "pot", 500),
        line(1, false, "plant", 500),
        line(1, true, "bed", 30),
        line(1, false, "plant", 30),
    ];
    assert_eq!(tree(Direction::TopDown, None), down);
    // The sums stay whole where only the first stacks are shown.
    assert_eq!(tree(Direction::TopDown, Some(1)), down[..3]);
    let up = [
        line(0, false, "plant", 530),
        line(1, true, "pot", 500),
        line(1, false, "main", 500),
        line(1, true, "bed", 30),
        line(1, false, "main", 30),
    ];
    assert_eq!(tree(Direction::BottomUp, None), up);
}

#[test]
fn equal_rows_are_ordered_by_their_names() {
    let orders = [["b", "a", "c"], ["c", "b", "a"]].map(|names| {
        let process = process(|maker| names.iter().for_each(|name| drop(maker.site(&[name], 8, 1, 1).op.clone())));
        shown(&process, &Choice::default()).into_iter().map(|row| row.0).collect::<Vec<_>>()
    });
    assert_eq!(orders, [["a", "b", "c"], ["a", "b", "c"]]);
}

#[test]
fn a_restricted_process_keeps_the_chosen_sites_in_their_order() {
    let choice = Choice { filter: Some("plant".into()), ..Choice::default() };
    let mut garden = garden();
    let curve = |site| Curve { site, shape: format!("of {site}"), ..Curve::default() };
    garden.history = Some(History { curves: [0, 2, 3].map(curve).into(), ..History::default() });
    let Process { sites, history, .. } = restricted(&garden, &choice);
    assert_eq!(sites.iter().map(|site| site.live_bytes).collect::<Vec<_>>(), [500, 10, 20]);
    // Curves go with their sites, and those of others go.
    let curves: Vec<(u32, String)> = history.unwrap().curves.into_iter().map(|one| (one.site, one.shape)).collect();
    assert_eq!(curves, [(1, "of 0".into()), (0, "of 2".into())]);
}

#[test]
fn sums_of_hostile_numbers_stop_at_the_largest() {
    let process = process(|maker| {
        maker.site(&["a"], 1, 1, 1).live_bytes = u64::MAX;
        maker.site(&["a"], 1, 1, 1).live_bytes = u64::MAX;
    });
    assert_eq!(shown(&process, &Choice::default()), [row("a", u64::MAX, 2)]);
}
