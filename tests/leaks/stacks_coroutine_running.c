// The process ends on a coroutine's stack, a block to which nothing but the stack pointer leads: it is held, its
// frames hold, and so does the main thread's own stack.
// expect 131084: reachable
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// valgrind: differs: the stack pointer of a thread that ends the process is no root there
// valgrind 131084: definite
// valgrind 2012: indirect
#include "parts/coroutine.h"

static hidden block;

static void body(void) {
    void *volatile locals[8] = {0};
    put(&locals[3], block);
    forget_coroutine();
    lose(LOST);
    exit(0);
}

int main(void) {
    void *volatile locals[8] = {0};
    put(&locals[3], take(3004));
    block = take(HELD);
    start_coroutine(take(STACK + 12), body);
    return 1;
}
