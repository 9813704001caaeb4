// A pool of the program's own says what it gives and takes back: of two messages in its chunk one is kept and one is
// lost, which the chunk, though it is held, does not hide.
// flags: -O1 -fno-inline
// env: MEMTRACE_WRAPPERS=pool_take
// report: --show all
// expect: 48 bytes in 1 blocks are definitely lost
// expect: at memtrace_pool_alloc (memtrace.h:
// expect: by pool_take (pool.c:30)
// expect: by message_new (pool.c:37)
// expect: suppress: leak:^message_new$
// expect: 4,008 bytes in 1 blocks are still reachable
// expect: 40 bytes in 1 blocks are still reachable
// expect: allocations: 1 (4,096 bytes)
// expect: live at the end: 4,096 bytes (4.0 KiB) in 1 block from 1 stack
// expect: live in pools, not counted above: 88 bytes in 2 blocks
// expect: losses: none
// expect-site: pool, 48 bytes in 1 block
// expect-site: pool, 40 bytes in 1 block
#include "../shim/include/memtrace.h"

static struct {
    char *chunk;
    size_t used;
} pool;
static char *volatile kept;

static void *pool_take(size_t size) {
    char *block = pool.chunk + pool.used;
    pool.used += (size + 15) / 16 * 16;
    memtrace_pool_alloc(&pool, block, size);
    return block;
}

static void pool_give_back(void *block) { memtrace_pool_free(&pool, block); }

static void message_new(size_t size, char *volatile *owner) {
    char *message = pool_take(size);
    message[0] = 'm';
    *owner = message;
}

int main(void) {
    char *volatile lost;
    pool.chunk = malloc(4096);
    if (!pool.chunk) return 1;
    memset(pool.chunk, 0, 4096);
    message_new(40, &kept);
    message_new(48, &lost);
    pool_give_back(pool_take(56));
    lost = NULL;
    return lost != NULL;
}
