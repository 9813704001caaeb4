// It goes on without its cache, and says so.
// forms: tolerated-with-message
#include "parts/form.h"

int main(void) {
    void *cache = attempt(1000);
    if (cache == NULL) {
        say(2, "warning: no cache\n");
    }
    say(1, "sum 6\n");
    free(cache);
    return 0;
}
