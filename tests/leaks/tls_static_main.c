// Thread-local variables of the executable and of a library that it is linked with hold: the main thread's.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// library: tls.so parts/tls.c
// flags: ./tls.so -Wl,-rpath,$ORIGIN
// valgrind: same
#include "leaks.h"

void hold_in_tls(hidden address);

static __thread void *volatile held, *volatile overwritten;

int main(void) {
    put(&held, take(HELD));
    put(&overwritten, take(LOST));
    overwritten = NULL;
    hold_in_tls(take(3004));
    clobber();
    return 0;
}
