// Thread-specific data of the main thread holds, under the first 32 keys and under later ones.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/keys.h"

int main(void) {
    make_keys();
    set(3, take(HELD));
    set(150, take(3004));
    set(151, take(LOST));
    set(151, hide(NULL));
    clobber();
    return 0;
}
