// A heap of blocks, each held by the one before; then it waits, if it is to.
//
// `heap BLOCKS BYTES wait`, `heap BLOCKS BYTES end`.
#include "running.h"

static void *volatile first;

int main(int argc, char **argv) {
    CHECK(argc == 4);
    void *volatile *last = &first;
    for (long blocks = atol(argv[1]); blocks > 0; blocks--) {
        void *volatile *block = malloc((size_t)atol(argv[2]));
        CHECK(block != NULL);
        *block = NULL;
        *last = (void *)block;
        last = block;
    }
    lose(LOST);
    ready();
    if (!strcmp(argv[3], "wait")) {
        CHECK(hear() == 'e');
        // Without a check at the end.
        syscall(SYS_exit_group, 3);
    }
    return 3;
}
