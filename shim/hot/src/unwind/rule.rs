//! The short rule of a return address.
//!
//! ```text
//!  31                              10 9                2 1  0
//! ┌──────────────────────────────────┬──────────────────┬────┐
//! │ CFA = rsp or rbp + 8·k, k signed │ rbp at CFA - 8·n │form│
//! └──────────────────────────────────┴──────────────────┴────┘   n = 1: rbp is the caller's still
//! ```

use super::cfi::{self, Cfa, Place, RBP, RETURN, RSP, Row, Scratch};
use super::cursor::{Cursor, Expression};
use super::object::Object;

/// See the picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule(pub u32);

/// `form`: no rule; `k` says why.
pub const NONE: u32 = 0;
/// `form`: CFA = rsp + 8·k.
pub const BY_SP: u32 = 1;
/// `form`: CFA = rbp + 8·k.
pub const BY_BP: u32 = 3;
/// `form`: CFA = [rbp + 8·k], rbp = [rbp]: a frame that realigned its stack (gcc's dynamic realign argument pointer).
pub const REALIGNED: u32 = 2;

/// Distance of the return address below the CFA: nothing else is saved there.
pub const RETURN_AT: u64 = 8;

impl Rule {
    /// Nothing is known about the code. All zeroes, so that an unused place of the cache says it of page 0.
    pub const UNKNOWN: Rule = Rule(NONE);
    /// The outermost frame.
    pub const END: Rule = Rule(NONE | 1 << 10);
    /// Known, but not in this short form.
    pub const LONG: Rule = Rule(NONE | 2 << 10);

    /// One of the four forms.
    #[inline(always)]
    pub const fn form(self) -> u32 {
        self.0 & 3
    }

    /// 8·k.
    #[inline(always)]
    pub const fn offset(self) -> u64 {
        ((self.0 as i32 >> 10) as i64 * 8) as u64
    }

    /// Whether the form is `BY_SP` or `BY_BP`.
    #[inline(always)]
    pub const fn is_plain(self) -> bool {
        self.0 & 1 != 0
    }

    /// 8·n; `RETURN_AT`: rbp is the caller's still.
    #[inline(always)]
    pub const fn saved(self) -> u64 {
        (self.0 << 1 & 0x7f8) as u64
    }

    fn pack(form: u32, offset: i64, saved: i64) -> Rule {
        let k = offset / 8;
        let n = saved / 8;
        let fits = offset % 8 == 0 && saved % 8 == 0 && (-(1 << 21)..1 << 21).contains(&k) && (1..256).contains(&n);
        if fits { Rule(form | (n as u32) << 2 | (k as u32) << 10) } else { Rule::LONG }
    }

    /// The short rule for a row of unwind data.
    pub fn of(row: &Row, signal: bool) -> Rule {
        let (Some(&bp), Some(&sp), Some(&back)) = (row.places.get(RBP), row.places.get(RSP), row.places.get(RETURN))
        else {
            return Rule::LONG;
        };
        if back == Place::Undefined {
            return Rule::END;
        }
        if signal || back != Place::At(-8) || sp != Place::Same {
            return Rule::LONG;
        }
        match (row.cfa, bp) {
            (Cfa::Register(base, offset), Place::Same | Place::At(_)) => {
                let saved = if let Place::At(offset) = bp { -i64::from(offset) } else { RETURN_AT as i64 };
                if bp != Place::Same && saved <= RETURN_AT as i64 {
                    return Rule::LONG;
                }
                match usize::from(base) {
                    RSP => Rule::pack(BY_SP, offset, saved),
                    RBP => Rule::pack(BY_BP, offset, saved),
                    _ => Rule::LONG,
                }
            }
            (Cfa::Expression(cfa), Place::AtExpression(bp)) => match (realigned(cfa), bp_itself(bp)) {
                (Some(offset), true) => Rule::pack(REALIGNED, offset, RETURN_AT as i64),
                _ => Rule::LONG,
            },
            _ => Rule::LONG,
        }
    }
}

/// The offset, if the expression is "breg6 offset; deref".
fn realigned(expression: Expression) -> Option<i64> {
    let mut code = Cursor::over(expression);
    let (operation, offset, deref) = (code.byte()?, code.signed()?, code.byte()?);
    (operation == 0x76 && deref == 0x06 && !code.more()).then_some(offset)
}

/// Whether the expression is "breg6 0".
fn bp_itself(expression: Expression) -> bool {
    let mut code = Cursor::over(expression);
    (code.byte(), code.signed()) == (Some(0x76), Some(0)) && !code.more()
}

/// The rule for a return address in a module, from its unwind data.
#[cold]
#[inline(never)]
pub fn compile(object: &Object, pc: u64, scratch: &mut Scratch) -> Rule {
    // The call is before the return address, which may be the first byte of the next function.
    match cfi::row(object, pc - 1, scratch) {
        Some(advice) => Rule::of(&scratch.row, advice.signal),
        None => Rule::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_gives_back_what_was_packed() {
        for (form, offset, saved) in [(BY_SP, 8, 8), (BY_SP, 65_536, 16), (BY_BP, 16, 2040), (REALIGNED, -24, 8)] {
            let rule = Rule::pack(form, offset, saved);
            assert_eq!((rule.form(), rule.offset() as i64, rule.saved() as i64), (form, offset, saved));
        }
        assert_eq!(Rule::pack(BY_SP, 12, 8), Rule::LONG);
        assert_eq!(Rule::pack(BY_SP, 1 << 25, 8), Rule::LONG);
        assert_eq!(Rule::pack(BY_SP, 8, 2048), Rule::LONG);
    }
}
