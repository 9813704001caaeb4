// Ends by quick_exit, which runs no atexit handler. What main holds at that moment is no leak.
// exit: 7
// env: MEMTRACE_SHOW=all
// expect: 88 bytes in 1 blocks are definitely lost
// expect: at lose (quick_exit.c:
// expect: 99 bytes in 1 blocks are still reachable
// expect: at main (quick_exit.c:
#include <stdlib.h>

static __attribute__((noinline)) void lose(void) {
    void *volatile block = malloc(88);
    block = NULL;
}

int main(void) {
    lose();
    void *volatile held = malloc(99);
    (void)held;
    quick_exit(7);
}
