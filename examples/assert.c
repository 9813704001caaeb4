// Ends by a failed assertion, whose message stays.
// exit: SIGABRT
// expect: 88 bytes in 1 block live at the end
// expect: at main (assert.c:
// only: bare
#include <assert.h>
#include <stdlib.h>

int main(void) {
    void *volatile block = malloc(88);
    assert(block == 0);
    return 0;
}
