//! Numbers for people: exact first, then scaled.

use memtrace_wire::layout::Op;

/// `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 block`, `2 blocks`.
pub fn count(number: u64, noun: &str) -> String {
    let (noun, ending) = match (noun.strip_suffix("ss"), noun.strip_suffix('y'), number) {
        (_, _, 1) => (noun, ""),
        (Some(_), _, _) => (noun, "es"),
        (_, Some(stem), _) => (stem, "ies"),
        _ => (noun, "s"),
    };
    format!("{} {noun}{ending}", thousands(number))
}

/// `6,789 bytes`.
pub fn bytes(number: u64) -> String {
    count(number, "byte")
}

/// `malloc of 24 bytes`; a call that allocates nothing has no size: `connect`.
pub fn asked(op: &str, number: u64) -> String {
    if is_call(op) { op.to_owned() } else { format!("{op} of {}", bytes(number)) }
}

/// Whether a function allocates nothing that is recorded.
pub fn is_call(op: &str) -> bool {
    Op::named(op).is_some_and(Op::is_call)
}

/// `6,789 bytes (6.6 KiB)`; below a KiB the exact number says it all.
pub fn scaled(number: u64) -> String {
    if number < 1 << 10 { bytes(number) } else { format!("{} ({})", bytes(number), short(number)) }
}

/// `6.6 KiB`, `999 B`: where there is no room for the exact number.
pub fn short(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = number.max(1).ilog2() / 10;
    let Some(name) = unit.checked_sub(1).and_then(|place| UNITS.get(place as usize)) else {
        return format!("{number} B");
    };
    let size = 1u128 << (10 * unit);
    let tenths = (u128::from(number) * 10 + size / 2) / size;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// `1.5 ms`, `12.3 s`, `5 min 3 s`, `2 d 3 h`.
pub fn duration(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let tenths = |unit: u64, name: &str| format!("{}.{} {name}", ns / unit, ns % unit * 10 / unit);
    let seconds = ns / SECOND;
    match seconds {
        0 if ns < 1_000 => format!("{ns} ns"),
        0 if ns < 1_000_000 => tenths(1_000, "us"),
        0 => tenths(1_000_000, "ms"),
        1..60 => tenths(SECOND, "s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `12.3 %` of a whole.
pub fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// `6,789 bytes in 34 blocks`.
pub fn bytes_in(size: u64, number: u64, noun: &str) -> String {
    format!("{} in {}", bytes(size), count(number, noun))
}

/// The number of bytes that a user wrote: `4096`, `10KiB`, `10K`, `1MB`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "B" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err("expected a number of bytes such as `4096`, `10KiB` or `1MB`".into()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number of bytes such as `4096` or `10KiB`".to_string())?;
    number.checked_mul(factor).ok_or_else(|| "more bytes than 64 bits can count".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_first_and_scaled_after() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(bytes_in(1, 1, "block"), "1 byte in 1 block");
        assert_eq!(scaled(1_023), "1,023 bytes");
        assert_eq!(scaled(1_024), "1,024 bytes (1.0 KiB)");
        assert_eq!(scaled(1_482_240), "1,482,240 bytes (1.4 MiB)");
        assert!(scaled(u64::MAX).ends_with("(16.0 EiB)"));
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        for (ns, text) in [
            (999, "999 ns"),
            (1_500, "1.5 us"),
            (999_999_999, "999.9 ms"),
            (59_990_000_000, "59.9 s"),
            (61_000_000_000, "1 min 1 s"),
            (3_660_000_000_000, "1 h 1 min"),
            (u64::MAX, "213503 d 23 h"),
        ] {
            assert_eq!(duration(ns), text);
        }
        assert_eq!((percent(1, 3), percent(0, 0), percent(7, 7)), ("33.3 %".into(), "0.0 %".into(), "100.0 %".into()));
    }

    #[test]
    fn nouns_take_their_plural() {
        assert_eq!(count(2, "process"), "2 processes");
        assert_eq!(count(2, "directory"), "2 directories");
        assert_eq!(count(1, "process"), "1 process");
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, number) in [("0", 0), ("4096", 4096), ("10KiB", 10_240), ("2k", 2048), ("1MB", 1_000_000)] {
            assert_eq!(parse_bytes(text), Ok(number));
        }
        for text in ["", "KiB", "-1", "1.5M", "1 K", "99999999999999999999", "99999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
