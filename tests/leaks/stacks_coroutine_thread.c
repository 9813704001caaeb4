// The same in another thread, which is blocked on the coroutine's stack.
// expect 131084: reachable
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: differs: the stack pointer is a pointer into the block
// valgrind 131084: possible
// valgrind 2012: possible
#include "parts/coroutine.h"
#include "parts/threads.h"

static hidden on_coroutine, on_stack, stack;

static void body(void) {
    void *volatile locals[8] = {0};
    put(&locals[3], on_coroutine);
    forget_coroutine();
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
}

static void *thread(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[3], on_stack);
    start_coroutine(stack, body);
    return (void *)locals[3];
}

int main(void) {
    on_coroutine = take(HELD);
    on_stack = take(3004);
    stack = take(STACK + 12);
    start(thread);
    wait_until_ready();
    lose(LOST);
    return 0;
}
