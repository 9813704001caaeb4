// Blocks of 0 bytes are blocks: held by a pointer to their address, lost without.
// expect 0: reachable, definite
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART hidden take_nothing(void) {
    hidden address = hide(malloc(0));
    WIPE();
    return address;
}

int main(void) {
    put(&root, take_nothing());
    hidden lost = take_nothing();
    CHECK(lost != hide(NULL));
    clobber();
    return 0;
}
