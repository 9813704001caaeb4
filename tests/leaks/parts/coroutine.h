// A coroutine of ucontext on a stack of the program's choice.
#ifndef MEMTRACE_LEAKS_COROUTINE_H
#define MEMTRACE_LEAKS_COROUTINE_H
#include "../leaks.h"
#include <ucontext.h>

// clobber() overwrites 64 KiB.
enum { STACK = 131072 };

// They hold the stack and what its registers point to.
static ucontext_t to_main, to_coroutine;

static UNUSED void start_coroutine(hidden stack, void (*body)(void)) {
    CHECK(getcontext(&to_coroutine) == 0);
    put(&to_coroutine.uc_stack.ss_sp, stack);
    to_coroutine.uc_stack.ss_size = STACK;
    makecontext(&to_coroutine, body, 0);
    // swapcontext saves these registers, and makecontext left pointers to the stack there.
    WIPE();
    CHECK(swapcontext(&to_main, &to_coroutine) == 0);
}

// Forgets the coroutine: nothing but its stack is left of it.
static UNUSED void forget_coroutine(void) {
    memset(&to_coroutine, 0, sizeof to_coroutine);
}

#endif
