//! C++'s operators new and delete.
//!
//! A C++ exception may pass through a frame of assembly that has unwind data and no personality, but not through
//! a Rust frame. So each operator new is such a frame: it tells `entered` where it was called from, calls the
//! real operator, whose first allocation below is recorded with that place, and tells `left` what came of it.
//! An operator delete has nothing to do after the real one, so it leaves by a jump; and once it was seen to end in free,
//! its hook does nothing before it either.

use core::arch::naked_asm;
use core::ffi::c_void;
use core::mem::offset_of;
use memtrace_hot::Hot;
use memtrace_hot::mode::SAMPLING;
use memtrace_hot::release::{ANY, Expected, Release};
use memtrace_hot::thread::{EXPECTED_AT, Pending};
use memtrace_hot::unwind::Entry;
use memtrace_hot::unwind::elf;
use memtrace_hot::unwind::object::LinkMap;
use memtrace_wire::heap::Releaser;
use memtrace_wire::layout::Op;
use memtrace_wire::map::U64;

use crate::frees::{self, Next};
use crate::inside::{self, HOT};
use crate::real;

macro_rules! operator_new {
    ($($name:ident = $number:literal, $op:ident, $symbol:literal, [$($first:literal),*], [$($operand:tt)*];)*) => {
        $(
            /// An operator new.
            ///
            /// # Safety
            /// As the C++ library's function of this name.
            #[unsafe(naked)]
            #[unsafe(export_name = $symbol)]
            pub unsafe extern "C" fn $name() {
                naked_asm!(
                    ".cfi_startproc",
                    $($first,)*
                    "push rbp",
                    ".cfi_def_cfa_offset 16",
                    ".cfi_offset rbp, -16",
                    "mov rbp, rsp",
                    ".cfi_def_cfa_register rbp",
                    "push rdi",
                    "push rsi",
                    "push rdx",
                    "sub rsp, 8",
                    "mov edi, {number}",
                    "lea rsi, [rbp + 8]",
                    "mov rdx, [rbp]",
                    "mov rcx, [rbp - 8]",
                    "call {entered}",
                    "mov rdx, [rbp - 24]",
                    "mov rsi, [rbp - 16]",
                    "mov rdi, [rbp - 8]",
                    "call rax",
                    "mov [rbp - 16], rax",
                    "mov edi, {number}",
                    "mov rsi, rax",
                    "mov rdx, [rbp - 8]",
                    "lea rcx, [rbp + 8]",
                    "mov r8, [rbp]",
                    "call {left}",
                    "mov rax, [rbp - 16]",
                    "leave",
                    ".cfi_def_cfa rsp, 8",
                    "ret",
                    ".cfi_endproc",
                    number = const $number,
                    entered = sym entered,
                    left = sym left,
                    $($operand)*
                )
            }
        )*
        static NEWS: &[(elf::Name, Op)] = &[$((c_name($symbol), Op::$op),)*];
    };
}

macro_rules! operator_delete {
    (@bytes unsized) => { "mov qword ptr [rax + {bytes}], -1" };
    (@bytes sized) => { "mov qword ptr [rax + {bytes}], rsi" };
    ($($name:ident = $number:literal, $symbol:literal, $sized:ident;)*) => {
        $(
            /// An operator delete.
            ///
            /// # Safety
            /// As the C++ library's function of this name.
            #[unsafe(naked)]
            #[unsafe(export_name = $symbol)]
            pub unsafe extern "C" fn $name() {
                naked_asm!(
                    ".cfi_startproc",
                    "mov r11, qword ptr [rip + {hot} + {direct}]",
                    "test r11, r11",
                    "je 2f",
                    "test rdi, rdi",
                    "je 3f",
                    "mov rax, qword ptr [rip + memtrace_thread_word@GOTTPOFF]",
                    "mov rax, qword ptr fs:[rax]",
                    "test rax, rax",
                    // The thread's first call.
                    "je 2f",
                    // One that another operator delete calls: that one knows more.
                    "cmp qword ptr [rax + {address}], rdi",
                    "je 3f",
                    "mov qword ptr [rax + {address}], rdi",
                    operator_delete!(@bytes $sized),
                    "mov dword ptr [rax + {family}], {family_value}",
                    "mov dword ptr [rax + {operator}], {number}",
                    "3:",
                    "jmp r11",
                    "2:",
                    "push rdi",
                    ".cfi_adjust_cfa_offset 8",
                    "push rsi",
                    ".cfi_adjust_cfa_offset 8",
                    "push rdx",
                    ".cfi_adjust_cfa_offset 8",
                    "mov r8, rsi",
                    "mov rsi, rdi",
                    "mov edi, {number}",
                    "lea rdx, [rsp + 24]",
                    "mov rcx, rbp",
                    "call {deleting}",
                    "pop rdx",
                    ".cfi_adjust_cfa_offset -8",
                    "pop rsi",
                    ".cfi_adjust_cfa_offset -8",
                    "pop rdi",
                    ".cfi_adjust_cfa_offset -8",
                    "jmp rax",
                    ".cfi_endproc",
                    hot = sym HOT,
                    direct = const DELETES_AT + $number * size_of::<U64>(),
                    address = const EXPECTED_AT + offset_of!(Expected, address),
                    bytes = const EXPECTED_AT + offset_of!(Expected, bytes),
                    family = const EXPECTED_AT + offset_of!(Expected, family),
                    family_value = const Releaser::delete($number).family(),
                    operator = const EXPECTED_AT + offset_of!(Expected, number),
                    number = const $number,
                    deleting = sym deleting,
                )
            }
        )*
        static DELETES: &[elf::Name] = &[$(c_name($symbol),)*];
    };
}

