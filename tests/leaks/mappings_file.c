// A private mapping of a file into which the program wrote holds, and a shared one of memory with a descriptor.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"
#include <sys/mman.h>

static void *map(int kind) {
    int file = memfd_create("leaks", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, 65536) == 0);
    void *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, kind, file, 0);
    CHECK(memory != MAP_FAILED && close(file) == 0);
    return memory;
}

int main(void) {
    put((char *)map(MAP_PRIVATE) + 8192, take(HELD));
    put((char *)map(MAP_SHARED) + 8192, take(3004));
    lose(LOST);
    return 0;
}
