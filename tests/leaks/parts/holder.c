// A library that holds what it is given: in its data, its bss, and the part that is read-only after relocation.
#include "../leaks.h"

static void *volatile in_data = (void *)1;
static void *volatile in_bss;

void hold_in_data(hidden address) {
    put(&in_data, address);
    clobber();
}

void hold_in_bss(hidden address) {
    put(&in_bss, address);
    clobber();
}
