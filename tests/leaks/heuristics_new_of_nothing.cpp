// `new T[0]` with a destructor gives the address behind a block of 8 bytes, its count: that pointer holds it. Behind
// any other block of 8 bytes it does not.
// expect 8: reachable, definite
// valgrind: differs: it calls the empty array definitely lost
// valgrind 8: definite 2
#include "leaks.h"

struct Element {
    int number;
    ~Element();
};

Element::~Element() {
    number = 0;
}

static void *volatile roots[2];

static APART void make_array() {
    volatile size_t count = 0;
    roots[0] = new Element[count];
    WIPE();
}

static APART void make_other() {
    hidden block = take(8);
    *(size_t *)reveal(block) = 7;
    put(&roots[1], inside(block, 8));
}

int main() {
    make_array();
    make_other();
    clobber();
    return 0;
}
