// It goes on without its cache.
// forms: tolerated
#include "parts/form.h"

int main(void) {
    void *cache = attempt(1000);
    say(1, "sum 6\n");
    free(cache);
    return 0;
}
