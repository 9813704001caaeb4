// Blocks of every allocation function of C: each is held, then lost, under the same rules.
// expect 1100: reachable, definite
// expect 1116: reachable, definite
// expect 1132: reachable, definite
// expect 1148: reachable, definite
// expect 1164: reachable, definite
// expect 1180: reachable, definite
// expect 1196: reachable, definite
// expect 1216: reachable, definite
// expect 1228: reachable, definite
// valgrind: same
#include "leaks.h"
#include <malloc.h>

enum { FUNCTIONS = 9 };

static void *volatile roots[FUNCTIONS];

static APART void *make(int function, size_t bytes) {
    void *block = NULL;
    switch (function) {
    case 0: return malloc(bytes);
    case 1: return calloc(bytes / 4, 4);
    case 2: return realloc(NULL, bytes);
    case 3: return realloc(malloc(3004), bytes);
    case 4: return reallocarray(NULL, bytes / 4, 4);
    case 5: return memalign(256, bytes);
    case 6: return posix_memalign(&block, 512, bytes) == 0 ? block : NULL;
    case 7: return aligned_alloc(64, bytes);
    default: return valloc(bytes);
    }
}

int main(void) {
    static const size_t sizes[FUNCTIONS] = {1100, 1116, 1132, 1148, 1164, 1180, 1196, 1216, 1228};
    for (int i = 0; i < FUNCTIONS; i++) {
        put(&roots[i], hide_new(make(i, sizes[i]), sizes[i]));
        CHECK(hide_new(make(i, sizes[i]), sizes[i]) != hide(NULL));
    }
    clobber();
    return 0;
}
