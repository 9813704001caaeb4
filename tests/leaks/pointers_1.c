// Case 1 of Memcheck's nine: root → BBB.
// expect 2012: reachable
// valgrind: same
#include "leaks.h"

static void *volatile root;

int main(void) {
    put(&root, take(HELD));
    clobber();
    return 0;
}
