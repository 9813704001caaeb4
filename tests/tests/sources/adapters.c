/* A code base whose own macros go through ALLOC_MALLOC and its relatives, as the first reviewed one's do. */
#include <stdio.h>
#define MEMTRACE_ALLOC_MACROS
#define MEMTRACE_NO_SAFE_MACROS
#define ALLOC_MALLOC(size) a_backend_that_was_chosen_before(size)
#include "memtrace.h"

#define SAFE_MALLOC(size, cast) ((cast)ALLOC_MALLOC(size))
#define SAFE_CALLOC(count, size, cast) ((cast)ALLOC_CALLOC(count, size))
#define SAFE_REALLOC(ptr, size, cast) ((cast)ALLOC_REALLOC(ptr, size))
#define SAFE_FREE(ptr) (ALLOC_FREE(ptr), (void)((ptr) = NULL))

typedef struct pair {
    int left, right;
} pair_t;

static int evaluated;

static size_t once(size_t value) {
    evaluated++;
    return value;
}

static void *aligned_here(size_t size, const char *file, int line) {
    void *block = memtrace_aligned_alloc_(32, size);
    TRACK_ALIGNED_ALLOC(block, size, file, line);
    return block;
}

static void all(void) {
    pair_t *pair = SAFE_MALLOC(once(11), pair_t *);
    int *zeros = SAFE_CALLOC(once(3), once(4), int *);
    const char *text = SAFE_REALLOC(NULL, once(13), const char *);
    void *block = aligned_here(64, __FILE__, __LINE__);
    text = SAFE_REALLOC(text, once(1300), const char *);
    printf("%d %d %d", pair != NULL, zeros[0] + zeros[2], evaluated);
    SAFE_FREE(pair);
    SAFE_FREE(zeros);
    SAFE_FREE(text);
    SAFE_FREE(block);
    printf(" %d\n", pair == NULL && zeros == NULL && text == NULL && block == NULL);
    TRACK_ALIGNED_ALLOC(&evaluated, 4, __FILE__, __LINE__);
    TRACK_ALIGNED_ALLOC(NULL, 4, "", 0);
}

int main(void) {
    all();
    return 0;
}
