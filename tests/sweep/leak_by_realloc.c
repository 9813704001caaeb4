// The result of realloc takes the place of the block that failed to grow.
// expect: leak
// expect: clean-error
// expect failed: work
#include "parts/say.h"

static APART int work(void) {
    char *block = malloc(40);
    if (block == NULL) {
        return sorry();
    }
    block = realloc(block, 4000);
    if (block == NULL) {
        return sorry();
    }
    free(block);
    return 0;
}

int main(void) {
    return work();
}
