// What only a library held that was unloaded is lost.
// expect 2012: reachable
// expect 1004: definite 2
// library: holder.so parts/holder.c
// valgrind: same
#include "parts/dynamic.h"

static void *volatile held;

int main(void) {
    void *library = load("./holder.so");
    hold(library, "hold_in_data", take(LOST));
    hold(library, "hold_in_bss", take(LOST));
    CHECK(dlclose(library) == 0 && dlopen("./holder.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
    put(&held, take(HELD));
    clobber();
    return 0;
}
