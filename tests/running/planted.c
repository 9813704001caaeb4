// Blocks of all kinds, told by their sizes; letters change what is lost.
#include "running.h"

static void *volatile held, *volatile inner;
static hidden later;

// Its only pointer is lost, and it holds another one.
static APART void plant(void) {
    hidden leader = take(LOST);
    put_in(leader, 8, take(1516));
}

static APART void grow(void) {
    lose(412);
}

static APART void plant_new(void) {
    lose(620);
}

static APART void plant_for_a_while(void) {
    later = take(828);
}

static APART void take_back(void) {
    free(reveal(later));
    WIPE();
}

int main(int argc, char **argv) {
    (void)argv;
    put(&held, take(HELD));
    if (argc < 2) {
        plant();
        put(&inner, inside(take(3020), 1000));
        plant_for_a_while();
    }
    clobber();
    ready();
    for (;;) {
        switch (hear()) {
        case 'g': grow(); break;
        case 'n': plant_new(); break;
        case 'f': take_back(); break;
        case 'e': return 3;
        }
        clobber();
        SAY("done\n");
    }
}
