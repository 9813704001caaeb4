// A pointer to the characters of a string that lie behind length, capacity and count holds it, if the capacity is
// that of the block and the length is not larger; else it is a pointer to the inside.
// expect 2012: reachable 2
// expect 1004: possible 3
// valgrind: same
#include "leaks.h"

static void *volatile roots[5];

static APART void make(int number, size_t bytes, size_t length, size_t capacity, size_t offset) {
    hidden block = take(bytes);
    size_t *words = reveal(block);
    words[0] = length;
    words[1] = capacity;
    put(&roots[number], inside(block, offset));
    clobber();
}

int main(void) {
    make(0, HELD, 0, HELD - 25, 24);
    make(1, HELD, HELD - 25, HELD - 25, 24);
    // Longer than the capacity, another capacity than the block's, another place.
    make(2, LOST, LOST - 24, LOST - 25, 24);
    make(3, LOST, 5, LOST - 26, 24);
    make(4, LOST, 5, LOST - 25, 32);
    clobber();
    return 0;
}
