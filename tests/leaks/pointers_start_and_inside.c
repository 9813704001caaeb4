// One pointer to the start outweighs others to the inside; a lost holder outweighs nothing.
// expect 2012: reachable
// expect 1004: possible
// expect 3004: definite
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    static void *volatile more[2];
    hidden held = take(HELD), lost = take(LOST), holder = take(3004);
    put(&root, held);
    put(&more[0], inside(held, 96));
    put(&more[1], inside(lost, 96));
    put_in(holder, 16, held);
    put_in(holder, 24, lost);
    clobber();
    return 0;
}
