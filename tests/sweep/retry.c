// It tries again until there is memory.
// expect once: tolerated
// expect forever: hang-spinning
#include "parts/say.h"

int main(void) {
    void *block = NULL;
    while (block == NULL) {
        block = malloc(100);
    }
    free(block);
    say(1, "done\n");
    return 0;
}
