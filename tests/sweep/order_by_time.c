// Eight allocations in an order that the clock chooses; only the one by `careless` is not looked at.
// expect: null-dereference
// expect: tolerated
// expect site: careless
// expect failed: make_block
#include <time.h>
#include "parts/dereference.h"

#define CAREFUL(n) static APART void careful_##n(void) { free(malloc(10 + n)); }
CAREFUL(0)
CAREFUL(1)
CAREFUL(2)
CAREFUL(3)
CAREFUL(4)
CAREFUL(5)
CAREFUL(6)

int main(void) {
    void (*parts[])(void) = {careful_0, careful_1, careful_2, careful_3, careful_4, careful_5, careful_6, careless};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned long seed = (unsigned long)now.tv_nsec;
    for (int i = 7; i > 0; i--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int other = (int)((seed >> 33) % (unsigned)(i + 1));
        void (*part)(void) = parts[i];
        parts[i] = parts[other];
        parts[other] = part;
    }
    for (int i = 0; i < 8; i++) {
        parts[i]();
    }
    say(1, "done\n");
    return 0;
}
