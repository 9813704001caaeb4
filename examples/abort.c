// Ends by abort: the report comes first, then the signal. What main holds at that moment is no leak.
// exit: SIGABRT
// env: MEMTRACE_SHOW=all
// expect: 88 bytes in 1 blocks are definitely lost
// expect: at lose (abort.c:
// expect: 99 bytes in 1 blocks are still reachable
// expect: at main (abort.c:
#include <stdlib.h>

static __attribute__((noinline)) void lose(void) {
    void *volatile block = malloc(88);
    block = NULL;
}

int main(void) {
    lose();
    void *volatile held = malloc(99);
    (void)held;
    abort();
}
