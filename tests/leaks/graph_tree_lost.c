// A tree of 1,000,000 nodes that nothing holds: its root is definitely lost, all else indirectly.
// expect 44: definite, indirect 999999
// expect 2012: reachable
// valgrind: not asked: its heap lies so low that hashes in ld.so's tables look like addresses of nodes
#include "parts/tree.h"

static void *volatile held;

int main(void) {
    tree(44);
    put(&held, take(HELD));
    clobber();
    return 0;
}
