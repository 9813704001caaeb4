//! The whole stack with all registers, for what has no short rule: signal frames, assembly with expressions,
//! frames kept in other registers.
//!
//! The hook's own callers-saved registers are long gone, so the walk begins in this file's own frame and crosses
//! memtrace's frames by their unwind data like any others; kept are the frames from the hook's caller outwards.

use core::arch::asm;
use memtrace_wire::layout::frame;

use super::cfi::{self, Cfa, Place, RBP, REGISTERS, RETURN, RSP, Scratch};
use super::chain::Fresh;
use super::cursor::{Cursor, Expression};
use super::object::{Object, Objects};
use super::rules::Short;
use super::stack::Stacks;
use super::trampoline;
use super::walk::{CUT_BOUNDS, CUT_UNWIND, Stop};
use super::{Entry, FRAMES_MAX, readable_word, word};
use crate::Hot;
use crate::thread::Body;

/// All registers of one frame.
pub type Registers = [u64; REGISTERS];

/// Frames of our own between here and the hook's caller.
const OWN_FRAMES_MAX: usize = 32;

impl Hot {
    /// The node of the stack at `entry`, walked with all registers.
    #[cold]
    #[inline(never)]
    pub fn capture_slowly(&self, body: &mut Body, entry: Entry) -> u32 {
        let mut registers = here();
        let mut found = false;
        for _ in 0..OWN_FRAMES_MAX {
            if self.step(&mut body.stacks, &mut body.scratch, &mut registers, false).is_err() {
                break;
            }
            if sp_of(&registers) == entry.sp + 8 {
                found = true;
                break;
            }
        }
        let limit = self.budget.frames_max.get() as usize;
        let Body { stacks, scratch, chain, .. } = body;
        let mut fresh = 0;
        let keep = |word| {
            let Some(place) = chain.fresh.get_mut(fresh).filter(|_| fresh < limit) else { return false };
            *place = Fresh { sp: 0, pc: word, bp: 0, rule: Short::UNKNOWN };
            fresh += 1;
            true
        };
        let stop = if found { self.follow(stacks, scratch, &mut registers, false, keep) } else { CUT_UNWIND };
        // What was walked this way is not kept: its words are not only return addresses and rbp.
        chain.reset(0, 0);
        let frames = (0..fresh.min(FRAMES_MAX)).rev().map_while(|place| chain.fresh.get(place));
        self.intern_walk(stop, frames.map(|frame| frame.pc))
    }

    /// Gives the frames from `registers` outwards to `keep`, until that says that there is no more room.
    pub(super) fn follow(
        &self,
        stacks: &mut Stacks,
        scratch: &mut Scratch,
        registers: &mut Registers,
        mut exact: bool,
        mut keep: impl FnMut(u64) -> bool,
    ) -> Stop {
        loop {
            let pc = pc_of(registers);
            if pc == 0 {
                return Stop::End;
            }
            if !keep(if exact { pc | frame::EXACT } else { pc }) {
                return self.cut();
            }
            match self.step(stacks, scratch, registers, exact) {
                Ok(next_exact) => exact = next_exact,
                Err(stop) => return stop,
            }
        }
    }

    /// The node of frames that were walked, the outermost of which comes first.
    pub(super) fn intern_walk(&self, stop: Stop, frames: impl Iterator<Item = u64>) -> u32 {
        let start = match stop {
            Stop::Cut(mark, loss) => {
                self.store.lose(loss);
                self.mark(mark)
            }
            Stop::End | Stop::Long => (0, 0),
        };
        let (node, _) = frames.fold(start, |(node, hash), frame| {
            let hash = crate::trie::roll(hash, frame);
            (self.child(node, frame, hash, &[]), hash)
        });
        node
    }

    /// See `caller`.
    fn step(
        &self,
        stacks: &mut Stacks,
        scratch: &mut Scratch,
        registers: &mut Registers,
        exact: bool,
    ) -> Result<bool, Stop> {
        let read = |address: u64| -> Option<u64> {
            if !stacks.current.holds(address) && !stacks.grow_to(address) {
                // Another stack: the one that a signal interrupted, or that assembly code switched from.
                return readable_word(address);
            }
            // SAFETY: in the range.
            Some(unsafe { word(address) })
        };
        caller(&self.objects, scratch, registers, exact, |object| self.notice(object), read)
    }
}

