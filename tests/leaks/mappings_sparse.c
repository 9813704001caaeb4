// A mapping of 64 GiB with three pointers in it holds, without the rest of it being read or made.
// expect 2012: reachable 3
// expect 1004: definite
// valgrind: not asked: it would read all of it
#include "leaks.h"
#include <sys/mman.h>

int main(void) {
    size_t bytes = 64ul << 30;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    put(memory, take(HELD));
    put(memory + bytes / 2 + 8, take(HELD));
    put(memory + bytes - 8, take(HELD));
    lose(LOST);
    return 0;
}
