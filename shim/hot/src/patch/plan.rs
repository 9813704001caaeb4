//! What is written where, for one function: a stub, a trampoline, and a jump in the place of its first instructions.

use super::instruction::{Kind, decode};

/// Bytes of a jump.
pub const JUMP_BYTES: usize = 5;
/// Bytes of a stub.
pub const STUB_BYTES: usize = 20;
/// Bytes of the longest trampoline: 19 bytes of instructions, of which short jumps become long, and a jump back.
pub const TRAMPOLINE_BYTES: usize = 64;
/// endbr64: an indirect call has to find it in its place.
const LANDING: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// Why a function is left alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It ends before a jump would.
    Short,
    /// An instruction of it is not known.
    Unknown,
    /// One of the first instructions cannot stand anywhere else.
    Unmovable,
    /// Something leads into its first instructions.
    Entered,
    /// No memory near enough.
    Far,
}

impl Refusal {
    /// In words that follow the function's name.
    pub const fn text(self) -> &'static str {
        match self {
            Refusal::Short => "is shorter than a jump",
            Refusal::Unknown => "has an instruction that is not known",
            Refusal::Unmovable => "begins with an instruction that cannot be moved",
            Refusal::Entered => "has a jump into its first instructions",
            Refusal::Far => "has no room for code near it",
        }
    }
}

/// Where a function's jump stands, and the end of what the trampoline has of it; addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// First byte of the jump.
    pub start: u64,
    /// First byte that stays.
    pub end: u64,
}

impl Plan {
    /// For the function whose whole code this is, at its address.
    pub fn of(code: &[u8], address: u64) -> Result<Plan, Refusal> {
        let first = if code.starts_with(&LANDING) { LANDING.len() } else { 0 };
        let mut end = first;
        let mut is_over = false;
        while end < first + JUMP_BYTES {
            if is_over {
                return Err(Refusal::Short);
            }
            let rest = code.get(end..).filter(|rest| !rest.is_empty()).ok_or(Refusal::Short)?;
            let next = decode(rest).ok_or(Refusal::Unknown)?;
            match next.kind {
                // A call is as long as a jump, so it is the last of them.
                Kind::Plain | Kind::Relative(_) | Kind::Branch(..) | Kind::Call(_) => {}
                Kind::Jump(_) | Kind::End => is_over = true,
                Kind::IndirectCall | Kind::Short(_) => return Err(Refusal::Unmovable),
            }
            end += next.length;
        }
        if end > code.len() {
            return Err(Refusal::Short);
        }
        // No jump of its own may lead to what is not there any more, nor to its beginning, where only callers come.
        let mut at = 0;
        while at < code.len() {
            let next = decode(code.get(at..).unwrap_or_default()).ok_or(Refusal::Unknown)?;
            at += next.length;
            if let Kind::Branch(_, distance) | Kind::Jump(distance) | Kind::Short(distance) = next.kind {
                let to = at as i64 + distance;
                if (0..end as i64).contains(&to) {
                    return Err(Refusal::Entered);
                }
            }
        }
        Ok(Plan { start: address + first as u64, end: address + end as u64 })
    }

    /// Whether four bytes that end at this address, taken for the distance of a jump, lead into what is moved. Whatever
    /// the bytes are: a function that is left alone without need is better than one that is broken.
    pub fn is_entered(&self, end: u64, distance: i32) -> bool {
        let to = end.wrapping_add_signed(distance.into());
        self.start < to && to < self.end
    }