operator_new! {
    new = 0, New, "_Znwm",
        // Left by a jump where that is known to lead to malloc; not for 0 bytes, for which it asks for one.
        ["mov r11, qword ptr [rip + {hot} + {direct}]", "test r11, r11", "je 2f", "test rdi, rdi", "je 2f", "jmp r11", "2:"],
        [hot = sym HOT, direct = const DIRECT_AT,];
    new_array = 1, NewArray, "_Znam", [], [];
    new_nothrow = 2, New, "_ZnwmRKSt9nothrow_t", [], [];
    new_array_nothrow = 3, NewArray, "_ZnamRKSt9nothrow_t", [], [];
    new_aligned = 4, NewAligned, "_ZnwmSt11align_val_t", [], [];
    new_array_aligned = 5, NewArrayAligned, "_ZnamSt11align_val_t", [], [];
    new_aligned_nothrow = 6, NewAligned, "_ZnwmSt11align_val_tRKSt9nothrow_t", [], [];
    new_array_aligned_nothrow = 7, NewArrayAligned, "_ZnamSt11align_val_tRKSt9nothrow_t", [], [];
}

operator_delete! {
    delete = 0, "_ZdlPv", unsized;
    delete_array = 1, "_ZdaPv", unsized;
    delete_nothrow = 2, "_ZdlPvRKSt9nothrow_t", unsized;
    delete_array_nothrow = 3, "_ZdaPvRKSt9nothrow_t", unsized;
    delete_sized = 4, "_ZdlPvm", sized;
    delete_array_sized = 5, "_ZdaPvm", sized;
    delete_aligned = 6, "_ZdlPvSt11align_val_t", unsized;
    delete_array_aligned = 7, "_ZdaPvSt11align_val_t", unsized;
    delete_sized_aligned = 8, "_ZdlPvmSt11align_val_t", sized;
    delete_array_sized_aligned = 9, "_ZdaPvmSt11align_val_t", sized;
    delete_aligned_nothrow = 10, "_ZdlPvSt11align_val_tRKSt9nothrow_t", unsized;
    delete_array_aligned_nothrow = 11, "_ZdaPvSt11align_val_tRKSt9nothrow_t", unsized;
}

/// A symbol with the NUL that C wants; the strings above have none, so it is added at compile time.
const fn c_name(symbol: &'static str) -> elf::Name {
    match symbol.as_bytes() {
        b"_Znwm" => c"_Znwm",
        b"_Znam" => c"_Znam",
        b"_ZnwmRKSt9nothrow_t" => c"_ZnwmRKSt9nothrow_t",
        b"_ZnamRKSt9nothrow_t" => c"_ZnamRKSt9nothrow_t",
        b"_ZnwmSt11align_val_t" => c"_ZnwmSt11align_val_t",
        b"_ZnamSt11align_val_t" => c"_ZnamSt11align_val_t",
        b"_ZnwmSt11align_val_tRKSt9nothrow_t" => c"_ZnwmSt11align_val_tRKSt9nothrow_t",
        b"_ZnamSt11align_val_tRKSt9nothrow_t" => c"_ZnamSt11align_val_tRKSt9nothrow_t",
        b"_ZdlPv" => c"_ZdlPv",
        b"_ZdaPv" => c"_ZdaPv",
        b"_ZdlPvRKSt9nothrow_t" => c"_ZdlPvRKSt9nothrow_t",
        b"_ZdaPvRKSt9nothrow_t" => c"_ZdaPvRKSt9nothrow_t",
        b"_ZdlPvm" => c"_ZdlPvm",
        b"_ZdaPvm" => c"_ZdaPvm",
        b"_ZdlPvSt11align_val_t" => c"_ZdlPvSt11align_val_t",
        b"_ZdaPvSt11align_val_t" => c"_ZdaPvSt11align_val_t",
        b"_ZdlPvmSt11align_val_t" => c"_ZdlPvmSt11align_val_t",
        b"_ZdaPvmSt11align_val_t" => c"_ZdaPvmSt11align_val_t",
        b"_ZdlPvSt11align_val_tRKSt9nothrow_t" => c"_ZdlPvSt11align_val_tRKSt9nothrow_t",
        b"_ZdaPvSt11align_val_tRKSt9nothrow_t" => c"_ZdaPvSt11align_val_tRKSt9nothrow_t",
        _ => c"",
    }
}

