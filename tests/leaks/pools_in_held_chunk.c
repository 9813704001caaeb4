// A chunk that is held holds no block that a pool gave from it: the program must have kept that. What is left of the
// chunk, 8,004 bytes less those of the blocks, is its own.
// expect 2012: reachable
// expect 1004: definite
// expect 308: none
// expect 4988: reachable
// valgrind: differs: a chunk with blocks of a pool is no block to it
// valgrind 4988: none
#include "parts/pools.h"

static void *volatile chunk_held, *volatile block_held;

int main(void) {
    hidden chunk = take(8004);
    put(&chunk_held, chunk);
    put(&block_held, give(chunk, 64, HELD));
    (void)give(chunk, 4000, LOST);
    take_back(give(chunk, 6000, 308));
    clobber();
    return 0;
}