    /// Writes the trampoline that stands at `at`; its length. `code`: what stands at `start`.
    pub fn trampoline(&self, code: &[u8], at: u64, into: &mut [u8]) -> Result<usize, Refusal> {
        let mut writer = Writer { into, at, length: 0 };
        let mut from = 0usize;
        let bytes = (self.end - self.start) as usize;
        while from < bytes {
            let rest = code.get(from..bytes).unwrap_or_default();
            let next = decode(rest).ok_or(Refusal::Unknown)?;
            let text = rest.get(..next.length).ok_or(Refusal::Unknown)?;
            from += next.length;
            let to = |distance: i64| (self.start + from as u64).wrapping_add_signed(distance);
            match next.kind {
                Kind::Plain => writer.push(text)?,
                Kind::Relative(place) => {
                    let distance = text.get(place..).and_then(<[u8]>::first_chunk).ok_or(Refusal::Unknown)?;
                    let operand = to(i32::from_le_bytes(*distance).into());
                    let distance = distance_to(operand, writer.here() + next.length as u64)?;
                    let (before, behind) = text.split_at_checked(place).ok_or(Refusal::Unknown)?;
                    writer.push(before)?;
                    writer.push(&distance)?;
                    writer.push(behind.get(4..).unwrap_or_default())?;
                }
                Kind::Branch(condition, distance) => {
                    writer.push(&[0x0f, 0x80 | condition])?;
                    writer.push_distance(to(distance))?;
                }
                Kind::Jump(distance) => {
                    writer.push(&[0xe9])?;
                    return writer.push_distance(to(distance)).map(|()| writer.length);
                }
                Kind::End => {
                    // A jump through memory is told by its bytes alone; what it reads may be relative.
                    let is_relative = text.iter().skip_while(|&&byte| byte != 0xff).nth(1) == Some(&0x25);
                    if is_relative {
                        return Err(Refusal::Unmovable);
                    }
                    return writer.push(text).map(|()| writer.length);
                }
                Kind::Call(distance) => {
                    // It returns to the function itself, which is where unwinders find their way: a return address that is
                    // pushed in two halves, and a jump.
                    let [low, high] = [self.end as u32, (self.end >> 32) as u32].map(u32::to_le_bytes);
                    writer.push(&[0x68])?;
                    writer.push(&low)?;
                    writer.push(&[0xc7, 0x44, 0x24, 0x04])?;
                    writer.push(&high)?;
                    writer.push(&[0xe9])?;
                    return writer.push_distance(to(distance)).map(|()| writer.length);
                }
                Kind::IndirectCall | Kind::Short(_) => return Err(Refusal::Unmovable),
            }
        }
        writer.push(&[0xe9])?;
        writer.push_distance(self.end)?;
        Ok(writer.length)
    }
}

/// A jump that stands at `at`.
pub fn jump(at: u64, to: u64) -> Result<[u8; JUMP_BYTES], Refusal> {
    let [a, b, c, d] = distance_to(to, at + JUMP_BYTES as u64)?;
    Ok([0xe9, a, b, c, d])
}

/// A stub: the number goes onto the stack, as no register is free, and the hook may be anywhere.
pub fn stub(number: u32, hook: u64) -> [u8; STUB_BYTES] {
    let mut stub = [0x90; STUB_BYTES];
    let parts: [(usize, &[u8]); 4] =
        [(0, &[0x68]), (1, &number.to_le_bytes()), (5, &[0xff, 0x25, 0, 0, 0, 0]), (11, &hook.to_le_bytes())];
    for (at, part) in parts {
        if let Some(place) = stub.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    }
    stub
}

struct Writer<'a> {
    into: &'a mut [u8],
    /// Address of its first byte.
    at: u64,
    length: usize,
}

impl Writer<'_> {
    fn here(&self) -> u64 {
        self.at + self.length as u64
    }

    fn push(&mut self, text: &[u8]) -> Result<(), Refusal> {
        let place = self.into.get_mut(self.length..self.length + text.len()).ok_or(Refusal::Far)?;
        place.copy_from_slice(text);
        self.length += text.len();
        Ok(())
    }

    fn push_distance(&mut self, to: u64) -> Result<(), Refusal> {
        let distance = distance_to(to, self.here() + 4)?;
        self.push(&distance)
    }
}

