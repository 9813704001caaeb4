// Data that is read-only after relocation holds what was written there before (as a resolver of an ifunc does).
// expect 2012: reachable
// expect 1004: definite
// flags: -Wl,-z,relro,-z,now
// valgrind: differs: it reads writable segments only
// valgrind 2012: definite
#include "leaks.h"
#include <sys/mman.h>

static void *volatile held __attribute__((section(".data.rel.ro"), aligned(8))) = (void *)1;

static void protect(int protection) {
    CHECK(mprotect((void *)((uintptr_t)&held & -4096ul), 4096, protection) == 0);
}

int main(void) {
    hidden block = take(HELD);
    protect(PROT_READ | PROT_WRITE);
    put(&held, block);
    protect(PROT_READ);
    lose(LOST);
    return 0;
}
