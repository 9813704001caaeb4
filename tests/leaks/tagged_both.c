// Tags in low and high bits at once, on request.
// expect 2012: reachable
// expect 60: reachable
// expect 3004: reachable
// expect 1004: definite
// env: MEMTRACE_TAGGED=low:3,high:16
// valgrind: differs: it knows no tags
// valgrind 2012: definite
// valgrind 60: definite
#include "parts/tagged.h"

int main(void) {
    make((0x1234ul << 48) | 5);
    lose(LOST);
    return 0;
}
