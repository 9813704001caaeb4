// The same for a block so large that it is a mapping, and for one in another thread's heap.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: differs: it knows the blocks too, which nothing holds
// valgrind 2012: indirect
// valgrind 3004: indirect
#include "parts/threads.h"
#include <dlfcn.h>

static void *(*real)(size_t);

static APART hidden take_unseen(size_t bytes) {
    return hide_new(real(bytes), bytes);
}

static void *body(void *nothing) {
    put_in(take_unseen(5004), 2400, take(3004));
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

int main(void) {
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    CHECK(libc != NULL);
    real = (void *(*)(size_t))dlsym(libc, "malloc");
    CHECK(real != NULL);
    put_in(take_unseen(1000012), 800000, take(HELD));
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}
