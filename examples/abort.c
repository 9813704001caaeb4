// Ends by abort: the report comes first, then the signal.
// exit: SIGABRT
// expect: 88 bytes in 1 block live at the end
// expect: at main (abort.c:
#include <stdlib.h>

int main(void) {
    void *volatile block = malloc(88);
    (void)block;
    abort();
}
