// Case 4: nothing → AAA → BBB.
// expect 3004: definite
// expect 1004: indirect
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    put_in(take(3004), 16, take(LOST));
    clobber();
    return 0;
}
