// Of a lost cycle one block is definitely lost and the others are indirectly lost; a block that points to itself is
// definitely lost; a cycle that is held is held whole.
// expect 108: definite
// expect 124: definite, indirect
// expect 140: definite, indirect 2
// expect 156: reachable 3
// valgrind: same
#include "parts/ring.h"

static void *volatile root;

int main(void) {
    ring(108, 1);
    ring(124, 2);
    ring(140, 3);
    put(&root, ring(156, 3));
    clobber();
    return 0;
}
