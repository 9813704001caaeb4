// Mappings that a child would not get, or get as zeroes, hold like any other.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"
#include <sys/mman.h>

static APART void hold(int advice, hidden address) {
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && madvise(memory, 8192, advice) == 0);
    put(memory + 4096, address);
    clobber();
}

int main(void) {
    hold(MADV_DONTFORK, take(HELD));
    hold(MADV_WIPEONFORK, take(3004));
    lose(LOST);
    return 0;
}
