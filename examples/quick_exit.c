// Ends by quick_exit, which runs no atexit handler.
// exit: 7
// expect: 88 bytes in 1 block live at the end
// expect: at main (quick_exit.c:
#include <stdlib.h>


int main(void) {
    void *volatile block = malloc(88);
    (void)block;
    quick_exit(7);
}
