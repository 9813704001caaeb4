// A pointer at an address that is no multiple of 8 is not seen, in a global or in a block.
// expect 3004: reachable
// expect 1004: definite 2
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    static char room[32] __attribute__((aligned(8)));
    hidden block = take(3004);
    put(&root, block);
    put_in(block, 500 * 4 + 4, take(LOST));
    put(room + 4, take(LOST));
    clobber();
    return 0;
}
