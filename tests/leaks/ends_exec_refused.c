// An exec that fails leaves the process as it was: blocks are judged at its end.
// expect 2012: reachable
// expect 1004: definite
// expect 3004: none
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}

int main(int count, char **arguments) {
    void *volatile later;
    put(&later, take(3004));
    hold_and_lose();
    CHECK(execl("/nowhere/at/all", arguments[0], NULL) == -1);
    drop(&later);
    clobber();
    return 0;
}
