// An exception passes through frames that own memory: their destructors run, and what nobody owned stays.
// The C++ library keeps memory of its own for exceptions in need: that block is still reachable.
// expect: 600 bytes in 3 blocks are definitely lost
// expect: at forget(int) (exception.cpp:
// expect: by descend(int) (exception.cpp:
// expect: by main (exception.cpp:
// expect: still reachable: 72,704 bytes in 1 blocks
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

[[gnu::noinline]] void forget(int round) {
    auto *lost = static_cast<volatile char *>(std::malloc(200));
    lost[0] = 1;
    throw std::runtime_error(std::string(100, static_cast<char>('a' + round)));
}

[[gnu::noinline]] void descend(int round) {
    auto owned = std::make_unique<char[]>(1000);
    owned[0] = 1;
    std::string text(500, 'x');
    forget(round);
}

int main() {
    int caught = 0;
    for (volatile int round = 0; round < 3; round = round + 1) {
        try {
            descend(round);
        } catch (const std::exception &error) {
            caught += error.what()[0] == 'a' + round;
        }
    }
    return caught == 3 ? 0 : 1;
}
