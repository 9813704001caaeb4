// Pointers with a tag in their three low bits hold on request; a fourth bit makes a pointer to the inside.
// expect 2012: reachable
// expect 60: reachable
// expect 3004: reachable
// expect 1004: possible
// env: MEMTRACE_TAGGED=low:3
// valgrind: differs: it knows no tags
// valgrind 2012: possible
// valgrind 60: possible
#include "parts/tagged.h"

static void *volatile wide;

int main(void) {
    make(5);
    put(&wide, take(LOST) ^ 13);
    clobber();
    return 0;
}
