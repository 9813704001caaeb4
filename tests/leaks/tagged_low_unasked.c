// Without the request a tag in the low bits makes a pointer to the inside.
// expect 2012: possible
// expect 60: possible
// expect 3004: reachable
// valgrind: same
#include "parts/tagged.h"

int main(void) {
    make(5);
    return 0;
}
