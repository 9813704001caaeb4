//! Numbers as a page can count them: exact up to 2^53, as its script has no others.

/// The largest whole number of a page.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A number as a page can count it.
pub fn number(number: u64) -> u64 {
    number.min(NUMBER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_hostile_profiles_stop_where_a_page_can_count() {
        assert_eq!((number(7), number(u64::MAX)), (7, 9_007_199_254_740_991));
    }
}
