// Private memory that the program got from mmap holds; once unmapped it does not.
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"
#include <sys/mman.h>

static APART hidden map(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return hide(memory);
}

int main(void) {
    hidden kept = map(1 << 20), unmapped = map(1 << 20);
    put_in(kept, 700000, take(HELD));
    put_in(unmapped, 700000, take(LOST));
    CHECK(munmap(reveal(unmapped), 1 << 20) == 0);
    clobber();
    return 0;
}
