// Memory that the program announces as a root holds from there on, here a piece of a block that is lost: that holds
// nothing by its other words.
// expect 2012: reachable
// expect 1004: indirect
// expect 5004: definite
// valgrind: differs: it has no such call
// valgrind 2012: indirect
#include "parts/announced.h"

static APART void announce(hidden block, size_t offset, size_t bytes) {
    TELL(memtrace_root, (char *)reveal(block) + offset, bytes);
    clobber();
}

int main(void) {
    hidden block = take(5004);
    put_in(block, 2400, take(HELD));
    put_in(block, 3200, take(LOST));
    announce(block, 2400, 800);
    clobber();
    return 0;
}
