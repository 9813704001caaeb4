// The stack of a thread that is blocked in epoll_wait() holds.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"
#include <sys/epoll.h>

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[2], take(HELD));
    put(&locals[3], take(LOST));
    locals[3] = NULL;
    clobber();
    is_ready = 1;
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    while (epoll_wait(epoll, &event, 1, -1) <= 0) {
    }
    return (void *)locals[2];
}

int main(void) {
    start(body);
    wait_until_ready();
    clobber();
    return 0;
}
