// Blocks of every operator new: each is held, then lost.
// expect 1100: reachable, definite
// expect 1116: reachable, definite
// expect 1132: reachable, definite
// expect 1148: reachable, definite
// expect 1164: reachable, definite
// expect 1180: reachable, definite
// flags: -std=c++17
// valgrind: same
#include "leaks.h"
#include <new>

static const int OPERATORS = 6;
static void *volatile roots[OPERATORS];

static APART void *make(int number, size_t bytes) {
    switch (number) {
    case 0: return operator new(bytes);
    case 1: return operator new[](bytes);
    case 2: return operator new(bytes, std::nothrow);
    case 3: return operator new[](bytes, std::nothrow);
    case 4: return operator new(bytes, std::align_val_t(128));
    default: return operator new[](bytes, std::align_val_t(128));
    }
}

int main() {
    for (int i = 0; i < OPERATORS; i++) {
        size_t bytes = 1100 + 16 * i;
        put(&roots[i], hide_new(make(i, bytes), bytes));
        CHECK(hide_new(make(i, bytes), bytes) != hide(NULL));
    }
    clobber();
    return 0;
}
