// A mapping that mremap moved and enlarged holds.
// expect 2012: reachable 2
// expect 1004: definite
// valgrind: same
#include "leaks.h"
#include <sys/mman.h>

int main(void) {
    char *memory = mmap(NULL, 3 * 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    put(memory + 512, take(HELD));
    // The page behind stays, so that it cannot grow where it is.
    char *moved = mremap(memory, 65536, 16 * 65536, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved != memory);
    put(moved + 15 * 65536, take(HELD));
    lose(LOST);
    return 0;
}
