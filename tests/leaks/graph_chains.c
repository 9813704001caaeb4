// Chains of 1,000,000 blocks, one held and one lost, without recursion anywhere.
// expect 60: reachable 1000000
// expect 44: definite, indirect 999999
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART hidden chain(size_t bytes, int blocks) {
    hidden first = take(bytes), last = first;
    for (int i = 1; i < blocks; i++) {
        hidden next = take(bytes);
        put_in(last, 8, next);
        last = next;
    }
    return first;
}

int main(void) {
    put(&root, chain(60, 1000000));
    chain(44, 1000000);
    clobber();
    return 0;
}
