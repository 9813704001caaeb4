// The result of an allocation is written to without a look at it.
// forms: null-dereference
// expect site: fill
// expect failed: attempt
#include "parts/form.h"

struct thing {
    char name[16];
    int count;
};

static APART void fill(struct thing *thing) {
    thing->count = 1;
}

int main(void) {
    struct thing *thing = attempt(sizeof *thing);
    fill(thing);
    free(thing);
    say(1, "filled\n");
    return 0;
}
