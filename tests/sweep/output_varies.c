// A pid, a time and an address are other ones in each run: with a failure too, and that is not wrong.
// expect: tolerated
#include <stdio.h>
#include <time.h>
#include "parts/say.h"

int main(void) {
    char line[200];
    struct timespec now;
    void *cache = malloc(100);
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(line, sizeof line, "pid %d at %ld.%09ld\n", (int)getpid(), (long)now.tv_sec, now.tv_nsec);
    say(1, line);
    snprintf(line, sizeof line, "stack %p\nsum 6\n", (void *)line);
    say(1, line);
    free(cache);
    return 0;
}
