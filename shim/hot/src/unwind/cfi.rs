//! `.eh_frame`: how the registers of a caller are found from those of its callee.
//!
//! Source: DWARF 5 §6.4 and the Linux Standard Base's `.eh_frame` and `.eh_frame_hdr`. Every read is bounded by
//! the module; what is malformed gives `None`.

use super::cursor::{Cursor, Expression};
use super::entries::{Common, entry_for};
use super::object::Object;

/// Registers that are followed: the sixteen of x86-64 by their DWARF numbers, and the return address.
pub const REGISTERS: usize = 17;
/// DWARF number of rbp.
pub const RBP: usize = 6;
/// DWARF number of rsp.
pub const RSP: usize = 7;
/// DWARF number of the return address column.
pub const RETURN: usize = 16;

/// How one register of the caller is found.
/// The first variant is all zeroes, so that fresh memory holds valid rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Place {
    /// As in the callee.
    Same = 0,
    /// Lost; for the return address: there is no caller.
    Undefined,
    /// In memory at CFA + offset.
    At(i32),
    /// CFA + offset itself.
    Is(i32),
    /// In another register.
    Register(u8),
    /// In memory at the value of an expression.
    AtExpression(Expression),
    /// The value of an expression.
    IsExpression(Expression),
}

/// How the canonical frame address is found.
/// The first variant is all zeroes, as above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cfa {
    /// A register plus an offset.
    Register(u8, i64) = 0,
    /// The value of an expression.
    Expression(Expression),
}

/// All of it for one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The frame's address.
    pub cfa: Cfa,
    /// Where each register of the caller is.
    pub places: [Place; REGISTERS],
}

/// Room for the rows that remember_state keeps, so that no hook needs them on its stack. Compilers nest two.
pub struct Scratch {
    /// The row being built.
    pub row: Row,
    initial: Row,
    remembered: [Row; 8],
}

