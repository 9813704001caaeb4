// Blocks of about 100 bytes that are kept, then freed in random order; or lists that grow by realloc.
// usage: live BLOCKS [ROUNDS] | live realloc LISTS
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALONE __attribute__((noinline, noclone))

static volatile int after;
static unsigned long state = 12345;

static unsigned long next(void) {
    state = state * 6364136223846793005ul + 1442695040888963407ul;
    return state >> 33;
}

// 100 sites, 4 frames deep.
#define TEN(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9)
#define LEAF(n) ALONE static void *leaf##n(size_t size) { void *p = malloc(size); after = n; return p; }
TEN(LEAF)
static void *(*const leaves[])(size_t) = {leaf0, leaf1, leaf2, leaf3, leaf4, leaf5, leaf6, leaf7, leaf8, leaf9};
#define TOP(n) ALONE static void *top##n(size_t size, int leaf) { void *p = leaves[leaf](size); after = n; return p; }
TEN(TOP)
static void *(*const tops[])(size_t, int) = {top0, top1, top2, top3, top4, top5, top6, top7, top8, top9};

static void keep(long blocks) {
    char **all = malloc(blocks * sizeof *all);
    for (long i = 0; i < blocks; i++) {
        unsigned long random = next();
        all[i] = tops[random % 10](64 + random / 100 % 73, random / 10 % 10);
        // Touched whole, as blocks in use are.
        memset(all[i], 1, 64);
    }
    for (long i = blocks - 1; i > 0; i--) {
        long other = next() % (i + 1);
        char *held = all[i];
        all[i] = all[other];
        all[other] = held;
    }
    for (long i = 0; i < blocks; i++)
        free(all[i]);
    free(all);
}

static void grow(long lists) {
    enum { TOGETHER = 64 };
    char *list[TOGETHER] = {0};
    for (long i = 0; i < lists; i += TOGETHER) {
        size_t size = 16;
        for (int step = 0; step < 20; step++, size += size / 2)
            for (int j = 0; j < TOGETHER; j++) {
                list[j] = realloc(list[j], size);
                list[j][size - 1] = 1;
            }
        for (int j = 0; j < TOGETHER; j++) {
            free(list[j]);
            list[j] = NULL;
        }
    }
}

int main(int count, char **words) {
    if (count < 2)
        return 2;
    if (!strcmp(words[1], "realloc")) {
        grow(count > 2 ? atol(words[2]) : 0);
        return 0;
    }
    for (long rounds = count > 2 ? atol(words[2]) : 1; rounds > 0; rounds--)
        keep(atol(words[1]));
    return 0;
}
