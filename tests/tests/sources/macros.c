/* Each macro of memtrace.h that allocates, once; what they give is looked at, and some of it is kept. */
#include <stdio.h>

static unsigned int refused;

static void out_of_memory(size_t bytes, const char *file, unsigned int line) {
    (void)file;
    if (bytes > 0 && line > 0) refused++;
}

#define MEMTRACE_ON_OOM MEMTRACE_ON_OOM_CALL(out_of_memory)
#include "memtrace.h"

typedef struct pair {
    int left, right;
} pair_t;

static int evaluated;

static size_t once(size_t value) {
    evaluated++;
    return value;
}

static void *kept[16];
static int count;

static void keep(void *block) { kept[count++] = block; }

static void all(void) {
    const char *text = NULL;
    char *copy;
    pair_t *pair;
    unsigned char *bytes;
    int place;
    keep(SAFE_MALLOC(once(11), pair_t *));
    keep(SAFE_CALLOC(once(3), once(4), int *));
    bytes = SAFE_REALLOC(NULL, once(13), unsigned char *);
    keep(SAFE_REALLOC(bytes, once(1300), unsigned char *));
    keep(SAFE_MALLOC_ALIGNED(once(100), once(64), float *));
    keep(SAFE_MALLOC_SIMD(once(17), float *));
    bytes = SAFE_CALLOC_SIMD(once(2), once(9), unsigned char *);
    for (place = 0; place < 18; place++) {
        if (bytes[place] != 0) printf("not zero\n");
    }
    keep(bytes);
    SAFE_STRDUP(copy, "a text");
    keep(copy);
    SAFE_STRDUP(copy, text);
    text = SAFE_MALLOC(21, const char *);
    printf("%d evaluated, %d, ", evaluated, copy == NULL);
    SAFE_FREE(text);
    SAFE_FREE(text);
    printf("%d freed, ", text == NULL);
    keep(UNTRACKED_MALLOC(22, void *));
    UNTRACKED_FREE(kept[count - 1]);
    keep(MEMTRACE_MALLOC_SIZE(31));
    keep(MEMTRACE_MALLOC_SIZE_CAST(32, pair_t *));
    MEMTRACE_MALLOC_PTR_SIZE(pair, 33);
    keep(pair);
    MEMTRACE_MALLOC_PTR_TYPE_COUNT(pair, pair_t, 5);
    keep(pair);
    keep(MEMTRACE_MALLOC_TYPE_COUNT(pair_t, 6));
    pair = MEMTRACE_MALLOC_TYPE_COUNT(pair_t, (size_t)-1 / 4);
    printf("%d of %u refused", pair == NULL, refused);
}

int main(int argc, char **argv) {
    int place, aligned;
    (void)argv;
    all();
    aligned = ((uintptr_t)kept[3] % 64 == 0) + ((uintptr_t)kept[4] % 16 == 0);
    printf(", %d aligned\n", aligned);
    fflush(stdout);
    for (place = 0; place < count && argc == 1; place++) SAFE_FREE(kept[place]);
    return 0;
}
