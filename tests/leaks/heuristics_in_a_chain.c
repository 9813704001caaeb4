// What a heuristic holds is held like any other block, and holds in its turn.
// expect 2012: reachable
// expect 60: reachable
// expect 1004: possible
// expect 76: possible
// valgrind: same
#include "leaks.h"

static void *volatile roots[2];

static APART void make(int number, size_t bytes, uint64_t length, size_t of) {
    hidden block = take(bytes);
    *(uint64_t *)reveal(block) = length;
    put_in(block, 160, take(of));
    put(&roots[number], inside(block, 8));
    clobber();
}

int main(void) {
    make(0, HELD, HELD - 8, 60);
    make(1, LOST, 777, 76);
    clobber();
    return 0;
}
