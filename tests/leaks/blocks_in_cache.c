// Free chunks that malloc itself has put into the thread's cache, remainders of larger ones that nobody ever freed at
// their addresses: what is left in them holds nothing.
// expect 1004: definite
// expect 2012: reachable
// valgrind: same
#include "leaks.h"

// Chunks of LARGE bytes are freed, and their first FRONT bytes taken again: remainders stay.
enum { COUNT = 6, LARGE = 0x510, FRONT = 0x310, LEFT_AT = 0x88 };

static void *volatile root, *volatile large[COUNT], *volatile other[2 * COUNT + 2];

int main(void) {
    put(&root, take(HELD));
    hidden lost = take(LOST);
    for (int i = 0; i < COUNT; i++) {
        hidden block = take(LARGE - 8);
        put_in(block, FRONT + LEFT_AT, lost);
        put(&large[i], block);
        put(&other[i], take(44));
    }
    for (int i = 0; i < COUNT; i++) drop(&large[i]);
    for (int i = 0; i < COUNT; i++) put(&other[COUNT + i], take(FRONT - 8));
    // The last remainder is sorted into its bin by the first; the second takes one of them and has the others cached.
    put(&other[2 * COUNT], take(4000));
    put(&other[2 * COUNT + 1], take(LARGE - FRONT - 8));
    clobber();
    return 0;
}
