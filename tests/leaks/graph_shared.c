// A block that two lost blocks point to is indirectly lost, once; one that a lost and a held block point to is held.
// expect 60: definite 2
// expect 76: indirect
// expect 92: reachable
// expect 108: reachable
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    hidden one = take(60), other = take(60), held = take(92), shared = take(76), reached = take(108);
    put_in(one, 16, shared);
    put_in(other, 16, shared);
    put_in(other, 24, reached);
    put_in(held, 16, reached);
    put(&root, held);
    clobber();
    return 0;
}
