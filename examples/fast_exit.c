// Ends by _exit, which runs no atexit handler.
// exit: 7
// expect: 88 bytes in 1 block live at the end
// expect: at main (fast_exit.c:
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    void *volatile block = malloc(88);
    (void)block;
    _exit(7);
}
