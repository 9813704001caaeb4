/* What a program asks of memtrace: live numbers, what was lost since, regions, ignored blocks, markers and a report. */
#include <stdio.h>
#include "memtrace.h"

#define APART __attribute__((noinline))

static void *volatile held[8];
static void *volatile passing;

/* Blocks that nothing holds. */
static APART void lose(int count, size_t size) {
    while (count-- > 0) {
        passing = malloc(size);
        passing = NULL;
    }
}

static APART void *keep(int place, size_t size) {
    held[place] = malloc(size);
    return held[place];
}

/* Of three blocks of a pool one is held, one is given back and one is lost: that alone is a leak, and none is counted as
 * live; then the pool ends. */
static APART void in_pool(int64_t *since) {
    static int pool;
    const uint64_t point = memtrace_checkpoint(), blocks = memtrace_live_blocks();
    char *chunk = (char *)keep(5, 4000);
    memset(chunk, 0, 4000);
    memtrace_pool_alloc(&pool, chunk + 64, 100);
    memtrace_pool_alloc(&pool, chunk + 1024, 200);
    memtrace_pool_alloc(&pool, chunk + 2048, 300);
    held[6] = chunk + 64;
    memtrace_pool_free(&pool, chunk + 1024);
    memtrace_pool_free(&pool, chunk + 1024);
    memtrace_pool_free(NULL, chunk + 64);
    since[0] = memtrace_leaks_since(point);
    since[1] = (int64_t)(memtrace_live_blocks() - blocks);
    memtrace_pool_destroy(&pool);
    since[2] = memtrace_leaks_since(point);
    free(chunk);
    held[5] = NULL;
    held[6] = NULL;
}

static APART void in_regions(void) {
    memtrace_region_begin("outer");
    keep(1, 1001);
    memtrace_region_begin("inner region");
    keep(2, 1002);
    memtrace_region_end();
    keep(3, 1003);
    memtrace_region_end();
    keep(4, 1004);
    memtrace_region_end();
}

/* With an argument descriptor 7 is for the report. */
int main(int argc, char **argv) {
    uint64_t bytes, blocks, point, other;
    int64_t since[6];
    int report = -1;
    int descriptor = argc > 1 ? 7 : -1;
    (void)argv;
    setvbuf(stdout, NULL, _IONBF, 0);
    bytes = memtrace_live_bytes();
    blocks = memtrace_live_blocks();
    keep(0, 100);
    lose(1, 11);
    printf("live %d %d", (int)(memtrace_live_blocks() - blocks), (int)(memtrace_live_bytes() - bytes));
    free(held[0]);
    printf(" %d %d\n", (int)(memtrace_live_blocks() - blocks), (int)(memtrace_live_bytes() - bytes));
    held[0] = NULL;
    memtrace_marker("begin");
    point = memtrace_checkpoint();
    lose(3, 64);
    since[0] = memtrace_leaks_since(point);
    other = memtrace_checkpoint();
    since[1] = memtrace_leaks_since(other);
    memtrace_ignore_begin();
    lose(2, 65);
    memtrace_ignore_end();
    since[2] = memtrace_leaks_since(other);
    lose(1, 66);
    since[3] = memtrace_leaks_since(other);
    since[4] = memtrace_leaks_since(point);
    since[5] = memtrace_leaks_since(4711);
    printf("since %d %d %d %d %d %d, ids %d\n", (int)since[0], (int)since[1], (int)since[2], (int)since[3], (int)since[4],
           (int)since[5], point > 0 && other > point);
    in_pool(since);
    printf("pool %d, live %d, then %d\n", (int)since[0], (int)since[1], (int)since[2]);
    in_regions();
    memtrace_marker("end");
    if (descriptor >= 0) {
        report = memtrace_report(descriptor);
    }
    printf("report %d %d\n", report, memtrace_report(-1));
    return 0;
}
