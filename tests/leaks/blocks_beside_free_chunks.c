// Lost blocks whose last bytes are the header of the chunk behind them, as glibc's malloc lays them out: its own
// pointers to that chunk (the heap's top, a free chunk in a bin) do not hold them.
// expect 1240: definite
// expect 1256: definite
// expect 9000: definite
// expect 2012: reachable
// valgrind: same
#include "leaks.h"

static void *volatile root, *volatile early, *volatile late, *volatile large;

int main(void) {
    put(&root, take(HELD));
    lose(1240);
    put(&early, take(4000));
    lose(44);
    lose(1256);
    put(&late, take(6000));
    lose(44);
    lose(9000);
    // A large block, which is mapped, makes malloc sort what was freed before into bins by size.
    drop(&early);
    put(&large, take(400012));
    drop(&late);
    clobber();
    return 0;
}
