// Case 9: nothing → AAA → inside of BBB.
// expect 3004: definite
// expect 1004: indirect
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    put_in(take(3004), 16, inside(take(LOST), 96));
    clobber();
    return 0;
}
