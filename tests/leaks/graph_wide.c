// One block that points to 100,000 others: held with them, lost with them.
// expect 800016: reachable
// expect 60: reachable 100000
// expect 800032: definite
// expect 44: indirect 100000
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART hidden star(size_t bytes, size_t of) {
    hidden center = take(bytes);
    for (int i = 0; i < 100000; i++) {
        put_in(center, 8 * i, take(of));
    }
    return center;
}

int main(void) {
    put(&root, star(800016, 60));
    star(800032, 44);
    clobber();
    return 0;
}
