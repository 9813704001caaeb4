// What C++ makes of a failure: an exception, a null pointer, or a new-handler that helps.
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <unistd.h>

static void say(const char *text) {
    (void)!write(1, text, std::strlen(text));
}

static void *reserve;
static int rounds;

static void help() {
    say("handler\n");
    std::free(reserve);
    reserve = nullptr;
    if (++rounds >= 3) {
        throw std::bad_alloc();
    }
}

[[gnu::noinline]] int *plain() {
    return static_cast<int *>(operator new(40));
}

[[gnu::noinline]] int *array() {
    return static_cast<int *>(operator new[](48));
}

int main(int, char **argv) {
    const bool is_handled = std::strcmp(argv[1], "handler") == 0;
    if (is_handled) {
        reserve = std::malloc(1000);
        std::set_new_handler(help);
    }
    for (int *(*make)() : {plain, array}) {
        try {
            int *volatile block = make();
            say(block != nullptr ? "block\n" : "null\n");
        } catch (const std::bad_alloc &) {
            say("bad_alloc\n");
        }
    }
    void *volatile quiet = operator new(56, std::nothrow);
    say(quiet != nullptr ? "block\n" : "null\n");
    void *volatile wide = operator new(64, std::align_val_t(64), std::nothrow);
    say(wide != nullptr ? "block\n" : "null\n");
    return 0;
}