fn distance_to(to: u64, end: u64) -> Result<[u8; 4], Refusal> {
    i32::try_from(to.wrapping_sub(end) as i64).map(i32::to_le_bytes).map_err(|_| Refusal::Far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const AT: u64 = 0x40_0000;
    const NEAR: u64 = 0x3f_0000;

    fn whole(code: &[u8]) -> Result<(Plan, Vec<u8>), Refusal> {
        let plan = Plan::of(code, AT)?;
        let mut room = [0; TRAMPOLINE_BYTES];
        let length = plan.trampoline(&code[(plan.start - AT) as usize..], NEAR, &mut room)?;
        Ok((plan, room[..length].to_vec()))
    }

    /// Ends in a return, behind other code.
    fn function(first: &[u8]) -> Vec<u8> {
        [first, &[0x90; 20], &[0xc3]].concat()
    }

    #[test]
    fn the_first_instructions_are_moved_whole() {
        // push r15; push r14; push r13
        let (plan, text) = whole(&function(&[0x41, 0x57, 0x41, 0x56, 0x41, 0x55])).unwrap();
        assert_eq!((plan.start, plan.end), (AT, AT + 6));
        assert_eq!(text[..7], [0x41, 0x57, 0x41, 0x56, 0x41, 0x55, 0xe9]);
        let back = i32::from_le_bytes(text[7..11].try_into().unwrap());
        assert_eq!((NEAR + 11).wrapping_add_signed(back.into()), AT + 6);
    }

    #[test]
    fn a_landing_place_stays_where_it_is() {
        let (plan, text) = whole(&function(&[0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x81, 0xff, 0, 0x10, 0, 0])).unwrap();
        assert_eq!((plan.start, plan.end), (AT + 4, AT + 11));
        assert_eq!(text[..7], [0x48, 0x81, 0xff, 0, 0x10, 0, 0]);
    }

    #[test]
    fn what_depends_on_its_place_is_mended() {
        // mov rax, [rip + 0x100]
        let (_, text) = whole(&function(&[0x48, 0x8b, 0x05, 0, 1, 0, 0])).unwrap();
        let distance = i32::from_le_bytes(text[3..7].try_into().unwrap());
        assert_eq!((NEAR + 7).wrapping_add_signed(distance.into()), AT + 7 + 0x100);
        // test rdi, rdi; je +16
        let (plan, text) = whole(&function(&[0x48, 0x85, 0xff, 0x74, 0x10])).unwrap();
        assert_eq!(plan.end, AT + 5);
        assert_eq!(text[..5], [0x48, 0x85, 0xff, 0x0f, 0x84]);
        let distance = i32::from_le_bytes(text[5..9].try_into().unwrap());
        assert_eq!((NEAR + 9).wrapping_add_signed(distance.into()), AT + 5 + 16);
        // push rbx; call +0x1000: it returns to what follows it in the function.
        let (plan, text) = whole(&function(&[0x53, 0xe8, 0, 0x10, 0, 0])).unwrap();
        assert_eq!((plan.end, text.len()), (AT + 6, 19));
        assert_eq!(text[..2], [0x53, 0x68]);
        assert_eq!((&text[2..6], &text[10..14]), (&(AT as u32 + 6).to_le_bytes()[..], &[0; 4][..]));
        let distance = i32::from_le_bytes(text[15..19].try_into().unwrap());
        assert_eq!((NEAR + 19).wrapping_add_signed(distance.into()), AT + 6 + 0x1000);
        // A function that is another one's name: jmp +0x1000
        let (_, text) = whole(&[0xe9, 0, 0x10, 0, 0]).unwrap();
        let distance = i32::from_le_bytes(text[1..5].try_into().unwrap());
        assert_eq!((text.len(), (NEAR + 5).wrapping_add_signed(distance.into())), (5, AT + 5 + 0x1000));
    }

    #[test]
    fn what_is_not_surely_right_is_refused() {
        assert_eq!(whole(&[0x31, 0xc0, 0xc3]), Err(Refusal::Short));
        assert_eq!(whole(&[0x31, 0xc0, 0xc3, 0x90, 0x90, 0x90]), Err(Refusal::Short));
        assert_eq!(whole(&[0x90; 4]), Err(Refusal::Short));
        assert_eq!(whole(&function(&[0xff, 0x15, 0, 0, 0, 0])), Err(Refusal::Unmovable));
        assert_eq!(whole(&function(&[0x41, 0x57, 0xe3, 0x10, 0x90])), Err(Refusal::Unmovable));
        assert_eq!(whole(&function(&[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x07])), Err(Refusal::Unknown));
        assert_eq!(whole(&[0xff, 0x25, 0, 0, 0, 0]), Err(Refusal::Unmovable));
        // A loop back to the second instruction, to the first, and to the first that stays.
        let looped = |to: i8| whole(&[&[0x90; 8][..], &[0x75, (to - 10) as u8, 0xc3]].concat()).map(|_| ());
        assert_eq!(
            (looped(1), looped(0), looped(4)),
            (Err(Refusal::Entered), Err(Refusal::Entered), Err(Refusal::Entered))
        );
        assert_eq!(looped(5), Ok(()));
        // Operands that are out of reach.
        let code = function(&[0x48, 0x8b, 0x05, 0, 1, 0, 0]);
        let plan = Plan::of(&code, 1 << 40).unwrap();
        assert_eq!(plan.trampoline(&code, NEAR, &mut [0; TRAMPOLINE_BYTES]), Err(Refusal::Far));
        assert_eq!(plan.trampoline(&code, 1 << 40, &mut [0; 8]), Err(Refusal::Far));
    }

    #[test]
    fn a_jump_from_elsewhere_into_what_is_moved_is_seen() {
        let plan = Plan { start: 100, end: 106 };
        assert!(plan.is_entered(90, 11) && plan.is_entered(200, -95));
        assert!(!plan.is_entered(90, 10) && !plan.is_entered(90, 16));
    }

    #[test]
    fn a_stub_gives_its_number_to_the_hook() {
        let stub = stub(7, 0x1122_3344_5566_7788);
        assert_eq!(stub[..11], [0x68, 7, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0]);
        assert_eq!(stub[11..19], 0x1122_3344_5566_7788u64.to_le_bytes());
        assert_eq!(jump(0x1000, 0x1105), Ok([0xe9, 0, 1, 0, 0]));
    }
}
