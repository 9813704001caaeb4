// Ends by a failed assertion, whose message stays.
// exit: SIGABRT
// expect: 88 bytes in 1 blocks are definitely lost
// expect: at lose (assert.c:
// only: bare
#include <assert.h>
#include <stdlib.h>

static __attribute__((noinline)) int lose(void) {
    void *volatile block = malloc(88);
    return block != NULL;
}

int main(void) {
    int has_lost = lose();
    assert(!has_lost);
    return 0;
}
