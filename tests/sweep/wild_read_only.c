// The stand-in for a block is a constant, and it is written to.
// expect: wild-access
// expect site: main
#include "parts/say.h"

static const char empty[] = "empty";

int main(void) {
    void *block = malloc(100);
    volatile char *used = block != NULL ? (volatile char *)block : (volatile char *)(size_t)empty;
    used[0] = 1;
    free(block);
    say(1, "done\n");
    return 0;
}
