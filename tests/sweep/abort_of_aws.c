// It ends as programs over AWS's C libraries do: a line without an end.
// expect: designed-abort
#include "parts/say.h"

static APART void *aws_mem_acquire(size_t size) {
    void *block = malloc(size);
    if (block == NULL) {
        say(2, "malloc failed to allocate memory");
        abort();
    }
    return block;
}

int main(void) {
    free(aws_mem_acquire(100));
    say(1, "done\n");
    return 0;
}
