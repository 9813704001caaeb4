// A pointer 8 bytes behind the start holds a block whose first word is the length of the rest.
// expect 2012: reachable
// expect 1004: possible 3
// valgrind: same
#include "leaks.h"

static void *volatile roots[4];

static APART void make(int number, size_t bytes, uint64_t length, size_t offset) {
    hidden block = take(bytes);
    *(uint64_t *)reveal(block) = length;
    put(&roots[number], inside(block, offset));
    clobber();
}

int main(void) {
    make(0, HELD, HELD - 8, 8);
    // Another length, none, another place. 995 is no count of elements either.
    make(1, LOST, LOST - 9, 8);
    make(2, LOST, 0, 8);
    make(3, LOST, LOST - 8, 16);
    clobber();
    return 0;
}
