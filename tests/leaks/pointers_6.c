// Case 6: root → AAA → inside of BBB.
// expect 3004: reachable
// expect 1004: possible
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    hidden a = take(3004);
    put_in(a, 16, inside(take(LOST), 96));
    put(&root, a);
    clobber();
    return 0;
}
