// A thread-local variable of a library that was loaded by dlopen holds: libc makes its memory at the first use.
// expect 2012: reachable
// expect 1004: definite
// library: tls.so parts/tls.c
// valgrind: same
#include "parts/dynamic.h"

int main(void) {
    void *library = load("./tls.so");
    hold(library, "hold_in_tls", take(LOST));
    hold(library, "hold_in_tls", take(HELD));
    clobber();
    return 0;
}
