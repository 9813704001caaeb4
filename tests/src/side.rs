//! Many files looked at, a few at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// At work at a time; most of their time goes into compiling and waiting.
const WORKERS: usize = 2;

/// All that is wrong with the items, in order.
pub fn side_by_side<T: Sync>(items: &[T], look: impl Fn(&T) -> Vec<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(look(item));
        }
        wrong
    };
    let mut wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its panic has been printed")).collect()
    });
    wrong.sort();
    wrong
}
