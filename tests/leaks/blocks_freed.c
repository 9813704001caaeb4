// A freed block holds nothing, though the pointer still stands in it.
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static void *volatile root, *volatile freed;

static APART hidden holder_of(hidden address) {
    hidden holder = take(3004);
    put_in(holder, 1600, address);
    return holder;
}

int main(void) {
    put(&root, take(HELD));
    put(&freed, holder_of(take(LOST)));
    // So that the holder does not become part of the heap's top.
    lose(44);
    drop(&freed);
    clobber();
    return 0;
}
