// What a lost cycle holds is indirectly lost, made before the cycle or after it.
// expect 124: definite, indirect
// expect 60: indirect
// expect 76: indirect
// valgrind: same
#include "parts/ring.h"

int main(void) {
    hidden earlier = take(60), first = ring(124, 2);
    put_in(first, 64, take(76));
    put_in(first, 72, earlier);
    clobber();
    return 0;
}
