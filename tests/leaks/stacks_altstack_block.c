// The block that is the alternate signal stack of a live thread is held by the kernel, main thread or other.
// expect 65552: reachable
// expect 32784: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: differs: it does not ask for the alternate stack
// valgrind 65552: definite
// valgrind 32784: definite
#include "parts/threads.h"
#include <signal.h>

static APART void use(hidden block, size_t bytes) {
    stack_t stack = {.ss_sp = reveal(block), .ss_size = bytes};
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static void *body(void *nothing) {
    use(take(32784), 32768);
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

int main(void) {
    use(take(65552), 65536);
    clobber();
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}
