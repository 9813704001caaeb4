// A block that realloc made smaller holds by what is left, one that realloc moved holds from its new place.
// expect 204: reachable
// expect 100012: reachable
// expect 2012: reachable 2
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static void *volatile shrunk, *volatile moved;

static APART void resize(void *volatile *slot, size_t bytes) {
    *slot = realloc(*slot, bytes);
    CHECK(*slot != NULL);
    clobber();
}

int main(void) {
    put(&shrunk, take(3004));
    put_in(hide(shrunk), 160, take(HELD));
    put_in(hide(shrunk), 1600, take(LOST));
    resize(&shrunk, 204);
    put(&moved, take(3004));
    lose(44);
    put_in(hide(moved), 1600, take(HELD));
    resize(&moved, 100012);
    clobber();
    return 0;
}
