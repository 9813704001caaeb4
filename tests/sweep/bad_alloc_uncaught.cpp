// Nobody catches std::bad_alloc: so C++ programs end by design.
// expect: designed-abort
#include "parts/say.h"

int main() {
    int *numbers = new int[100];
    say(1, "done\n");
    delete[] numbers;
    return 0;
}
