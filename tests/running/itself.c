// Checks itself while it runs, and loses one more block each time.
//
// `itself WAITING CHECKING ROUNDS`: threads that wait, and threads that check at the same time afterwards.
#include "running.h"

extern long memtrace_check_leaks(void) __attribute__((weak));
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
extern void __lsan_do_leak_check(void) __attribute__((weak));

static int never[2];
static long rounds;

static void *stay(void *nothing) {
    char byte;
    CHECK(read(never[0], &byte, 1) == 0);
    return nothing;
}

static void *check_often(void *nothing) {
    for (long i = 0; i < rounds; i++) {
        CHECK(memtrace_check_leaks() == 4);
    }
    return nothing;
}

int main(int argc, char **argv) {
    CHECK(argc == 4 && pipe(never) == 0);
    alarm(60);
    if (memtrace_check_leaks == NULL) {
        printf("without memtrace\n");
        return 3;
    }
    // In its buffer until the end.
    printf("with memtrace\n");
    pthread_t threads[64];
    int waiting = atoi(argv[1]), checking = atoi(argv[2]), count = 0;
    rounds = atol(argv[3]);
    for (int i = 0; i < waiting; i++) {
        start_thread(stay, NULL);
    }
    usleep(20000);
    for (int i = 0; i < 4; i++) {
        errno = E2BIG;
        long found = memtrace_check_leaks();
        int any = __lsan_do_recoverable_leak_check();
        __lsan_do_leak_check();
        CHECK(errno == E2BIG);
        printf("found %ld, any %d\n", found, any);
        lose(LOST);
    }
    for (int i = 0; i < checking; i++) {
        threads[count++] = start_thread(check_often, NULL);
    }
    for (int i = 0; i < count; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
    return 3;
}
