// Pools in memory that is no block, an array here: it is a root, but not where a pool has given it away.
// expect 2012: reachable
// expect 1004: definite
// expect 804: indirect
// expect 708: reachable
// valgrind: differs: to it all of an array is a root
// valgrind 804: reachable
#include "parts/pools.h"

static char array[20000] __attribute__((aligned(16)));
static void *volatile held;

int main(void) {
    hidden chunk = hide(array), lost = give(chunk, 64, LOST);
    put(&held, give(chunk, 4000, HELD));
    put_in(lost, 8, take(804));
    put_in(chunk, 16000, take(708));
    clobber();
    return 0;
}
