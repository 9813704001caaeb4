// A lost block that points into a cycle leads it: the whole cycle is indirectly lost, made before its leader or after.
// expect 60: definite
// expect 124: indirect 2
// expect 76: definite
// expect 140: indirect 2
// valgrind: same
#include "parts/ring.h"

int main(void) {
    hidden earlier = take(60), before = ring(140, 2);
    put_in(earlier, 16, ring(124, 2));
    put_in(take(76), 16, before);
    clobber();
    return 0;
}
