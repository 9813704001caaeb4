// A pointer to the byte behind a block does not hold it, one to its last byte does.
// expect 2012: possible
// expect 1004: definite
// expect 1008: definite
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    static void *volatile more[2];
    put(&root, inside(take(HELD), HELD - 1));
    put(&more[0], inside(take(LOST), LOST));
    put(&more[1], inside(take(1008), 1008));
    clobber();
    return 0;
}
