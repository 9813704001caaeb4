// A realloc that failed is taken for one that did not: the block is too small for what is written next.
// expect: heap-corruption
// expect: clean-error
// expect failed: grow
#include "parts/say.h"

static APART char *grow(char *block, size_t size) {
    char *grown = realloc(block, size);
    return grown != NULL ? grown : block;
}

int main(void) {
    char *block = malloc(2000);
    char *neighbour = malloc(2000);
    if (block == NULL || neighbour == NULL) {
        free(block);
        free(neighbour);
        return sorry();
    }
    block = grow(block, 3000);
    memset(block, 'x', 3000);
    free(neighbour);
    free(block);
    say(1, "done\n");
    return 0;
}
