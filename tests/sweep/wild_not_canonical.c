// An address that no processor takes: the kernel gives 0 as the address of the fault, and it is no NULL dereference.
// expect: wild-access
// expect site: main
#include <stdint.h>
#include "parts/say.h"

int main(void) {
    void *block = malloc(100);
    volatile char *used = block != NULL ? (volatile char *)block : (volatile char *)(uintptr_t)0x4141414141414141;
    *used = 1;
    free(block);
    say(1, "done\n");
    return 0;
}
