//! CPython's trampolines (`python3 -X perf`): one for each Python function, in memory of no module, through which it is
//! called. They have no unwind data, but only a few instructions, which a version has alike for all functions.
//!
//! ```text
//!   3.12, 3.13:   sub rsp, 8               call rcx ─▶ return address ─▶ add rsp, 8   ret
//!   3.14:         push rbp   mov rbp, rsp  call rcx ─▶ return address ─▶ pop rbp      ret
//! ```
//!
//! Source: CPython's `Python/asm_trampoline.S`. What has these instructions does this, whoever wrote them.

use super::cfi::{Cfa, Place, RBP, RETURN, RSP, Row};

/// Bytes of the call.
const CALL: u64 = 2;
/// From the call on, of 3.12 and 3.13.
const PADDED: [u8; 7] = [0xff, 0xd1, 0x48, 0x83, 0xc4, 0x08, 0xc3];
/// The same of 3.14.
const FRAMED: [u8; 4] = [0xff, 0xd1, 0x5d, 0xc3];
/// Both have one word on the stack below the return address.
const CFA: i64 = 16;

/// Fills `row` for a return address in no module, if a trampoline's code is there. `read` gives an aligned word.
pub fn row(pc: u64, row: &mut Row, mut read: impl FnMut(u64) -> Option<u64>) -> Option<()> {
    let call = pc.checked_sub(CALL)?;
    let (first, skipped) = (call & !7, (call & 7) as usize);
    let words = [read(first)?, read(first.checked_add(8)?)?].map(u64::to_le_bytes);
    let code = words.as_flattened().get(skipped..)?;
    let is_framed = code.starts_with(&FRAMED);
    if !is_framed && !code.starts_with(&PADDED) {
        return None;
    }
    *row = Row { cfa: Cfa::Register(RSP as u8, CFA), ..Row::START };
    *row.places.get_mut(RETURN)? = Place::At(-8);
    if is_framed {
        *row.places.get_mut(RBP)? = Place::At(-CFA as i32);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::rule::{BY_SP, Rule};
    use super::*;

    /// Code at 0x1000, and nothing elsewhere.
    fn rule(code: &[u8], pc: u64) -> Option<Rule> {
        let read = |at: u64| {
            let bytes = code.get((at.checked_sub(0x1000)?) as usize..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let mut row_of_it = Row::START;
        row(pc, &mut row_of_it, read)?;
        Some(Rule::of(&row_of_it, false))
    }

    #[test]
    fn a_trampoline_is_known_by_all_its_instructions() {
        let padded = [&[0x48, 0x83, 0xec, 8], &PADDED[..], &[0; 16]].concat();
        let framed = [&[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5], &FRAMED[..], &[0; 16]].concat();
        for (code, after, saved) in [(&padded, 6, 8), (&framed, 10, 16)] {
            let found = rule(code, 0x1000 + after).expect("its return address");
            assert_eq!((found.form(), found.offset(), found.saved()), (BY_SP, 16, saved));
            assert!((0..20).all(|at| at == after || rule(code, 0x1000 + at).is_none()));
            for broken in after as usize - 2..after as usize + 2 {
                let mut other = code.clone();
                other[broken] ^= 1;
                assert_eq!(rule(&other, 0x1000 + after), None, "byte {broken}");
            }
        }
        assert_eq!((rule(&padded, 1), rule(&padded, 0x1000), rule(&padded, u64::MAX)), (None, None, None));
        assert_eq!(rule(&padded[..11], 0x1006), None, "the rest cannot be read");
    }
}
