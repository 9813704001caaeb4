// A block's last whole word is read; a word that reaches beyond the bytes asked for is not.
// expect 3004: reachable
// expect 2012: reachable
// expect 28: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"
#include <malloc.h>

static void *volatile roots[2];

// In glibc's room behind the end, where it has any, lies the other half of the pointer.
static APART void put_at_the_end(hidden block, size_t offset, size_t bytes, hidden address) {
    void *pointer = reveal(address);
    size_t room = malloc_usable_size(reveal(block)) >= offset + sizeof pointer ? sizeof pointer : bytes - offset;
    memcpy((char *)reveal(block) + offset, &pointer, room);
    WIPE();
}

int main(void) {
    hidden whole = take(3004), part = take(28);
    put_in(whole, 2992, take(HELD));
    put(&roots[0], whole);
    put_at_the_end(part, 24, 28, take(LOST));
    put(&roots[1], part);
    clobber();
    return 0;
}
