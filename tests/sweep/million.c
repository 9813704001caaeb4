// A million allocations at one stack are one point.
// expect: clean-error
#include "parts/say.h"

int main(void) {
    for (int i = 0; i < 1000000; i++) {
        void *block = malloc(16 + i % 64);
        if (block == NULL) {
            return sorry();
        }
        free(block);
    }
    say(1, "done\n");
    return 0;
}
