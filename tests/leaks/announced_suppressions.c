// The program names its own suppressions: a block of such a stack is not lost, and what it holds is not either.
// expect 2012: kept
// expect 60: kept
// expect 1004: definite
// flags: -rdynamic
// valgrind: differs: it does not ask the program
// valgrind 2012: definite
// valgrind 60: indirect
#include "leaks.h"

const char *__lsan_default_suppressions(void) {
    return "leak:take_on_purpose\n";
}

APART hidden take_on_purpose(void) {
    hidden block = take(HELD);
    WIPE();
    return block;
}

int main(void) {
    put_in(take_on_purpose(), 160, take(60));
    lose(LOST);
    return 0;
}