/// Turns the registers of a frame into those of its caller. `Ok(true)`: the caller was interrupted by a signal.
/// `exact`: the frame stands at its program counter, not behind a call. `met` is told the module of its code; `read`
/// gives the word at an address.
pub fn caller(
    objects: &Objects,
    scratch: &mut Scratch,
    registers: &mut Registers,
    exact: bool,
    met: impl FnOnce(&Object),
    mut read: impl FnMut(u64) -> Option<u64>,
) -> Result<bool, Stop> {
    const UNKNOWN: Stop = CUT_UNWIND;
    const OUTSIDE: Stop = CUT_BOUNDS;
    let pc = if exact { pc_of(registers) } else { pc_of(registers).wrapping_sub(1) };
    let is_signals = match objects.find(pc) {
        Some(object) => {
            met(&object);
            let nothing = if objects.is_loader(pc) { Stop::End } else { UNKNOWN };
            cfi::row(&object, pc, scratch).ok_or(nothing)?.signal
        }
        None if exact => return Err(UNKNOWN),
        None => {
            trampoline::row(pc_of(registers), &mut scratch.row, &mut read).ok_or(UNKNOWN)?;
            false
        }
    };
    let row = &scratch.row;
    let cfa = match row.cfa {
        Cfa::Register(register, offset) => {
            registers.get(usize::from(register)).ok_or(UNKNOWN)?.wrapping_add(offset as u64)
        }
        Cfa::Expression(expression) => evaluate(expression, registers, None, &mut read).ok_or(OUTSIDE)?,
    };
    let mut next = *registers;
    if let Some(sp) = next.get_mut(RSP) {
        *sp = cfa;
    }
    for (register, (slot, place)) in next.iter_mut().zip(&row.places).enumerate() {
        match *place {
            Place::Same => {}
            Place::Undefined if register == RETURN => return Err(Stop::End),
            Place::Undefined => *slot = 0,
            Place::At(offset) => *slot = read(cfa.wrapping_add(offset as u64)).ok_or(OUTSIDE)?,
            Place::Is(offset) => *slot = cfa.wrapping_add(offset as u64),
            Place::Register(other) => *slot = *registers.get(usize::from(other)).ok_or(UNKNOWN)?,
            Place::AtExpression(expression) => {
                let address = evaluate(expression, registers, Some(cfa), &mut read).ok_or(OUTSIDE)?;
                *slot = read(address).ok_or(OUTSIDE)?;
            }
            Place::IsExpression(expression) => {
                *slot = evaluate(expression, registers, Some(cfa), &mut read).ok_or(OUTSIDE)?;
            }
        }
    }
    // Only a signal frame leads to a stack further down.
    if !is_signals && sp_of(&next) <= sp_of(registers) && row.places.get(RSP) == Some(&Place::Same) {
        return Err(OUTSIDE);
    }
    *registers = next;
    Ok(is_signals)
}

/// The program counter among registers.
pub fn pc_of(registers: &Registers) -> u64 {
    let [.., pc] = *registers;
    pc
}

/// The stack pointer among registers.
pub fn sp_of(registers: &Registers) -> u64 {
    registers.get(RSP).copied().unwrap_or(0)
}

/// The registers of the function that this is inlined into: what callees keep, the stack, and where we are.
#[inline(always)]
pub fn here() -> Registers {
    let (rbx, rbp, rsp, r12, r13, r14, r15, pc): (u64, u64, u64, u64, u64, u64, u64, u64);
    // SAFETY: reads registers only.
    unsafe {
        asm!(
            "mov {0}, rbx", "mov {1}, rbp", "mov {2}, rsp", "mov {3}, r12",
            out(reg) rbx, out(reg) rbp, out(reg) rsp, out(reg) r12, options(nomem, nostack, preserves_flags)
        );
        asm!(
            "mov {0}, r13", "mov {1}, r14", "mov {2}, r15", "lea {3}, [rip + 0]",
            out(reg) r13, out(reg) r14, out(reg) r15, out(reg) pc, options(nomem, nostack, preserves_flags)
        );
    }
    let mut registers = [0; REGISTERS];
    let values = [(3, rbx), (RBP, rbp), (RSP, rsp), (12, r12), (13, r13), (14, r14), (15, r15), (RETURN, pc)];
    for (register, value) in values {
        if let Some(slot) = registers.get_mut(register) {
            *slot = value;
        }
    }
    registers
}

/// Operations that an expression may take; those of libraries take ten.
const OPERATIONS_MAX: usize = 256;