/// Whether the program has an operator of its own, which comes before ours: then new and delete may be of two families.
pub fn are_replaced() -> bool {
    let names = NEWS.iter().map(|&(name, _)| name).chain(DELETES.iter().copied());
    names.into_iter().any(|name| real::before(name).is_some())
}

/// Real operators by number: the address, and the modules' generation when it was found.
struct Found {
    address: U64,
    generation: U64,
}

static NEW_FOUND: [Found; 8] = [const { Found { address: U64::new(0), generation: U64::new(0) } }; 8];
static DELETE_FOUND: [Found; 12] = [const { Found { address: U64::new(0), generation: U64::new(0) } }; 12];

/// Where `HOT` has the address that a plain operator new jumps to.
const DIRECT_AT: usize = core::mem::offset_of!(Hot, operator.direct);
/// Where it has those that the operators delete jump to.
const DELETES_AT: usize = core::mem::offset_of!(Hot, operator.deletes);

/// The real operator. It is looked for again when a module went: libstdc++ may have come and gone with a plug-in.
#[inline(always)]
fn real_operator(found: Option<&Found>, name: Option<elf::Name>) -> usize {
    let (Some(found), Some(name)) = (found, name) else { return 0 };
    let generation = HOT.generation.acquire();
    if found.generation.acquire() == generation {
        return found.address.get() as usize;
    }
    look(found, name, generation)
}

#[cold]
fn look(found: &Found, name: elf::Name, generation: u64) -> usize {
    let next = real::next(name);
    let address = next.map_or(0, |(address, _)| address);
    let is_sampling = HOT.mode.get() == SAMPLING;
    if let Some((_, map)) = next
        && is_cpp_library(map)
        && let Some((start, bytes)) = elf::extent(map, name)
    {
        let delete = DELETE_FOUND.iter().position(|place| core::ptr::eq(place, found));
        if name == c"_Znwm" {
            HOT.operator.set(start as u64, (start + bytes) as u64);
            if is_sampling {
                HOT.operator.direct.publish(start as u64);
            }
        } else if let Some(number) = delete {
            HOT.operator.set_delete(number, start as u64, is_sampling);
        }
    }
    found.address.set(address as u64);
    if address != 0 {
        found.generation.publish(generation);
    }
    address
}

/// Whether a module is a C++ library whose operators call malloc and nothing else that counts.
fn is_cpp_library(map: &LinkMap) -> bool {
    let path = map.path().to_bytes();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    [&b"libstdc++.so."[..], b"libc++.so.", b"libc++abi.so."].iter().any(|known| name.starts_with(known))
}

/// An operator new was called: where from, and which one is the real one.
extern "C" fn entered(number: u32, sp: u64, bp: u64, bytes: usize) -> usize {
    let place = number as usize;
    let operator = NEWS.get(place);
    let entry = Entry { sp, bp };
    if inside::is_active()
        && let (Some(&(_, op)), Some(inside)) = (operator, inside::enter(entry))
    {
        let left = inside.left().get();
        HOT.operator_entered(inside.body, Pending { entry, op, bytes: bytes as u64, left });
    }
    match real_operator(NEW_FOUND.get(place), operator.map(|&(name, _)| name)) {
        0 => missing as *const () as usize,
        address => address,
    }
}

/// The real operator has returned a block, or NULL from a nothrow form.
extern "C" fn left(number: u32, block: *mut c_void, bytes: usize, sp: u64, bp: u64) {
    let (true, Some(&(_, op))) = (inside::is_active(), NEWS.get(number as usize)) else { return };
    let entry = Entry { sp, bp };
    if let Some(inside) = inside::enter(entry) {
        HOT.operator_left(inside, entry, block as u64, bytes as u64, op);
    }
}

/// An operator delete was called; the real one follows.
extern "C" fn deleting(number: u32, block: *mut c_void, sp: u64, bp: u64, second: u64) -> usize {
    let place = number as usize;
    if !block.is_null() {
        let by = Releaser::delete(number);
        let given = if by.is_sized() { second } else { ANY };
        if frees::delete(Release { entry: Entry { sp, bp }, by, given }, block, number) == Next::Keep {
            return nothing as *const () as usize;
        }
    }
    match real_operator(DELETE_FOUND.get(place), DELETES.get(place).copied()) {
        0 => crate::hooks::free as *const () as usize,
        address => address,
    }
}

/// In place of an operator delete whose block is kept back.
extern "C" fn nothing() {}

/// No module has this operator: nobody could have linked against it but us, so it is malloc.
extern "C" fn missing(bytes: usize) -> *mut c_void {
    real::malloc(bytes)
}
