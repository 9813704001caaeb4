//! The argument registers of a function that is looked at and then left by a jump: kept on the stack, and given back.
//!
//! Functions with any number and kind of arguments pass: rax has the number of vector registers that are in use
//! (System V ABI for x86-64, 3.5.7), and those are not touched.

/// Assembly that keeps the argument registers: 56 bytes on the stack.
#[macro_export]
macro_rules! keep_arguments {
    () => {
        "push rdi
        .cfi_adjust_cfa_offset 8
        push rsi
        .cfi_adjust_cfa_offset 8
        push rdx
        .cfi_adjust_cfa_offset 8
        push rcx
        .cfi_adjust_cfa_offset 8
        push r8
        .cfi_adjust_cfa_offset 8
        push r9
        .cfi_adjust_cfa_offset 8
        push rax
        .cfi_adjust_cfa_offset 8"
    };
}

/// Assembly that gives them back.
#[macro_export]
macro_rules! give_arguments {
    () => {
        "pop rax
        .cfi_adjust_cfa_offset -8
        pop r9
        .cfi_adjust_cfa_offset -8
        pop r8
        .cfi_adjust_cfa_offset -8
        pop rcx
        .cfi_adjust_cfa_offset -8
        pop rdx
        .cfi_adjust_cfa_offset -8
        pop rsi
        .cfi_adjust_cfa_offset -8
        pop rdi
        .cfi_adjust_cfa_offset -8"
    };
}
