// Data and bss of a library that was loaded by dlopen hold.
// expect 2012: reachable 2
// expect 1004: definite
// library: holder.so parts/holder.c
// valgrind: same
#include "parts/dynamic.h"

int main(void) {
    void *library = load("./holder.so");
    hold(library, "hold_in_data", take(HELD));
    hold(library, "hold_in_bss", take(LOST));
    hold(library, "hold_in_bss", take(HELD));
    clobber();
    return 0;
}
