// Threads that allocate and free all the time, threads that compute, and threads that wait, beside blocks of each kind.
//
// `crowd CHURNING COMPUTING WAITING LIVE`: threads of each sort, and blocks that each churning thread has.
#include "running.h"
#include <stdatomic.h>

#define THREADS_MAX 128

static atomic_int started, is_over;
static atomic_long rounds;
static long live_max;
static void *volatile held, *volatile inner;
static int never[2];

// Holds its blocks in a table that is a block.
static void *churn(void *number) {
    unsigned random = (unsigned)(uintptr_t)number * 2654435761u + 1;
    void *volatile *table = calloc((size_t)live_max, sizeof *table);
    CHECK(table != NULL);
    atomic_fetch_add(&started, 1);
    while (!is_over) {
        random = random * 1664525u + 1013904223u;
        void *volatile *slot = &table[(random >> 8) % (unsigned)live_max];
        if (*slot == NULL) {
            *slot = malloc(100 + (random >> 20) % 64 * 16);
            memset(*slot, 0, 100);
        } else if (random >> 30 == 0) {
            *slot = realloc(*slot, 100 + (random >> 20) % 128 * 16);
        } else {
            void *old = *slot;
            *slot = NULL;
            free(old);
        }
        atomic_fetch_add(&rounds, 1);
    }
    for (long i = 0; i < live_max; i++) {
        free(table[i]);
    }
    free((void *)table);
    return NULL;
}

// Holds a block in a register alone.
static void *compute(void *nothing) {
    hidden address = take(HELD);
    atomic_fetch_add(&started, 1);
    clobber();
    __asm__ volatile("mov %0, %%r13; not %%r13; movq $0, %0\n"
                     "1: pause; cmpl $0, %1; je 1b\n"
                     "not %%r13; mov %%r13, %0"
                     : "+m"(address)
                     : "m"(is_over)
                     : "r13", "cc", "memory");
    free(reveal(address));
    return nothing;
}

// Holds a block on its stack.
static void *stay(void *nothing) {
    void *volatile slot = NULL;
    char byte;
    put(&slot, take(3004));
    atomic_fetch_add(&started, 1);
    CHECK(read(never[0], &byte, 1) == 0);
    free(slot);
    return nothing;
}

static APART void plant(void) {
    for (int i = 0; i < 10; i++) {
        lose(LOST);
    }
    put(&inner, inside(take(5020), 1000));
    put(&held, take(4012));
}

int main(int argc, char **argv) {
    static void *(*const bodies[])(void *) = {churn, compute, stay};
    pthread_t threads[THREADS_MAX];
    int count = 0;
    CHECK(argc == 5 && pipe(never) == 0);
    live_max = atol(argv[4]);
    plant();
    for (int sort = 0; sort < 3; sort++) {
        for (int number = atoi(argv[1 + sort]); number > 0; number--) {
            CHECK(count < THREADS_MAX);
            threads[count] = start_thread(bodies[sort], (void *)(uintptr_t)count);
            count++;
        }
    }
    while (started < count) {
        usleep(1000);
    }
    clobber();
    ready();
    CHECK(hear() == 'e');
    is_over = 1;
    close(never[1]);
    for (int i = 0; i < count; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    SAY("rounds %ld\n", (long)rounds);
    return 3;
}
