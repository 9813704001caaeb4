// One function calls itself 60 times and allocates at each level: that is one way, folded.
// expect: clean-error
#include "parts/say.h"

static APART int level(int depth) {
    void *block = malloc(16);
    int status = block == NULL || (depth > 0 && level(depth - 1) != 0) ? -1 : 0;
    free(block);
    return status;
}

int main(void) {
    if (level(60) != 0) {
        return sorry();
    }
    say(1, "done\n");
    return 0;
}
