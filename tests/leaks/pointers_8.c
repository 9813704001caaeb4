// Case 8: root → inside of AAA → inside of BBB.
// expect 3004: possible
// expect 1004: possible
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    hidden a = take(3004);
    put_in(a, 16, inside(take(LOST), 96));
    put(&root, inside(a, 96));
    clobber();
    return 0;
}
