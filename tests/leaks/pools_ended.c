// A pool that ends takes its blocks along, and its chunk is a block as before; what another thread gave too.
// flags: -pthread
// expect 1004: none
// expect 2012: none
// expect 8004: reachable
// expect 4004: none
// valgrind: same
#include "parts/pools.h"

static void *volatile chunk_held;
static hidden chunk, freed;

static void *work(void *unused) {
    (void)give(chunk, 4000, HELD);
    return unused;
}

int main(void) {
    pthread_t thread;
    chunk = take(8004);
    freed = take(4004);
    put(&chunk_held, chunk);
    (void)give(chunk, 64, LOST);
    (void)give(freed, 64, LOST);
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0 && pthread_join(thread, NULL) == 0);
    end_pool();
    free(reveal(freed));
    clobber();
    return 0;
}
