// A block so large that malloc maps memory for it alone is a block, no mapping of the program's: lost, it holds only
// as a lost block does.
// expect 4000012: definite
// expect 1004: indirect
// expect 5000012: reachable
// expect 2012: reachable
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    hidden held = take(5000012);
    put(&root, held);
    put_in(held, 4000000, take(HELD));
    put_in(take(4000012), 3000000, take(LOST));
    clobber();
    return 0;
}
