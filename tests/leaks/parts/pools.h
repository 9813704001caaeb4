// A pool of the program's own, of which memtrace and valgrind are told, where they are there.
#ifndef MEMTRACE_LEAKS_POOLS_H
#define MEMTRACE_LEAKS_POOLS_H
#include "announced.h"
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_CREATE_MEMPOOL(pool, zone, zeroed) ((void)(pool))
#define VALGRIND_MEMPOOL_ALLOC(pool, block, bytes) ((void)(pool), (void)(block), (void)(bytes))
#define VALGRIND_MEMPOOL_FREE(pool, block) ((void)(pool), (void)(block))
#define VALGRIND_DESTROY_MEMPOOL(pool) ((void)(pool))
#endif

void memtrace_pool_alloc(const void *pool, const void *block, size_t size) WEAK;
void memtrace_pool_free(const void *pool, const void *block) WEAK;
void memtrace_pool_destroy(const void *pool) WEAK;

// Stands for the pool.
static UNUSED int the_pool;

static __attribute__((constructor, unused)) void begin_pool(void) {
    VALGRIND_CREATE_MEMPOOL(&the_pool, 0, 1);
}

// A block of so many bytes of the pool, at this place of a chunk.
static APART hidden give(hidden chunk, size_t offset, size_t bytes) {
    char *block = (char *)reveal(chunk) + offset;
    TELL(memtrace_pool_alloc, &the_pool, block, bytes);
    VALGRIND_MEMPOOL_ALLOC(&the_pool, block, bytes);
    hidden address = hide(block);
    WIPE();
    return address;
}

static APART void take_back(hidden block) {
    TELL(memtrace_pool_free, &the_pool, reveal(block));
    VALGRIND_MEMPOOL_FREE(&the_pool, reveal(block));
    WIPE();
}

static APART void end_pool(void) {
    TELL(memtrace_pool_destroy, &the_pool);
    VALGRIND_DESTROY_MEMPOOL(&the_pool);
    WIPE();
}

#endif
