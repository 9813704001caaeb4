// Six ways lead to one allocation, and only the one by `forgetful` loses a block: the whole stack tells them apart.
// expect: leak
// expect: clean-error
// expect failed: make_block
#include "parts/say.h"

static APART void *make_block(size_t size) {
    return malloc(size);
}

static APART void *three(size_t size) {
    return make_block(size);
}

static APART void *two(size_t size) {
    return three(size);
}

static APART void *one(size_t size) {
    return two(size);
}

static APART int careful(size_t size) {
    void *first = one(size);
    void *second = one(size + 1);
    free(first);
    free(second);
    return first != NULL && second != NULL ? 0 : -1;
}

static APART int forgetful(size_t size) {
    void *first = one(size);
    void *second = first != NULL ? one(size + 1) : NULL;
    if (second == NULL) {
        return -1;
    }
    free(first);
    free(second);
    return 0;
}

int main(void) {
    if (careful(10) != 0 || forgetful(20) != 0 || careful(30) != 0) {
        return sorry();
    }
    say(1, "done\n");
    return 0;
}
