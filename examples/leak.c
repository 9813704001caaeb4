// A cache that drops its pages without giving them back.
// expect: 30,247 bytes in 7 blocks are definitely lost
// expect: at load_page (leak.c:13)
// expect: by fill_cache (leak.c:20)
// expect: by main (leak.c:27)
// expect: allocations: 8 (30,303 bytes)
// expect: frees: 1 (56 bytes)
// expect: live at the end: 30,247 bytes (29.5 KiB) in 7 blocks from 1 stack
// expect: losses: none
#include <stdlib.h>

static __attribute__((noinline)) char *load_page(void) {
    char *volatile page = malloc(4321);
    page[0] = 1;
    return page;
}

static __attribute__((noinline)) void fill_cache(char *volatile *cache, int pages) {
    for (int i = 0; i < pages; i++) {
        cache[i] = load_page();
    }
}

int main(int argc, char **argv) {
    (void)argv;
    char **volatile cache = calloc(7, sizeof *cache);
    fill_cache(cache, argc + 6);
    free(cache);
    return 0;
}
