// A private mapping that was written and then made read-only holds.
// expect 2012: reachable
// expect 1004: definite
// valgrind: differs: it reads writable memory only
// valgrind 2012: definite
#include "leaks.h"
#include <sys/mman.h>

int main(void) {
    char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    put(memory + 512, take(HELD));
    CHECK(mprotect(memory, 4096, PROT_READ) == 0);
    lose(LOST);
    return 0;
}
