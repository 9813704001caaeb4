// The end by exec: the image before it is judged as it stood at the call, the one after it by itself.
// expect 2012: reachable
// expect 1004: definite
// expect 3004: reachable
// expect 1020: definite
// only: run
// valgrind: not asked: it does not judge the image that ends by exec
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}

int main(int count, char **arguments) {
    void *volatile locals[8] = {0};
    if (count > 1) {
        lose(1020);
        return 0;
    }
    hold_and_lose();
    put(&locals[3], take(3004));
    clobber();
    execl("/proc/self/exe", arguments[0], "again", NULL);
    return locals[0] == NULL;
}
