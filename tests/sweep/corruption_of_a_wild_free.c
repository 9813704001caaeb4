// The clean-up frees what was not allocated yet: the middle of a block.
// expect: heap-corruption
// expect: clean-error
#include "parts/say.h"

int main(void) {
    char *block = malloc(100);
    if (block == NULL) {
        return sorry();
    }
    char *part = block + 24;
    char *other = malloc(200);
    if (other == NULL) {
        free(part);
        return sorry();
    }
    free(other);
    free(block);
    say(1, "done\n");
    return 0;
}
