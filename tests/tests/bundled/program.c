// Each function of an allocator, in threads and in a fork child, with leaks planted. MALLOC and so on say whose they are.
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void *MALLOC(size_t);
void *CALLOC(size_t, size_t);
void *REALLOC(void *, size_t);
void *ALIGNED_ALLOC(size_t, size_t);
int POSIX_MEMALIGN(void **, size_t, size_t);
void FREE(void *);

enum { ROUNDS = 5000, THREADS = 4 };
void *volatile sink;

__attribute__((noinline)) void planted(void) {
    for (int i = 0; i < 7; i++) sink = memset(MALLOC(4321), 1, 10);
    sink = NULL;
}
__attribute__((noinline)) void moved(void) {
    for (int i = 0; i < 3; i++) sink = REALLOC(REALLOC(MALLOC(10), 20000), 2345);
    sink = NULL;
}
__attribute__((noinline)) void aligned(void) {
    void *block;
    if (POSIX_MEMALIGN(&block, 64, 777) == 0) sink = block;
    sink = ALIGNED_ALLOC(128, 256);
    sink = NULL;
}
__attribute__((noinline)) void refused(void) {
    // Too much, and to grow by too much: the block stays as it is.
    void *block = MALLOC(3333);
    sink = REALLOC(block, (size_t)1 << 60);
    if (sink == NULL) sink = block;
    block = NULL;
    sink = NULL;
}
static void *works(void *unused) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        void *one = MALLOC(i % 300 + 1), *two = CALLOC(3, i % 50 + 1), *three = ALIGNED_ALLOC(64, i % 5000 + 1);
        one = REALLOC(one, i % 1000 + 1);
        FREE(two);
        FREE(one);
        FREE(three);
    }
    return unused;
}
// Other blocks of the same sizes take the places of the planted ones in the allocator's caches.
__attribute__((noinline)) void churns(void) {
    static void *kept[500];
    for (int size = 8; size < 30000; size += size / 8 + 8) {
        for (int i = 0; i < 500; i++) kept[i] = MALLOC(size);
        for (int i = 0; i < 500; i++) FREE(kept[i]), kept[i] = NULL;
    }
}
int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(threads + i, NULL, works, NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    planted(), moved(), aligned(), refused();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        planted(), churns();
        _exit(5);
    }
    int status;
    waitpid(child, &status, 0);
    churns();
    printf("child %d\n", WEXITSTATUS(status));
    return 3;
}
