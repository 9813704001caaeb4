// Blocks that locals of named functions hold: in the first thread, in a second one, and beyond a signal's frame.
#include "running.h"

extern long memtrace_check_leaks(void) __attribute__((weak));

static int never[2];

static APART void wait_for_letters(void) {
    for (;;) {
        switch (hear()) {
        case 'c': CHECK(memtrace_check_leaks() == 0); break;
        case 'e': exit(3);
        }
        SAY("done\n");
    }
}

static void handle(int signal) {
    (void)signal;
    ready();
    wait_for_letters();
}

static APART void parse(void) {
    void *volatile own;
    put(&own, take(1004));
    clobber();
    raise(SIGUSR1);
    CHECK(own != NULL);
}

static APART void load(void) {
    void *volatile own;
    put(&own, take(1516));
    parse();
    CHECK(own != NULL);
}

static APART void weave(void) {
    void *volatile own;
    char byte;
    put(&own, take(2012));
    clobber();
    CHECK(read(never[0], &byte, 1) == 0);
    CHECK(own != NULL);
}

static void *work(void *nothing) {
    weave();
    return nothing;
}

int main(void) {
    CHECK(pipe(never) == 0 && signal(SIGUSR1, handle) != SIG_ERR);
    start_thread(work, NULL);
    usleep(20000);
    load();
    return 0;
}
