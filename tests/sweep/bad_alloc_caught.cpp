// std::bad_alloc is caught at main, and what was built is destroyed on the way.
// expect: clean-error
#include <new>
#include <vector>
#include "parts/say.h"

static APART void work() {
    std::vector<int> first(100);
    std::vector<int> second(200);
    first.push_back(1);
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
