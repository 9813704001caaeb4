// A block with a page that cannot be read: the page is skipped, what only it points to is lost, and all else goes on.
// expect 8192: reachable
// expect 2012: reachable
// expect 1004: definite
// valgrind: differs: a pointer to a page that cannot be read is none there, so the block is lost
// valgrind 8192: definite
// valgrind 2012: indirect
#include "leaks.h"
#include <sys/mman.h>

static void *volatile root;

static APART hidden take_pages(void) {
    void *block;
    CHECK(posix_memalign(&block, 4096, 8192) == 0);
    return hide_new(block, 8192);
}

int main(void) {
    hidden pages = take_pages();
    put_in(pages, 64, take(LOST));
    put_in(pages, 4096 + 64, take(HELD));
    put(&root, pages);
    CHECK(mprotect((void *)root, 4096, PROT_NONE) == 0);
    clobber();
    return 0;
}
