// Shared memory without a file holds too.
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"
#include <sys/mman.h>

int main(void) {
    void *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    put((char *)memory + 8192, take(HELD));
    lose(LOST);
    return 0;
}
