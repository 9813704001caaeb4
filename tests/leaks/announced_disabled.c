// Blocks that a thread took between disable and enable, nested too, are not lost; those of other threads are.
// expect 2012: kept 2
// expect 60: kept
// expect 1004: definite 2
// flags: -pthread
// valgrind: differs: it has no such call
// valgrind 2012: definite 2
// valgrind 60: indirect
#include "parts/announced.h"
#include "parts/threads.h"

static void *body(void *nothing) {
    lose(LOST);
    return NULL;
}

int main(void) {
    TELL(__lsan_disable, );
    TELL(__lsan_disable, );
    CHECK(pthread_join(start(body), NULL) == 0);
    TELL(__lsan_enable, );
    put_in(take(HELD), 160, take(60));
    lose(HELD);
    TELL(__lsan_enable, );
    lose(LOST);
    clobber();
    return 0;
}
