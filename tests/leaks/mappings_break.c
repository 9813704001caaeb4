// Memory that the program got from sbrk holds.
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"

int main(void) {
    hidden block = take(HELD);
    char *memory = sbrk(8192);
    CHECK(memory != (char *)-1);
    put(memory + 4096, block);
    lose(LOST);
    return 0;
}
