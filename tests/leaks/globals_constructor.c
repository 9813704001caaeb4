// Blocks of constructors and of functions in .preinit_array are blocks like others.
// expect 2012: reachable 2
// expect 1004: definite 2
// valgrind: same
#include "leaks.h"

static void *volatile from_preinit, *volatile from_constructor;

static void early(void) {
    put(&from_preinit, take(HELD));
    lose(LOST);
}

__attribute__((section(".preinit_array"), used)) static void (*first)(void) = early;

static __attribute__((constructor)) void construct(void) {
    put(&from_constructor, take(HELD));
    lose(LOST);
}

int main(void) {
    clobber();
    return 0;
}
