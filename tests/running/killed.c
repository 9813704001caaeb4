// A program that a signal ends: its first thread loses a block and holds one, others hold one each, on their stacks.
//
// `killed outside THREADS SIGNAL`: waits for the signal; `killed itself THREADS SIGNAL`: sends it to itself.
#include "running.h"

static void *volatile held;
static volatile int planted;

static void *hold(void *unused) {
    (void)unused;
    void *volatile own;
    put(&own, take(3020));
    __atomic_add_fetch(&planted, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        pause();
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    put(&held, take(HELD));
    lose(LOST);
    int threads = atoi(argv[2]);
    for (int i = 0; i < threads; i++) {
        start_thread(hold, NULL);
    }
    while (planted < threads) {
        usleep(1000);
    }
    clobber();
    ready();
    if (!strcmp(argv[1], "itself")) {
        kill(getpid(), atoi(argv[3]));
    }
    hear();
    return 3;
}
