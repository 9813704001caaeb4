// A mapping with an unreadable page in the middle holds before and behind it; what stands in the page is not read.
// expect 2012: reachable 2
// expect 1004: definite
// valgrind: same
#include "leaks.h"
#include <sys/mman.h>

int main(void) {
    char *memory = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    put(memory + 4088, take(HELD));
    put(memory + 4096, take(LOST));
    put(memory + 8192, take(HELD));
    CHECK(mprotect(memory + 4096, 4096, PROT_NONE) == 0);
    clobber();
    return 0;
}
