// Memory of the heap whose blocks memtrace does not know (got through a malloc that was looked up in libc itself)
// holds, whoever holds it.
// expect 2012: reachable
// expect 1004: definite
// valgrind: differs: it knows the block too, which nothing holds
// valgrind 2012: indirect
#include "leaks.h"
#include <dlfcn.h>

static void *(*real)(size_t);

static APART hidden take_unseen(size_t bytes) {
    return hide_new(real(bytes), bytes);
}

int main(void) {
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    CHECK(libc != NULL);
    real = (void *(*)(size_t))dlsym(libc, "malloc");
    CHECK(real != NULL);
    put_in(take_unseen(5004), 2400, take(HELD));
    lose(LOST);
    return 0;
}
