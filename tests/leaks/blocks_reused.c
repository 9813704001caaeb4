// A freed block's memory is used again, in part, by a block that is held: what stands in the rest holds nothing.
// expect 108: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static void *volatile root, *volatile freed;

int main(void) {
    put(&freed, take(3004));
    put_in(hide(freed), 1600, take(LOST));
    lose(44);
    drop(&freed);
    // With glibc it lies where the old one began.
    put(&root, take(108));
    clobber();
    return 0;
}
