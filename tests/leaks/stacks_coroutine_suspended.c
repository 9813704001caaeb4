// A suspended coroutine whose stack is a block: who holds the block holds what the coroutine's frames point to.
// expect 131084: reachable
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "parts/coroutine.h"

static void *volatile held;
static hidden block;

static void body(void) {
    void *volatile locals[8] = {0};
    put(&locals[3], block);
    clobber();
    swapcontext(&to_coroutine, &to_main);
}

int main(void) {
    hidden stack = take(STACK + 12);
    block = take(HELD);
    put(&held, stack);
    start_coroutine(stack, body);
    forget_coroutine();
    clobber();
    lose(LOST);
    return 0;
}
