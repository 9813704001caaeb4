// A suspended coroutine on a stack of mmap's: its frames hold.
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "parts/coroutine.h"
#include <sys/mman.h>

static hidden block;

static void body(void) {
    void *volatile locals[8] = {0};
    put(&locals[3], block);
    clobber();
    swapcontext(&to_coroutine, &to_main);
}

int main(void) {
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    CHECK(stack != MAP_FAILED);
    block = take(HELD);
    start_coroutine(hide(stack), body);
    forget_coroutine();
    lose(LOST);
    return 0;
}
