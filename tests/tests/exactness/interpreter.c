// Runs a trace of allocations, without allocating anything itself.
//
// Input: words of 32 bits. threads, then for each thread: operations, then five words each:
//   kind, slot, bytes, path, turn. A turn is waited for (0: none); kind 'b' is a barrier of all threads.
// The path is a number in base 4, behind a leading 1: each digit is a function that the call goes through.
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct operation {
    uint32_t kind, slot, bytes, path, turn;
};

enum { SLOTS = 1 << 16, THREADS_MAX = 16, INPUT_MAX = 256 << 20 };

static void *slots[SLOTS];
static uint32_t *input;
static pthread_barrier_t barrier;
static atomic_uint turn = 1;

// The compiler may not turn the call before it into a jump.
#define STAY __asm__ volatile("" ::: "memory")
#define FUNCTION __attribute__((noinline)) static void

FUNCTION act(const struct operation *operation) {
    void **slot = &slots[operation->slot];
    size_t bytes = operation->bytes;
    switch (operation->kind) {
        case 'm': *slot = malloc(bytes); break;
        case 'c': *slot = calloc(1, bytes); break;
        case 'r': *slot = realloc(*slot, bytes); break;
        case 'l': *slot = memalign(64, bytes); break;
        case 'x': if (realloc(*slot, PTRDIFF_MAX) != NULL) abort(); break;
        case 'f': free(*slot); *slot = NULL; break;
        default: abort();
    }
    STAY;
}

FUNCTION down(const struct operation *operation, uint32_t path);
FUNCTION step0(const struct operation *operation, uint32_t path) { down(operation, path); STAY; }
FUNCTION step1(const struct operation *operation, uint32_t path) { down(operation, path); STAY; }
FUNCTION step2(const struct operation *operation, uint32_t path) { down(operation, path); STAY; }
FUNCTION step3(const struct operation *operation, uint32_t path) { down(operation, path); STAY; }

FUNCTION down(const struct operation *operation, uint32_t path) {
    if (path == 1) {
        act(operation);
    } else {
        switch (path & 3) {
            case 0: step0(operation, path >> 2); break;
            case 1: step1(operation, path >> 2); break;
            case 2: step2(operation, path >> 2); break;
            default: step3(operation, path >> 2); break;
        }
    }
    STAY;
}

static void interpret(const struct operation *operation, uint32_t count) {
    for (; count != 0; count--, operation++) {
        while (operation->turn != 0 && atomic_load(&turn) != operation->turn) {
            sched_yield();
        }
        if (operation->kind == 'b') {
            pthread_barrier_wait(&barrier);
        } else {
            down(operation, operation->path);
        }
        if (operation->turn != 0) {
            atomic_fetch_add(&turn, 1);
        }
    }
}

static void *start(void *words) {
    char name[] = "w0";
    uint32_t *own = words;
    name[1] += own[1];
    pthread_setname_np(pthread_self(), name);
    pthread_barrier_wait(&barrier);
    interpret((struct operation *)(own + 2), own[0]);
    // Nobody ends, and gives its slot away, before all have worked.
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(void) {
    input = mmap(NULL, INPUT_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *at = (char *)input;
    for (ssize_t length; (length = read(0, at, 1 << 20)) > 0;) {
        at += length;
    }
    uint32_t threads = input[0], *words = input + 1;
    if (threads == 0) {
        interpret((struct operation *)(words + 2), words[0]);
        return 0;
    }
    pthread_t ids[THREADS_MAX];
    pthread_barrier_init(&barrier, NULL, threads);
    for (uint32_t number = 0; number < threads; number++) {
        pthread_create(&ids[number], NULL, start, words);
        words += 2 + words[0] * 5;
    }
    for (uint32_t number = 0; number < threads; number++) {
        pthread_join(ids[number], NULL);
    }
    return 0;
}