/// The value of a DWARF expression (DWARF 5 §2.5), as far as call frame information uses it.
fn evaluate(
    expression: Expression,
    registers: &Registers,
    first: Option<u64>,
    read: &mut impl FnMut(u64) -> Option<u64>,
) -> Option<u64> {
    let mut stack = Values { values: [0; 16], count: 0 };
    if let Some(first) = first {
        stack.push(first)?;
    }
    let mut code = Cursor::over(expression);
    let end = code.at + u64::from(expression.bytes);
    for _ in 0..OPERATIONS_MAX {
        if !code.more() {
            return stack.pop();
        }
        let operation = code.byte()?;
        match operation {
            // addr, const1u … consts
            0x03 => stack.push(code.long()?)?,
            0x08 => stack.push(u64::from(code.byte()?))?,
            0x09 => stack.push(code.byte()? as i8 as u64)?,
            0x0a => stack.push(u64::from(code.half()?))?,
            0x0b => stack.push(code.half()? as i16 as u64)?,
            0x0c => stack.push(u64::from(code.word()?))?,
            0x0d => stack.push(code.word()? as i32 as u64)?,
            0x0e | 0x0f => stack.push(code.long()?)?,
            0x10 => stack.push(code.unsigned()?)?,
            0x11 => stack.push(code.signed()? as u64)?,
            // deref
            0x06 => {
                let address = stack.pop()?;
                stack.push(read(address)?)?;
            }
            // dup, drop, over, pick, swap
            0x12 => stack.push(stack.peek(0)?)?,
            0x13 => {
                stack.pop()?;
            }
            0x14 => stack.push(stack.peek(1)?)?,
            0x15 => {
                let depth = usize::from(code.byte()?);
                stack.push(stack.peek(depth)?)?;
            }
            0x16 => {
                let (b, a) = (stack.pop()?, stack.pop()?);
                stack.push(b)?;
                stack.push(a)?;
            }
            // abs, neg, not
            0x19 => stack.one(|a| (a as i64).unsigned_abs())?,
            0x1f => stack.one(|a| a.wrapping_neg())?,
            0x20 => stack.one(|a| !a)?,
            // plus_uconst
            0x23 => {
                let more = code.unsigned()?;
                stack.one(|a| a.wrapping_add(more))?;
            }
            // and, minus, mul, or, plus, shl, shr, shra, xor
            0x1a => stack.two(|a, b| a & b)?,
            0x1c => stack.two(|a, b| a.wrapping_sub(b))?,
            0x1e => stack.two(|a, b| a.wrapping_mul(b))?,
            0x21 => stack.two(|a, b| a | b)?,
            0x22 => stack.two(|a, b| a.wrapping_add(b))?,
            0x24 => stack.two(|a, b| a.checked_shl(b as u32).unwrap_or(0))?,
            0x25 => stack.two(|a, b| a.checked_shr(b as u32).unwrap_or(0))?,
            0x26 => stack.two(|a, b| (a as i64).checked_shr(b as u32).unwrap_or(0) as u64)?,
            0x27 => stack.two(|a, b| a ^ b)?,
            // bra, skip
            0x28 => {
                let step = code.half()? as i16;
                if stack.pop()? != 0 {
                    code = jump(code, step, expression, end)?;
                }
            }
            0x2f => {
                let step = code.half()? as i16;
                code = jump(code, step, expression, end)?;
            }
            // eq, ge, gt, le, lt, ne
            0x29 => stack.two(|a, b| u64::from(a == b))?,
            0x2a => stack.two(|a, b| u64::from(a as i64 >= b as i64))?,
            0x2b => stack.two(|a, b| u64::from(a as i64 > b as i64))?,
            0x2c => stack.two(|a, b| u64::from(a as i64 <= b as i64))?,
            0x2d => stack.two(|a, b| u64::from((a as i64) < b as i64))?,
            0x2e => stack.two(|a, b| u64::from(a != b))?,
            // lit0 … lit31
            0x30..=0x4f => stack.push(u64::from(operation - 0x30))?,
            // breg0 … breg31
            0x70..=0x8f => {
                let offset = code.signed()?;
                stack.push(registers.get(usize::from(operation - 0x70))?.wrapping_add(offset as u64))?;
            }
            // nop
            0x96 => {}
            _ => return None,
        }
    }
    None
}

fn jump(code: Cursor, step: i16, whole: Expression, end: u64) -> Option<Cursor> {
    let at = code.at.wrapping_add(step as u64);
    let left = end.checked_sub(at).filter(|_| at >= whole.at)?;
    Some(Cursor::over(Expression { at, bytes: left as u32 }))
}

/// The expression's stack. Sixteen are enough for every expression that assemblers write.
struct Values {
    values: [u64; 16],
    count: usize,
}

impl Values {
    fn push(&mut self, value: u64) -> Option<()> {
        *self.values.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<u64> {
        self.count = self.count.checked_sub(1)?;
        self.values.get(self.count).copied()
    }

    fn peek(&self, depth: usize) -> Option<u64> {
        self.values.get(self.count.checked_sub(depth + 1)?).copied()
    }

    fn one(&mut self, change: impl FnOnce(u64) -> u64) -> Option<()> {
        let value = self.pop()?;
        self.push(change(value))
    }

    fn two(&mut self, join: impl FnOnce(u64, u64) -> u64) -> Option<()> {
        let (b, a) = (self.pop()?, self.pop()?);
        self.push(join(a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(code: &'static [u8]) -> Option<u64> {
        let expression = Expression { at: code.as_ptr() as u64, bytes: code.len() as u32 };
        let mut registers = [0; REGISTERS];
        registers[RSP] = 0x1000;
        registers[RETURN] = 0x400b;
        evaluate(expression, &registers, None, &mut |address| Some(address + 1))
    }

    #[test]
    fn the_expression_of_a_procedure_linkage_table_counts_its_pushes() {
        // breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus
        let code = &[0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
        assert_eq!(value(code), Some(0x1010));
    }

    #[test]
    fn a_broken_expression_is_none() {
        assert_eq!(value(&[0x22]), None);
        assert_eq!(value(&[0x2f, 0xfd, 0xff]), None, "a loop without end is left");
        assert_eq!(value(&[0x0a, 1]), None);
        assert_eq!(value(&[0x77, 0, 0x06]), Some(0x1001));
    }
}
