// Without heuristics a pointer to the inside is one, whatever stands around it.
// expect 2012: possible 2
// expect 2028: reachable
// env: MEMTRACE_HEURISTICS=none
// valgrind: differs: its heuristics are on
// valgrind 2012: reachable 2
#include "leaks.h"

static void *volatile roots[3];

static APART void make(int number, size_t bytes, size_t first, size_t second, size_t offset) {
    hidden block = take(bytes);
    ((size_t *)reveal(block))[0] = first;
    ((size_t *)reveal(block))[1] = second;
    put(&roots[number], inside(block, offset));
    clobber();
}

int main(void) {
    make(0, HELD, 5, HELD - 25, 24);
    make(1, HELD, HELD - 8, 0, 8);
    make(2, 2028, 5, 2028 - 25, 0);
    clobber();
    return 0;
}
