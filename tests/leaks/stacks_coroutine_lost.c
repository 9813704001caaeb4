// A suspended coroutine whose stack nothing holds is lost with what its frames point to.
// expect 131084: definite
// expect 1004: indirect
// expect 2012: reachable
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
    block = take(LOST);
    put(&held, take(HELD));
    start_coroutine(stack, body);
    forget_coroutine();
    clobber();
    return 0;
}
