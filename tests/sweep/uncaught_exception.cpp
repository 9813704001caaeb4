// A failure becomes an exception of the program's own, which nobody catches.
// forms: uncaught-exception
// expect failed: attempt
#include <exception>
#include "parts/form.h"

struct Exhausted : std::exception {};

static APART void *make() {
    void *block = attempt(100);
    if (block == nullptr) {
        throw Exhausted();
    }
    return block;
}

int main() {
    free(make());
    say(1, "done\n");
    return 0;
}
