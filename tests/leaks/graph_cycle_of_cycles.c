// A lost cycle that points to another one leads it.
// expect 124: definite, indirect
// expect 140: indirect 2
// expect 156: indirect 2
// valgrind: same
#include "parts/ring.h"

int main(void) {
    hidden before = ring(156, 2), leader = ring(124, 2);
    put_in(leader, 24, before);
    put_in(leader, 32, ring(140, 2));
    clobber();
    return 0;
}
