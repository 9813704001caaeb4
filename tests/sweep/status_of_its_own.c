// Without a failure it ends with 3: the same with one is tolerated, another is an error.
// expect: tolerated
// expect: clean-error
#include "parts/say.h"

int main(void) {
    void *cache = malloc(100);
    free(cache);
    void *block = malloc(200);
    if (block == NULL) {
        return sorry();
    }
    free(block);
    say(1, "no match\n");
    return 3;
}
