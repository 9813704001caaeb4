// Case 2: root → AAA → BBB.
// expect 3004: reachable
// expect 2012: reachable
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    hidden a = take(3004);
    put_in(a, 16, take(HELD));
    put(&root, a);
    clobber();
    return 0;
}
