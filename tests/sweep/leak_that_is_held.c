// What the error path does not free is still held: by a global, and by the frames below exit.
// expect: clean-error
#include "parts/say.h"

static void *kept;

static APART void work(void) {
    void *volatile second = malloc(60);
    void *third = second != NULL ? malloc(80) : NULL;
    if (third == NULL) {
        exit(sorry());
    }
    free(third);
    free(second);
}

int main(void) {
    kept = malloc(40);
    if (kept == NULL) {
        return sorry();
    }
    work();
    free(kept);
    return 0;
}
