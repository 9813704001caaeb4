// A block that the program asks to ignore is not lost, and what it holds is not either.
// expect 2012: kept
// expect 60: kept
// expect 1004: definite
// valgrind: differs: it has no such call
// valgrind 2012: definite
// valgrind 60: indirect
#include "parts/announced.h"

static APART void ignore(hidden block) {
    TELL(__lsan_ignore_object, reveal(block));
    clobber();
}

int main(void) {
    hidden block = take(HELD);
    put_in(block, 160, take(60));
    ignore(block);
    lose(LOST);
    return 0;
}
