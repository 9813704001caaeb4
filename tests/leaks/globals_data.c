// The executable's initialised data holds.
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static void *volatile held = (void *)1, *volatile overwritten = (void *)1;

int main(void) {
    put(&held, take(HELD));
    put(&overwritten, take(LOST));
    overwritten = NULL;
    clobber();
    return 0;
}
