// Whoever holds a block of a pool, by its start or inside it, holds the chunk: it cannot be freed before. A chunk that
// nobody holds is lost, and so are its blocks.
// expect 2012: reachable
// expect 5992: reachable
// expect 604: possible
// expect 3400: possible
// expect 1004: definite
// expect 6000: definite
// valgrind: differs: a chunk with blocks of a pool is no block to it
// valgrind 5992: none
// valgrind 3400: none
// valgrind 6000: none
#include "parts/pools.h"

static void *volatile held, *volatile held_inside;

int main(void) {
    hidden one = take(8004), other = take(4004), lost = take(7004);
    put(&held, give(one, 128, HELD));
    put(&held_inside, inside(give(other, 256, 604), 100));
    (void)give(lost, 0, LOST);
    clobber();
    return 0;
}
