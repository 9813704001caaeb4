// Without the request a word with a tag in its high bits is no pointer.
// expect 2012: definite
// expect 60: definite
// expect 3004: reachable
// valgrind: same
#include "parts/tagged.h"

int main(void) {
    make(0x1234ul << 48);
    return 0;
}
