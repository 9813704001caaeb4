// The second allocation fails, and the first is forgotten.
// forms: leak
// expect failed: attempt
#include "parts/form.h"

static APART int work(void) {
    char *first = malloc(40);
    if (first == NULL) {
        return sorry();
    }
    char *second = attempt(60);
    if (second == NULL) {
        return sorry();
    }
    free(second);
    free(first);
    return 0;
}

int main(void) {
    return work();
}
