// The words of a block of a pool are its own: what only a lost block points to is lost, though the chunk is held; and a
// held block holds what it points to, blocks of the same pool too.
// expect 1004: definite
// expect 804: indirect
// expect 2012: reachable 2
// expect 708: reachable
// valgrind: same
#include "parts/pools.h"

static void *volatile chunk_held, *volatile block_held;

int main(void) {
    hidden chunk = take(9004);
    put(&chunk_held, chunk);
    hidden lost = give(chunk, 64, LOST), first = give(chunk, 2000, HELD), second = give(chunk, 5000, HELD);
    put_in(lost, 8, take(804));
    put_in(first, 16, second);
    put_in(second, 24, take(708));
    put(&block_held, first);
    clobber();
    return 0;
}
