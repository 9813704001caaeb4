// Data and bss of a shared library hold.
// expect 2012: reachable 2
// expect 1004: definite
// library: holder.so parts/holder.c
// flags: ./holder.so -Wl,-rpath,$ORIGIN
// valgrind: same
#include "leaks.h"

void hold_in_data(hidden address);
void hold_in_bss(hidden address);

int main(void) {
    hold_in_data(take(HELD));
    hold_in_bss(take(LOST));
    hold_in_bss(take(HELD));
    clobber();
    return 0;
}
