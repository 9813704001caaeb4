// The same by LeakSanitizer's call; a root that is taken back holds no more.
// expect 2012: reachable
// expect 1004: indirect 2
// expect 5004: definite 2
// valgrind: differs: it has no such call
// valgrind 2012: indirect
#include "parts/announced.h"

static APART void announce(hidden block, size_t offset, size_t bytes) {
    TELL(__lsan_register_root_region, (char *)reveal(block) + offset, bytes);
    clobber();
}

static APART void take_back(hidden block, size_t offset, size_t bytes) {
    TELL(__lsan_unregister_root_region, (char *)reveal(block) + offset, bytes);
    clobber();
}

int main(void) {
    hidden one = take(5004), other = take(5004);
    put_in(one, 2400, take(HELD));
    put_in(one, 3200, take(LOST));
    put_in(other, 2400, take(LOST));
    announce(one, 2400, 800);
    announce(other, 2400, 800);
    take_back(other, 2400, 800);
    clobber();
    return 0;
}
