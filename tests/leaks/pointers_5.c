// Case 5: root → inside of BBB.
// expect 1004: possible
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    put(&root, inside(take(LOST), 96));
    clobber();
    return 0;
}
