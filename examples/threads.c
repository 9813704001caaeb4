// Named threads; blocks that another thread frees; what is left is the maker's.
// flags: -O1 -pthread
// report: --by thread
// expect: maker: 1,000 bytes in 10 blocks live at the end
// expect: allocations:
// expect: losses: none
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

enum { BLOCKS = 100, KEPT = 10 };

static void *blocks[BLOCKS];

static void *make(void *unused) {
    pthread_setname_np(pthread_self(), "maker");
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(100);
    }
    return unused;
}

static void *take(void *unused) {
    pthread_setname_np(pthread_self(), "taker");
    for (int i = KEPT; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    return unused;
}

static void run(void *(*body)(void *)) {
    pthread_t thread;
    pthread_create(&thread, NULL, body, NULL);
    pthread_join(thread, NULL);
}

int main(void) {
    run(make);
    run(take);
    return 0;
}
