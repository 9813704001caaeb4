// The program becomes another by exec: the image before it prints nothing, the one after it is recorded anew.
// only: bare
// expect: memtrace: exec (pid
// expect: 40 bytes in 1 blocks are definitely lost
// expect: at second (exec.c:
// expect-not: at first
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept;

static __attribute__((noinline)) void first(void) {
    kept = malloc(50);
}

static __attribute__((noinline)) void second(void) {
    void *volatile lost = malloc(40);
    (void)lost;
}

int main(int argc, char **argv) {
    if (argc == 1) {
        first();
        execl(argv[0], argv[0], "again", (char *)NULL);
        return 1;
    }
    second();
    return 0;
}
