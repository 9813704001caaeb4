//! Address ranges: some are cut out of the memory that counts as roots, some have a name.

use memtrace_wire::layout::Holder;

use super::mark::Piece;
use super::space::{List, Plain};

// SAFETY: zeroes are addresses of 0, `Holder::Block` and the number 0.
unsafe impl Plain for Piece {}

/// Ranges in the order of their addresses.
pub struct Ranges {
    rows: List<Piece>,
}

impl Ranges {
    /// None, with room for so many.
    pub fn new(room: usize) -> Option<Self> {
        Some(Self { rows: List::new(room)? })
    }

    /// Adds one; what is empty is not. False: there is no more room.
    pub fn add(&self, start: u64, end: u64, holder: Holder, number: u32) -> bool {
        end <= start || self.rows.push(Piece { start, end, holder, number })
    }

    /// Sorts them. Afterwards no two overlap: what two cover is the earlier one's.
    pub fn settle(&self) {
        self.rows.sort(|piece| piece.start);
        let (mut end, mut count) = (0, 0);
        for piece in self.rows.iter() {
            let start = piece.start.max(end);
            if start < piece.end {
                self.rows.set(count, Piece { start, ..piece });
                count += 1;
                end = piece.end;
            }
        }
        self.rows.cut(count);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Piece> + '_ {
        self.rows.iter()
    }

    /// The one that an address lies in; they are settled.
    pub fn at(&self, address: u64) -> Option<Piece> {
        let piece = self.rows.get(self.first_behind(address));
        (piece.start <= address && address < piece.end).then_some(piece)
    }

    /// The first that ends behind an address.
    fn first_behind(&self, address: u64) -> usize {
        let (mut low, mut high) = (0, self.rows.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.rows.get(middle).end <= address {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The parts of a range: those that a settled row covers, with that row, and those between.
    pub fn parts(&self, start: u64, end: u64, mut each: impl FnMut(u64, u64, Option<Piece>)) {
        let mut at = start;
        let mut place = self.first_behind(start);
        while at < end {
            let row = self.rows.get(place);
            if place >= self.rows.count() || row.start >= end {
                return each(at, end, None);
            }
            if at < row.start {
                each(at, row.start, None);
                at = row.start;
            }
            let until = row.end.min(end);
            each(at, until, Some(row));
            at = until;
            place += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn settled_ranges_are_sorted_and_do_not_overlap() {
        let ranges = Ranges::new(8).unwrap();
        for (start, end) in [(50, 60), (10, 30), (20, 25), (28, 40), (5, 5), (60, 70)] {
            assert!(ranges.add(start, end, Holder::Stack, start as u32));
        }
        ranges.settle();
        let rows: Vec<(u64, u64, u32)> = ranges.iter().map(|piece| (piece.start, piece.end, piece.number)).collect();
        assert_eq!(rows, [(10, 30, 10), (30, 40, 28), (50, 60, 50), (60, 70, 60)]);
        assert_eq!(ranges.at(39).map(|piece| piece.number), Some(28));
        assert!(ranges.at(40).is_none() && ranges.at(9).is_none());
        let mut parts = Vec::new();
        ranges.parts(0, 65, |start, end, row| parts.push((start, end, row.map(|row| row.number))));
        let expected = [
            (0, 10, None),
            (10, 30, Some(10)),
            (30, 40, Some(28)),
            (40, 50, None),
            (50, 60, Some(50)),
            (60, 65, Some(60)),
        ];
        assert_eq!(parts, expected);
        parts.clear();
        ranges.parts(41, 45, |start, end, row| parts.push((start, end, row.map(|row| row.number))));
        assert_eq!(parts, [(41, 45, None)]);
    }
}
