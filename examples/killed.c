// Killed by a signal that runs no code: under `memtrace run` nothing that was recorded is lost.
// only: run
// exit: SIGKILL
// expect: 88 bytes in 1 block live at the end
// expect: at main (killed.c:
// expect: killed by signal: 9
#include <signal.h>
#include <stdlib.h>

int main(void) {
    void *volatile block = malloc(88);
    (void)block;
    raise(SIGKILL);
    return 0;
}
