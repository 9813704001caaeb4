// A signal handler allocates: its stack goes through the signal's frame to the function that was interrupted.
// env: MEMTRACE_SHOW=reachable
// expect: 77 bytes in 1 blocks are still reachable
// expect: at handler (signal_frame.c:
// expect: by interrupted (signal_frame.c:
// expect: by main (signal_frame.c:
// expect: losses: none
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

static void *volatile kept;
static volatile int is_ready;

static void handler(int number) {
    (void)number;
    kept = malloc(77);
    is_ready = 1;
}

// The signal comes in the middle of the loop, at no call.
static __attribute__((noinline)) int interrupted(volatile int *word) {
    int sum = 0;
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    while (!is_ready) {
        sum += *word;
    }
    return sum;
}

int main(void) {
    struct sigaction action = {0};
    action.sa_handler = handler;
    sigaction(SIGALRM, &action, NULL);
    volatile int word = 0;
    return interrupted(&word);
}
