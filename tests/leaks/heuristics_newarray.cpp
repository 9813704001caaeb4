// A pointer to the first element of an array with destructors, behind the count, holds it, if the rest of the block is
// divided evenly by the count; a pointer to another element is one to the inside.
// expect 2012: reachable
// expect 2000: reachable
// expect 1004: possible 2
// valgrind: same
#include "leaks.h"

struct Element {
    char bytes[83];
    ~Element();
};

Element::~Element() {
    bytes[0] = 1;
}

static void *volatile roots[4];

static APART void make_array() {
    volatile size_t count = 24;
    Element *array = new Element[count];
    memset(array, 0, 24 * sizeof *array);
    roots[0] = array;
    WIPE();
}

static APART void make(int number, size_t bytes, size_t count, size_t offset) {
    hidden block = take(bytes);
    *(size_t *)reveal(block) = count;
    put(&roots[number], inside(block, offset));
    clobber();
}

int main() {
    // 8 + 24 × 83.
    make_array();
    clobber();
    make(1, HELD, 4, 8);
    make(2, LOST, 11, 8);
    make(3, LOST, 4, 16);
    clobber();
    return 0;
}
