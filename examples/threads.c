// Named threads; blocks that another thread frees; what is left is the maker's.
// flags: -O1 -pthread
// report: --by thread
// expect: maker (tid …): 1,000 bytes in 10 blocks live at the end
// expect: allocations: 102
// expect: frees: 90 (9,000 bytes)
// expect: losses: none
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

enum { BLOCKS = 100, KEPT = 10 };

static void *blocks[BLOCKS];
static pthread_barrier_t made;

static void *make(void *unused) {
    pthread_setname_np(pthread_self(), "maker");
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(100);
    }
    pthread_barrier_wait(&made);
    pthread_barrier_wait(&made);
    return unused;
}

static void *take(void *unused) {
    pthread_setname_np(pthread_self(), "taker");
    pthread_barrier_wait(&made);
    for (int i = KEPT; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    pthread_barrier_wait(&made);
    return unused;
}

// Both threads live at the same time; pthread_create takes a block for each, which glibc keeps.
int main(void) {
    pthread_t maker, taker;
    pthread_barrier_init(&made, NULL, 2);
    pthread_create(&maker, NULL, make, NULL);
    pthread_create(&taker, NULL, take, NULL);
    pthread_join(maker, NULL);
    pthread_join(taker, NULL);
    return 0;
}
