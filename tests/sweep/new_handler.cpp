// The new-handler gives its reserve back and the second try succeeds; without a reserve there is an exception.
// expect once: tolerated
// expect: clean-error
#include <new>
#include "parts/say.h"

static char *reserve;

static void give_back() {
    delete[] reserve;
    reserve = nullptr;
    std::set_new_handler(nullptr);
}

int main() {
    try {
        reserve = new char[4096];
        std::set_new_handler(give_back);
        delete[] new int[100];
        delete[] reserve;
    } catch (const std::bad_alloc &) {
        return sorry();
    }
    say(1, "done\n");
    return 0;
}
