// A tree of 1,000,000 nodes is held by its root.
// expect 44: reachable 1000000
// expect 1004: definite
// valgrind: same
#include "parts/tree.h"

static void *volatile root;

int main(void) {
    put(&root, tree(44));
    lose(LOST);
    return 0;
}
