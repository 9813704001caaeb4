// 100 such libraries, so that libc has to move its table of them (dtv) to a larger block, in both threads: all hold.
// expect 2012: reachable 200
// expect 1004: definite
// library: tls.so parts/tls.c
// flags: -pthread
// valgrind: differs: the thread holds its dtv by a pointer behind the block's start, and by it all the variables
// valgrind 2012: possible 200
#include "parts/dynamic.h"
#include "parts/threads.h"
#include <fcntl.h>
#include <sys/sendfile.h>

enum { LIBRARIES = 100 };

static void *volatile libraries[LIBRARIES];

// A copy with a name of its own is a library of its own; the name goes at once.
static void *load_copy(int number) {
    char name[64];
    struct stat status;
    snprintf(name, sizeof name, "./copy-%d.so", number);
    int from = open("./tls.so", O_RDONLY | O_CLOEXEC), to = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    CHECK(from >= 0 && to >= 0 && fstat(from, &status) == 0);
    CHECK(sendfile(to, from, NULL, status.st_size) == status.st_size);
    CHECK(close(from) == 0 && close(to) == 0);
    void *library = load(name);
    CHECK(unlink(name) == 0);
    return library;
}

static APART void hold_in_all(void) {
    for (int i = 0; i < LIBRARIES; i++) {
        hold(libraries[i], "hold_in_tls", take(HELD));
    }
}

static void *body(void *nothing) {
    while (libraries[LIBRARIES - 1] == NULL) {
        usleep(1000);
    }
    hold_in_all();
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

int main(void) {
    start(body);
    for (int i = 0; i < LIBRARIES; i++) {
        libraries[i] = load_copy(i);
    }
    hold_in_all();
    wait_until_ready();
    lose(LOST);
    return 0;
}
