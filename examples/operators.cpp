// Every form of operator new, and the delete that belongs to it. Each is recorded as what was called, with the size
// that was asked for (the C++ library rounds some up) and the caller as its first frame.
// expect-site: operator new, 1 byte in 1 block
// expect-site: operator new, 3 bytes in 1 block
// expect-site: operator new, 100 bytes in 1 block
// expect-site: operator new, 200 bytes in 1 block
// expect-site: operator new[], 2 bytes in 1 block
// expect-site: operator new[], 4 bytes in 1 block
// expect-site: operator new[], 130 bytes in 1 block
// expect-site: operator new[], 300 bytes in 1 block
// expect: 300 bytes in 1 blocks are definitely lost
// expect: at main (operators.cpp:56)
// expect: 200 bytes in 1 blocks are definitely lost
// expect: at main (operators.cpp:55)
// expect: 130 bytes in 1 blocks are definitely lost
// expect: at main (operators.cpp:54)
// expect: 100 bytes in 1 blocks are definitely lost
// expect: at main (operators.cpp:53)
// expect: 4 bytes in 1 blocks are definitely lost
// expect: at main (operators.cpp:52)
// expect: losses: none
// flags: -std=c++17 -O0
#include <cstdlib>
#include <new>

struct alignas(64) Wide {
    char bytes[64];
};

int main() {
    // Given back, one by each form of delete.
    operator delete(operator new(11));
    operator delete[](operator new[](12));
    operator delete(operator new(13, std::nothrow), std::nothrow);
    operator delete[](operator new[](14, std::nothrow), std::nothrow);
    operator delete(operator new(15), std::size_t(15));
    operator delete[](operator new[](16), std::size_t(16));
    std::align_val_t wide{64};
    operator delete(operator new(64, wide), wide);
    operator delete[](operator new[](128, wide), wide);
    operator delete(operator new(192, wide, std::nothrow), wide, std::nothrow);
    operator delete[](operator new[](256, wide, std::nothrow), wide, std::nothrow);
    operator delete(operator new(320, wide), std::size_t(320), wide);
    operator delete[](operator new[](384, wide), std::size_t(384), wide);
    delete new Wide;
    delete[] new Wide[3];
    // Lost.
    void *volatile lost;
    lost = operator new(1);
    lost = operator new[](2);
    lost = operator new(3, std::nothrow);
    lost = operator new[](4, std::nothrow);
    lost = operator new(100, wide);
    lost = operator new[](130, wide);
    lost = operator new(200, wide, std::nothrow);
    lost = operator new[](300, wide, std::nothrow);
    (void)lost;
    return 0;
}
