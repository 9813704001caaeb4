// The executable's zeroed data holds, at the end of a table that is larger than a page too.
// expect 2012: reachable 2
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static void *volatile held, *volatile table[5000], *volatile overwritten;

int main(void) {
    put(&held, take(HELD));
    put(&table[4999], take(HELD));
    put(&overwritten, take(LOST));
    overwritten = NULL;
    clobber();
    return 0;
}
