// Functions of C++ by their names: each digit is one allocation, 0 if it threw.
#include <cstdio>
#include <new>

template <class T> struct Box {
    __attribute__((noinline)) char fill() {
        try {
            delete new T;
        } catch (std::bad_alloc &) {
            return '0';
        }
        return '1';
    }
};

namespace space {
struct Class {
    char said;
    __attribute__((noinline)) Class() : said(Box<long>().fill()) {}
    __attribute__((noinline)) char method(int) { return Box<int>().fill(); }
};
static __attribute__((noinline)) char method() { return Box<int>().fill(); }
} // namespace space

int main() {
    space::Class object;
    char line[] = {object.said, object.method(1), space::method(), 0};
    std::puts(line);
}
