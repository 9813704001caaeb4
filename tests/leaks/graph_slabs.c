// Sixteen slabs of 4 MiB in a row, each full of pointers into itself and with the next one's address at its end; below
// the last stand blocks of 400 sites. Each way from a root leads through all slabs, which are not to be read again for
// each of them.
// env: MEMTRACE_DEADLINE=6
// expect 1004: definite
// expect 48: reachable 400
// expect 4194304: reachable 16
// valgrind: not asked: the pointers into the slabs take it minutes
#include "leaks.h"

enum { SLABS = 16, SITES = 400 };
#define SLAB_BYTES ((size_t)4 << 20)

static char *volatile root;

// Another depth is another site.
__attribute__((noinline)) static void fill(char **into, int depth) {
    if (depth == 0) {
        *into = malloc(48);
        return;
    }
    fill(into, depth - 1);
    __asm__ volatile("" ::: "memory");
}

int main(void) {
    char *slab = NULL, *below = NULL;
    for (int i = 0; i < SLABS; i++) {
        slab = malloc(SLAB_BYTES);
        char **words = (char **)(void *)slab;
        size_t count = SLAB_BYTES / sizeof *words;
        for (size_t word = 0; word < count; word++) words[word] = slab + 32 + word % 4096 * 8;
        if (below == NULL) {
            for (int site = 0; site < SITES; site++) fill(&words[count - 2 - (size_t)site], site / 4);
        }
        words[count - 1] = below;
        below = slab;
    }
    root = slab;
    slab = below = NULL;
    hidden lost = take(LOST);
    (void)lost;
    clobber();
    return 0;
}