impl Scratch {
    /// Without rows.
    pub const fn new() -> Self {
        Self { row: Row::START, initial: Row::START, remembered: [Row::START; 8] }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Row {
    /// All registers as in the callee, whose frame ends below its return address.
    pub const START: Row = Row { cfa: Cfa::Register(RSP as u8, 8), places: [Place::Same; REGISTERS] };
}

/// What the unwind data says about one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advice {
    /// The frame is a signal's: the address that it interrupted is exact.
    pub signal: bool,
}

/// Fills `scratch.row` for the instruction at `pc`. `None`: the module says nothing about it.
pub fn row(object: &Object, pc: u64, scratch: &mut Scratch) -> Option<Advice> {
    let entry = entry_for(object, pc)?;
    let (mut code, common) = Common::of(object, entry, pc)?;
    scratch.row = Row::START;
    if let Some(place) = scratch.row.places.get_mut(RETURN) {
        *place = Place::At(-8);
    }
    let mut program = common.program;
    run(&mut program, &common, pc, u64::MAX, scratch)?;
    scratch.initial = scratch.row;
    run(&mut code, &common, pc, common.start, scratch)?;
    Some(Advice { signal: common.signal })
}

/// Runs a program up to `pc`. `location` is where it starts; `u64::MAX` for a common part, which has none.
fn run(program: &mut Cursor, common: &Common, pc: u64, location: u64, scratch: &mut Scratch) -> Option<()> {
    let mut location = location;
    let mut depth = 0usize;
    let factor = |offset: u64| -> i32 { (offset as i64).wrapping_mul(common.data_factor) as i32 };
    let signed = |offset: i64| -> i32 { offset.wrapping_mul(common.data_factor) as i32 };
    while program.more() {
        let code = program.byte()?;
        let low = u64::from(code & 0x3f);
        let mut advance = None;
        match code >> 6 {
            1 => advance = Some(low),
            2 => {
                let offset = program.unsigned()?;
                set(scratch, low, Place::At(factor(offset)));
            }
            3 => restore(scratch, low),
            _ => match code {
                // nop
                0x00 => {}
                // set_loc
                0x01 => {
                    location = program.pointer(common.encoding)?;
                    if location > pc {
                        return Some(());
                    }
                }
                // advance_loc1, 2, 4
                0x02 => advance = Some(u64::from(program.byte()?)),
                0x03 => advance = Some(u64::from(program.half()?)),
                0x04 => advance = Some(u64::from(program.word()?)),
                // offset_extended
                0x05 => {
                    let (register, offset) = (program.unsigned()?, program.unsigned()?);
                    set(scratch, register, Place::At(factor(offset)));
                }
                // restore_extended
                0x06 => {
                    let register = program.unsigned()?;
                    restore(scratch, register);
                }
                // undefined, same_value
                0x07 => {
                    let register = program.unsigned()?;
                    set(scratch, register, Place::Undefined);
                }
                0x08 => {
                    let register = program.unsigned()?;
                    set(scratch, register, Place::Same);
                }
                // register
                0x09 => {
                    let (register, other) = (program.unsigned()?, program.unsigned()?);
                    set(scratch, register, Place::Register(other as u8));
                }
                // remember_state, restore_state
                0x0a => {
                    *scratch.remembered.get_mut(depth)? = scratch.row;
                    depth += 1;
                }
                0x0b => {
                    depth = depth.checked_sub(1)?;
                    scratch.row = *scratch.remembered.get(depth)?;
                }
                // def_cfa, def_cfa_register, def_cfa_offset
                0x0c => {
                    let (register, offset) = (program.unsigned()?, program.unsigned()?);
                    scratch.row.cfa = Cfa::Register(register as u8, offset as i64);
                }
                0x0d => {
                    let register = program.unsigned()?;
                    scratch.row.cfa = Cfa::Register(register as u8, offset_of(scratch));
                }
                0x0e => {
                    let offset = program.unsigned()?;
                    scratch.row.cfa = Cfa::Register(register_of(scratch)?, offset as i64);
                }
                // def_cfa_expression
                0x0f => scratch.row.cfa = Cfa::Expression(block(program)?),
                // expression, val_expression
                0x10 => {
                    let register = program.unsigned()?;
                    let expression = block(program)?;
                    set(scratch, register, Place::AtExpression(expression));
                }
                0x16 => {
                    let register = program.unsigned()?;
                    let expression = block(program)?;
                    set(scratch, register, Place::IsExpression(expression));
                }
                // offset_extended_sf
                0x11 => {
                    let (register, offset) = (program.unsigned()?, program.signed()?);
                    set(scratch, register, Place::At(signed(offset)));
                }
                // def_cfa_sf, def_cfa_offset_sf
                0x12 => {
                    let (register, offset) = (program.unsigned()?, program.signed()?);
                    scratch.row.cfa = Cfa::Register(register as u8, i64::from(signed(offset)));
                }
                0x13 => {
                    let offset = program.signed()?;
                    scratch.row.cfa = Cfa::Register(register_of(scratch)?, i64::from(signed(offset)));
                }
                // val_offset, val_offset_sf
                0x14 => {
                    let (register, offset) = (program.unsigned()?, program.unsigned()?);
                    set(scratch, register, Place::Is(factor(offset)));
                }
                0x15 => {
                    let (register, offset) = (program.unsigned()?, program.signed()?);
                    set(scratch, register, Place::Is(signed(offset)));
                }
                // GNU_args_size: only landing pads need it
                0x2e => {
                    program.unsigned()?;
                }
                _ => return None,
            },
        }
        if let Some(advance) = advance {
            location = location.wrapping_add(advance.wrapping_mul(common.code_factor));
            if location > pc {
                return Some(());
            }
        }
    }
    Some(())
}

fn block(program: &mut Cursor) -> Option<Expression> {
    let bytes = program.unsigned()?;
    let at = program.at;
    program.skip(bytes)?;
    Some(Expression { at, bytes: u32::try_from(bytes).ok()? })
}

fn set(scratch: &mut Scratch, register: u64, place: Place) {
    // Registers beyond are vectors, which no rule of ours depends on.
    if let Some(slot) = scratch.row.places.get_mut(register as usize) {
        *slot = place;
    }
}

fn restore(scratch: &mut Scratch, register: u64) {
    if let Some(&place) = scratch.initial.places.get(register as usize) {
        set(scratch, register, place);
    }
}

fn register_of(scratch: &Scratch) -> Option<u8> {
    match scratch.row.cfa {
        Cfa::Register(register, _) => Some(register),
        Cfa::Expression(_) => None,
    }
}

fn offset_of(scratch: &Scratch) -> i64 {
    match scratch.row.cfa {
        Cfa::Register(_, offset) => offset,
        Cfa::Expression(_) => 0,
    }
}
