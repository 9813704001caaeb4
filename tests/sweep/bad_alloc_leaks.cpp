// The way of the exception leads past a plain pointer.
// expect: leak
// expect: clean-error
#include <new>
#include "parts/say.h"

static APART void work() {
    int *first = new int[100];
    int *second = new int[200];
    delete[] second;
    delete[] first;
}

int main() {
    try {
        work();
    } catch (const std::bad_alloc &) {
        return sorry();
    }
    say(1, "done\n");
    return 0;
}
