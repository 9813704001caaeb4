// Case 3: nothing → BBB. The root that held it was overwritten.
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    put(&root, take(LOST));
    root = NULL;
    clobber();
    return 0;
}
