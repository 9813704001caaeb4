// The nothrow form gives NULL, which nobody asks for.
// expect: null-dereference
// expect site: main
#include <new>
#include "parts/say.h"

int main() {
    volatile int *numbers = new (std::nothrow) int[100];
    numbers[50] = 1;
    delete[] numbers;
    say(1, "done\n");
    return 0;
}
